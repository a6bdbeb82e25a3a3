package gateway

// completionWriter writes text_completion events.
type completionWriter struct {
	chunk   Completion // what all chunks share
	form    completionForm
	choices *completionChoices
}

func (w *completionWriter) begin(_ *eventStream, gen *generation) error {
	w.chunk.SystemFingerprint = gen.fingerprint()
	w.choices = newCompletionChoices(w.form, gen.lease.Model.Tokenizer, gen.prompts, gen.n)
	return nil
}

func (w *completionWriter) piece(s *eventStream, p piece) error {
	choice := w.choices.add(p.index, p.Chunk)
	if choice.Logprobs != nil && len(choice.Logprobs.Tokens) == 0 {
		choice.Logprobs = nil
	}
	if choice.Text == "" && choice.Logprobs == nil && choice.FinishReason == nil {
		return nil
	}
	chunk := w.chunk
	chunk.Choices = []CompletionChoice{choice}
	return s.data(chunk)
}

func (w *completionWriter) end(s *eventStream, gen *generation) error {
	chunk := w.chunk
	chunk.Choices = []CompletionChoice{}
	return s.doneWith(gen.usage(), &chunk.Usage, &chunk)
}
