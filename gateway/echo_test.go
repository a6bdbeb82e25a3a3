package gateway

import (
	"encoding/json"
	"fmt"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mergeway/mergeway/infer"
)

func TestEchoPutsThePromptFirst(t *testing.T) {
	ids, err := json.Marshal(miniature().Encode("りんご", false))
	require.NoError(t, err)
	for _, stream := range []string{"false", "true"} {
		for prompt, want := range map[string]string{`"a <b>"`: "a <b>Hello, world", string(ids): "りんごHello, world"} {
			t.Run(prompt+", stream "+stream, func(t *testing.T) {
				b := newBench(t)
				r := b.send("POST", completionsPath, complete(prompt, `"echo": true, "n": 2, "stream": `+stream))
				require.Equal(t, http.StatusOK, r.status, r.body)
				all := completionChunks(t, r.body, stream == "true")
				for i := range 2 {
					logprobs, text := joined(t, all, i)
					require.Equal(t, want, text)
					require.Empty(t, logprobs.Tokens)
				}
				seen := b.engine.seen()[0]
				require.False(t, seen.PromptLogprobs || seen.NoReply)
			})
		}
	}
}

func TestEchoWithLogprobs(t *testing.T) {
	bos, apple := token(t, "<s>"), miniature().Encode("りん", false)
	prompt := append([]int32{bos}, apple...)
	prompt = append(prompt, token(t, "<0xC3>"), token(t, "<0xA9>"))
	ids, err := json.Marshal(prompt)
	require.NoError(t, err)
	var places []int // of the prompt's tokens, in characters
	shown := miniature().NewStream()
	at := 0
	for _, id := range prompt {
		places = append(places, at)
		at += len([]rune(shown.Push(id)))
	}
	require.Equal(t, 3, at)
	for _, stream := range []string{"false", "true"} {
		for _, most := range []int{0, 4} {
			t.Run(fmt.Sprintf("max_tokens %d, stream %s", most, stream), func(t *testing.T) {
				b := newBench(t)
				b.engine.script = sayScored(t)
				r := b.send("POST", completionsPath, complete(string(ids), fmt.Sprintf(`"echo": true, "logprobs": 1, "max_tokens": %d, "stream": %s`, most, stream)))
				require.Equal(t, http.StatusOK, r.status, r.body)
				all := completionChunks(t, r.body, stream == "true")
				got, text := joined(t, all, 0)
				want, tokens := places, len(prompt)
				if most == 0 {
					require.Equal(t, "りんé", text)
				} else {
					require.Equal(t, "りんé本é", text)
					want, tokens = append(append([]int{}, places...), 3, 4, 4, 5), tokens+4
				}
				require.Equal(t, want, got.TextOffset)
				require.Len(t, got.Tokens, tokens)
				require.Nil(t, got.TokenLogprobs[0])
				require.Nil(t, got.TopLogprobs[0])
				for i := 1; i < tokens; i++ {
					require.Contains(t, got.TopLogprobs[i], got.Tokens[i], "the token that came is among them")
					require.NotNil(t, got.TokenLogprobs[i])
				}
				require.Equal(t, "<s>", got.Tokens[0])
				seen := b.engine.seen()[0]
				require.Equal(t, prompt, seen.Prompt, "nothing is added to ids")
				require.True(t, seen.PromptLogprobs)
				require.Equal(t, most == 0, seen.NoReply)
				require.Equal(t, infer.Sampling{Temperature: 1, TopP: 1, MaxTokens: most, Logprobs: true, TopLogprobs: 1}, seen.Sampling)
			})
		}
	}
}

func TestEveryPromptHasItsOwnEcho(t *testing.T) {
	b := newBench(t)
	b.engine.script = sayScored(t)
	r := b.send("POST", completionsPath, complete(`["a", "bc"]`, `"echo": true, "logprobs": 0, "n": 2`))
	require.Equal(t, http.StatusOK, r.status, r.body)
	all := completionChunks(t, r.body, false)
	for i, want := range []string{"a本é", "a本é", "bc本é", "bc本é"} {
		got, text := joined(t, all, i)
		require.Equal(t, want, text)
		require.Len(t, got.Tokens, len([]rune(want))-2+4)
		require.Equal(t, len([]rune(want))-2, got.TextOffset[len(got.Tokens)-4])
	}
}
