package gateway

// messageWriter writes a reply as Anthropic's events: blocks one after another,
// each opened when its first piece comes.
type messageWriter struct {
	message Message // as it begins
	most    int     // tokens that the reply may have

	blocks int    // opened so far
	open   string // type of the one that is open; "" if none is
	call   int    // the call that is open
	finish piece  // the last one
}

// begin sends the message without its contents.
func (w *messageWriter) begin(s *eventStream, gen *generation) error {
	w.message.Usage = messageUsage(gen.usage())
	if err := w.send(s, messageEvent{Type: "message_start", Message: &w.message}); err != nil {
		return err
	}
	return w.send(s, messageEvent{Type: "ping"})
}

func (w *messageWriter) send(s *eventStream, e messageEvent) error { return s.named(e.Type, e) }

// piece adds text, then what there is of calls.
func (w *messageWriter) piece(s *eventStream, p piece) error {
	if p.FinishReason != "" {
		w.finish = p
	}
	if p.Text != "" {
		if w.open != "text" {
			if err := w.openBlock(s, MessageBlock{Type: "text", Text: new(string)}); err != nil {
				return err
			}
		}
		if err := w.add(s, textDelta{"text_delta", p.Text}); err != nil {
			return err
		}
	}
	for _, d := range p.calls {
		if w.open != "tool_use" || w.call != d.Index {
			if err := w.openBlock(s, MessageBlock{Type: "tool_use", ID: d.ID, Name: d.Function.Name, Input: toolInput("")}); err != nil {
				return err
			}
			w.call = d.Index
		}
		if d.Function.Arguments == "" {
			continue
		}
		if err := w.add(s, inputDelta{"input_json_delta", d.Function.Arguments}); err != nil {
			return err
		}
	}
	return nil
}

// openBlock begins a block, and ends the one before.
func (w *messageWriter) openBlock(s *eventStream, b MessageBlock) error {
	if err := w.closeBlock(s); err != nil {
		return err
	}
	index := w.blocks
	w.blocks++
	w.open = b.Type
	return w.send(s, messageEvent{Type: "content_block_start", Index: &index, Block: &b})
}

// add sends what the open block grows by.
func (w *messageWriter) add(s *eventStream, delta any) error {
	index := w.blocks - 1
	return w.send(s, messageEvent{Type: "content_block_delta", Index: &index, Delta: delta})
}

func (w *messageWriter) closeBlock(s *eventStream) error {
	if w.open == "" {
		return nil
	}
	w.open = ""
	index := w.blocks - 1
	return w.send(s, messageEvent{Type: "content_block_stop", Index: &index})
}

// end tells why the reply ended and what it cost.
func (w *messageWriter) end(s *eventStream, gen *generation) error {
	if err := w.closeBlock(s); err != nil {
		return err
	}
	usage := messageUsage(gen.usage())
	var delta messageDelta
	delta.StopReason, delta.StopSequence = stopReason(w.finish.FinishReason, w.finish.Stop, usage.OutputTokens < w.most)
	if err := w.send(s, messageEvent{Type: "message_delta", Delta: delta, Usage: &usage}); err != nil {
		return err
	}
	return w.send(s, messageEvent{Type: "message_stop"})
}

// fail tells of an error after the first byte.
func (w *messageWriter) fail(s *eventStream, e ErrorBody) error {
	return s.named("error", e.anthropic(requestID(s.c)))
}
