package gateway

import (
	"context"
	"encoding/json"
	"math"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mergeway/mergeway/infer"
)

// token is the id of one of the miniature's tokens.
func token(t *testing.T, name string) int32 {
	t.Helper()
	id, ok := miniature().TokenID(name)
	require.True(t, ok, name)
	return id
}

// scored is a token with its log probability and alternatives.
func scored(id int32, logprob float32, top ...infer.TokenLogprob) infer.TokenLogprob {
	return infer.TokenLogprob{ID: id, Logprob: logprob, Known: true, Top: top}
}

// sayScored is a script of a reply "本 é" with é in two halves, and its end.
func sayScored(t *testing.T) func(context.Context, infer.Request, func(infer.Chunk) bool) {
	book, first, second, end := token(t, "本"), token(t, "<0xC3>"), token(t, "<0xA9>"), token(t, "</s>")
	third := float32(1) / 3
	return func(_ context.Context, r infer.Request, send func(infer.Chunk) bool) {
		c := infer.Chunk{Text: "本", Tokens: 1, Cached: 2, Logprobs: []infer.TokenLogprob{scored(book, -third, scored(book, -third), scored(first, -2))}}
		if r.PromptLogprobs && len(r.Prompt) > 0 {
			for i, id := range r.Prompt {
				c.PromptLogprobs = append(c.PromptLogprobs, scored(id, -float32(i), scored(book, -0.5)))
			}
			c.PromptLogprobs[0] = infer.TokenLogprob{ID: r.Prompt[0]}
		}
		if r.NoReply {
			send(infer.Chunk{PromptLogprobs: c.PromptLogprobs, FinishReason: "length"})
			return
		}
		send(c)
		send(infer.Chunk{Tokens: 2, Cached: 2, Logprobs: []infer.TokenLogprob{scored(first, -3, scored(book, -0.25))}})
		send(infer.Chunk{Text: "é", Tokens: 3, Cached: 2, Logprobs: []infer.TokenLogprob{scored(second, float32(math.Inf(-1)), scored(second, float32(math.Inf(-1))))}})
		last := scored(end, -0.125, scored(end, -0.125))
		last.Ends = true
		send(infer.Chunk{Tokens: 4, Cached: 2, Logprobs: []infer.TokenLogprob{last}, FinishReason: "stop"})
	}
}

func TestChatLogprobsAskTheEngine(t *testing.T) {
	for fields, want := range map[string]infer.Sampling{
		`"logprobs": true`:                        {Logprobs: true},
		`"logprobs": true, "top_logprobs": 0`:     {Logprobs: true},
		`"logprobs": true, "top_logprobs": 20`:    {Logprobs: true, TopLogprobs: 20},
		`"logprobs": true, "top_logprobs": null`:  {Logprobs: true},
		`"logprobs": false, "top_logprobs": 0`:    {},
		`"logprobs": false, "top_logprobs": null`: {},
	} {
		b := newBench(t)
		require.Equal(t, http.StatusOK, b.send("POST", chatPath, ask(fields)).status, fields)
		got := b.engine.seen()[0]
		require.Equal(t, want, infer.Sampling{Logprobs: got.Sampling.Logprobs, TopLogprobs: got.Sampling.TopLogprobs}, fields)
		require.False(t, got.PromptLogprobs)
	}
}

func TestChatRefusesLogprobsByName(t *testing.T) {
	b := newBench(t)
	for fields, param := range map[string]string{
		`"logprobs": 1`:                         "logprobs",
		`"logprobs": "true"`:                    "logprobs",
		`"logprobs": true, "top_logprobs": 21`:  "top_logprobs",
		`"logprobs": true, "top_logprobs": -1`:  "top_logprobs",
		`"logprobs": true, "top_logprobs": 0.5`: "top_logprobs",
		`"logprobs": true, "top_logprobs": 1e9`: "top_logprobs",
		`"logprobs": true, "top_logprobs": NaN`: "top_logprobs",
		`"top_logprobs": 2`:                     "top_logprobs",
	} {
		b.send("POST", chatPath, ask(fields)).requireError(t, http.StatusBadRequest, "invalid", param)
	}
	require.Empty(t, b.engine.seen())
}

func TestChatLogprobs(t *testing.T) {
	third := float32(1) / 3
	book := ChatTopLogprob{Token: "本", Logprob: -third, Bytes: []int{0xE6, 0x9C, 0xAC}}
	other := ChatTopLogprob{Token: "本", Logprob: -0.25, Bytes: book.Bytes}
	half := func(b int, logprob float32) ChatTopLogprob {
		return ChatTopLogprob{Token: "\uFFFD", Logprob: logprob, Bytes: []int{b}}
	}
	want := []ChatTokenLogprob{
		{book, []ChatTopLogprob{book, half(0xC3, -2)}},
		{half(0xC3, -3), []ChatTopLogprob{other}},
		{half(0xA9, leastLogprob), []ChatTopLogprob{half(0xA9, leastLogprob)}},
	}
	t.Run("whole", func(t *testing.T) {
		b := newBench(t)
		b.engine.script = sayScored(t)
		r := b.send("POST", chatPath, ask(`"logprobs": true, "top_logprobs": 2`))
		require.Equal(t, http.StatusOK, r.status, r.body)
		var got ChatCompletion
		r.into(t, &got)
		require.Equal(t, want, got.Choices[0].Logprobs.Content, "without the token that ended the reply")
		require.Equal(t, "本é", *got.Choices[0].Message.Content)
		require.Equal(t, 2, strings.Count(r.body, `"logprob":-0.33333334`), "the same number, written alike")
		require.Contains(t, r.body, `"refusal":null`)
	})
	t.Run("stream", func(t *testing.T) {
		b := newBench(t)
		b.engine.script = sayScored(t)
		r := b.send("POST", chatPath, ask(`"stream": true, "logprobs": true, "top_logprobs": 2`))
		got, done := chunks(t, r.body)
		require.True(t, done)
		require.Len(t, got, 5, "the role, three tokens, the end")
		for i, c := range got {
			if i == 0 || i == 4 {
				require.Nil(t, c.Choices[0].Logprobs)
				continue
			}
			require.Equal(t, want[i-1:i], c.Choices[0].Logprobs.Content)
			require.Equal(t, []string{"本", "", "é"}[i-1], *c.Choices[0].Delta.Content)
		}
	})
	t.Run("not asked for", func(t *testing.T) {
		b := newBench(t)
		b.engine.script = sayScored(t)
		r := b.send("POST", chatPath, ask(""))
		require.Contains(t, r.body, `"logprobs":null`)
		r = b.send("POST", chatPath, ask(`"stream": true`))
		got, _ := chunks(t, r.body)
		require.Len(t, got, 4, "no chunk without text")
	})
	t.Run("of no tokens", func(t *testing.T) {
		b := newBench(t)
		b.engine.script = say()
		require.Contains(t, b.send("POST", chatPath, ask(`"logprobs": true`)).body, `"logprobs":{"content":[]`)
	})
}

func TestAWholeReplyHoldsSoManyLogprobs(t *testing.T) {
	const held = 3 + 2 + 2 + 2 // the tokens of sayScored, and their alternatives
	for limit, status := range map[int]int{held: http.StatusOK, held - 1: http.StatusBadRequest} {
		b := newBench(t, func(o *Options) { o.Limits.ReplyLogprobs = limit })
		b.engine.script = sayScored(t)
		r := b.send("POST", chatPath, ask(`"logprobs": true, "top_logprobs": 2`))
		require.Equal(t, status, r.status, r.body)
		if status != http.StatusOK {
			r.requireError(t, status, "invalid", "logprobs")
		}
		require.Zero(t, b.engine.streams())
		r = b.send("POST", chatPath, ask(`"logprobs": true, "top_logprobs": 2, "stream": true`))
		_, done := chunks(t, r.body)
		require.True(t, done, "a stream holds none")
	}
}

// pointers are log probabilities as the wire has them.
func pointers(values ...float32) []*float32 {
	var out []*float32
	for _, v := range values {
		out = append(out, &v)
	}
	return out
}

func TestCompletionLogprobs(t *testing.T) {
	third := float32(1) / 3
	want := CompletionLogprobs{
		Tokens:        []string{"本", `bytes:\xc3`, `bytes:\xa9`, "</s>"},
		TokenLogprobs: pointers(-third, -3, leastLogprob, -0.125),
		TopLogprobs: []map[string]float32{
			{"本": -third, `bytes:\xc3`: -2}, {`bytes:\xc3`: -3, "本": -0.25}, {`bytes:\xa9`: leastLogprob}, {"</s>": -0.125},
		},
		TextOffset: []int{0, 1, 1, 2},
	}
	for _, stream := range []string{"false", "true"} {
		t.Run("stream "+stream, func(t *testing.T) {
			b := newBench(t)
			b.engine.script = sayScored(t)
			r := b.send("POST", completionsPath, complete(`[1, 2]`, `"logprobs": 2, "stream": `+stream))
			require.Equal(t, http.StatusOK, r.status, r.body)
			got, text := joined(t, completionChunks(t, r.body, stream == "true"), 0)
			require.Equal(t, want, got)
			require.Equal(t, "本é", text)
			seen := b.engine.seen()[0]
			require.True(t, seen.Sampling.Logprobs)
			require.Equal(t, 2, seen.Sampling.TopLogprobs)
			require.False(t, seen.PromptLogprobs, "nothing is echoed")
		})
	}
	b := newBench(t)
	require.Equal(t, http.StatusOK, b.send("POST", completionsPath, complete(`"a"`, `"logprobs": 0`)).status)
	require.Equal(t, infer.Sampling{Temperature: 1, TopP: 1, MaxTokens: 16, Logprobs: true}, b.engine.seen()[0].Sampling)
}

// joined puts together what the chunks say of one choice.
func joined(t *testing.T, chunks []Completion, index int) (all CompletionLogprobs, text string) {
	t.Helper()
	for _, c := range chunks {
		for _, choice := range c.Choices {
			if choice.Index != index {
				continue
			}
			text += choice.Text
			if l := choice.Logprobs; l != nil {
				all.Tokens = append(all.Tokens, l.Tokens...)
				all.TokenLogprobs = append(all.TokenLogprobs, l.TokenLogprobs...)
				all.TopLogprobs = append(all.TopLogprobs, l.TopLogprobs...)
				all.TextOffset = append(all.TextOffset, l.TextOffset...)
			}
		}
	}
	require.Len(t, all.TokenLogprobs, len(all.Tokens))
	require.Len(t, all.TopLogprobs, len(all.Tokens))
	require.Len(t, all.TextOffset, len(all.Tokens))
	return all, text
}

func TestTokensOfOneTextShareAnEntry(t *testing.T) {
	newline, twin := miniature().Encode("\n", false)[0], token(t, "<0x0A>")
	same := string(miniature().TokenBytes(newline)) == string(miniature().TokenBytes(twin))
	require.True(t, same)
	for name, c := range map[string]struct {
		chosen infer.TokenLogprob
		want   map[string]float32
	}{
		"the alternative is likelier": {scored(twin, -3, scored(newline, -1), scored(twin, -3)), map[string]float32{"\n": -1}},
		"the chosen one is likelier":  {scored(newline, -1, scored(newline, -1), scored(twin, -3)), map[string]float32{"\n": -1}},
		"without alternatives":        {scored(newline, -1), map[string]float32{"\n": -1}},
	} {
		t.Run(name, func(t *testing.T) {
			var l CompletionLogprobs
			l.add(miniature(), c.chosen, 0)
			require.Equal(t, c.want, l.TopLogprobs[0])
			require.Equal(t, c.chosen.Logprob, *l.TokenLogprobs[0])
		})
	}
}

func TestNumbersThatJSONCannotWriteBecomeTheLeast(t *testing.T) {
	for _, v := range []float32{float32(math.Inf(-1)), float32(math.NaN()), -1e30} {
		require.Equal(t, float32(leastLogprob), finite(infer.TokenLogprob{Logprob: v}))
	}
	// A client that compares them as it reads them finds the same as we do.
	for _, v := range []float32{-1.1920929e-07, -0.1, -12.345678, 0} {
		data, err := json.Marshal([]float32{finite(infer.TokenLogprob{Logprob: v})})
		require.NoError(t, err)
		var read []float32
		require.NoError(t, json.Unmarshal(data, &read))
		require.Equal(t, v, read[0])
	}
}
