package gateway

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// showing is a response's input with pictures.
func showing(parts string) string { return `[{"role": "user", "content": [` + parts + `]}]` }

func inputImage(url, more string) string {
	return `{"type": "input_image", "image_url": "` + url + `"` + more + `}`
}

func TestResponsesShowPictures(t *testing.T) {
	for _, stream := range []string{"false", "true"} {
		b := newBench(t)
		b.withEyes()
		r := b.send("POST", responsesPath, respond(showing(`{"type": "input_text", "text": "what?"}, `+inputImage(red, `, "detail": "auto"`)), `"stream": `+stream))
		require.Equal(t, http.StatusOK, r.status, r.body)
		asked := b.engine.seen()[0]
		require.Equal(t, shownPrompt("user: what?#"), asked.Prompt)
		require.Len(t, asked.Pictures, 1)
		require.Contains(t, r.body, `"input_tokens":`+itoa(len(asked.Prompt)))
	}
}

// A conversation that goes on still shows what it showed.
func TestStoredResponsesKeepPictures(t *testing.T) {
	b := newBench(t)
	b.withEyes()
	var first Response
	b.send("POST", responsesPath, respond(showing(inputImage(red, "")), "")).into(t, &first)
	r := b.send("POST", responsesPath, respond(`"and?"`, `"previous_response_id": "`+first.ID+`"`))
	require.Equal(t, http.StatusOK, r.status, r.body)
	asked := b.engine.seen()[1]
	require.Equal(t, shownPrompt("user: #", "assistant: Hello, world", "user: and?"), asked.Prompt)
	require.Len(t, asked.Pictures, 1)
	var items ResponseItemPage
	b.send("GET", responsesPath+"/"+first.ID+"/input_items", "").into(t, &items)
	require.Equal(t, red, items.Data[0].Content[0].ImageURL)
}

func TestStoredResponsesBoundPictures(t *testing.T) {
	b := newBench(t, func(o *Options) { o.Limits.KeptPictures = 2*len(red) - 1 })
	b.withEyes()
	input := showing(inputImage(red, "") + ", " + inputImage(red, ""))
	b.send("POST", responsesPath, respond(input, "")).requireError(t, http.StatusBadRequest, "invalid", "store")
	require.Empty(t, b.engine.seen(), "nobody waits for what can't be kept")
	require.Equal(t, http.StatusOK, b.send("POST", responsesPath, respond(input, `"store": false`)).status)
	require.Equal(t, http.StatusOK, b.send("POST", responsesPath, respond(showing(inputImage(red, "")), "")).status)
}

func TestPicturesOfResponsesAreRefusedByTheirPlace(t *testing.T) {
	at := "input[0].content[0]"
	for name, c := range map[string]struct{ part, param string }{
		"no picture":        {inputImage("data:image/png;base64,aGk=", ""), at + ".image_url"},
		"an unknown host":   {inputImage("https://elsewhere.example/", ""), at + ".image_url"},
		"an empty address":  {inputImage("", ""), at + ".image_url"},
		"an unknown detail": {inputImage(red, `, "detail": "medium"`), at + ".detail"},
		"a file":            {`{"type": "input_image", "file_id": "f"}`, at + ".image_url"},
		"too many":          {strings.Repeat(inputImage(red, "")+", ", 16) + inputImage(red, ""), "input[0].content[16]"},
	} {
		b := newBench(t)
		b.withEyes()
		b.send("POST", responsesPath, respond(showing(c.part), "")).requireError(t, http.StatusBadRequest, "invalid", c.param)
		require.Empty(t, b.engine.seen(), name)
	}
}

// A long conversation is shortened by its oldest turns, and their pictures with them.
func TestTruncationLeavesPicturesOut(t *testing.T) {
	b := newBench(t)
	web := b.withEyes()
	b.engine.context = 60
	r := b.send("POST", responsesPath, respond(`[{"role": "user", "content": [`+inputImage(redURL, "")+`]}, {"role": "assistant", "content": "a"},
		{"role": "user", "content": [`+inputImage(blueURL, "")+`]}, {"role": "assistant", "content": "b"}, {"role": "user", "content": [`+inputImage(redURL, "")+`]}]`,
		`"truncation": "auto", "max_output_tokens": 4`))
	require.Equal(t, http.StatusOK, r.status, r.body)
	require.Equal(t, shownPrompt("user: #", "assistant: b", "user: #"), b.engine.seen()[0].Prompt)
	require.Len(t, b.engine.seen()[0].Pictures, 2)
	require.Len(t, web.asked, 2, "each is fetched once, however often the conversation is tried")
}
