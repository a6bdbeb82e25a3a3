package gateway

import (
	"encoding/json"
	"image/color"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mergeway/mergeway/catalog"
	"github.com/mergeway/mergeway/infer"
	"github.com/mergeway/mergeway/infer/chat"
)

var (
	red  = dataURI(dots(4, 2, color.RGBA{255, 0, 0, 255}))
	blue = dataURI(dots(4, 2, color.RGBA{0, 0, 255, 255}))
)

// show is a chat in which the user says something about pictures, given as parts.
func show(parts, more string) string {
	if more != "" {
		more = ", " + more
	}
	return `{"model": "base", "messages": [{"role": "system", "content": "s"}, {"role": "user", "content": [` + parts + `]}]` + more + `}`
}

func imagePart(url string) string {
	return `{"type": "image_url", "image_url": {"url": "` + url + `"}}`
}

const textPart = `{"type": "text", "text": "what?"}`

// shownPrompt is what the fakes make of a conversation; "#" is a picture of 20 tokens.
func shownPrompt(turns ...string) []int32 {
	var ids []int32
	for _, turn := range turns {
		role, text, _ := strings.Cut(turn, ": ")
		ids = append(ids, int32(len(role)))
		for _, r := range text {
			if r != '#' {
				ids = append(ids, r)
				continue
			}
			for range 20 {
				ids = append(ids, idImage)
			}
		}
	}
	return ids
}

func TestChatsShowPictures(t *testing.T) {
	for name, c := range map[string]struct {
		parts    string
		want     string
		pictures int
	}{
		"one":                  {imagePart(red) + "," + textPart, "#what?", 1},
		"as a mere address":    {textPart + `, {"type": "image_url", "image_url": "` + red + `"}`, "what?#", 1},
		"with a detail":        {`{"type": "image_url", "image_url": {"url": "` + red + `", "detail": "high"}}`, "#", 1},
		"several between text": {textPart + "," + textPart + "," + imagePart(red) + "," + imagePart(blue) + "," + textPart + "," + imagePart(red), "what?what?##what?#", 3},
		"fetched":              {imagePart(redURL) + "," + textPart, "#what?", 1},
	} {
		for _, stream := range []string{"false", "true"} {
			t.Run(name+", stream "+stream, func(t *testing.T) {
				b := newBench(t)
				b.withEyes()
				usage := ""
				if stream == "true" {
					usage = `, "stream_options": {"include_usage": true}`
				}
				r := b.send("POST", chatPath, show(c.parts, `"stream": `+stream+usage))
				require.Equal(t, http.StatusOK, r.status, r.body)
				asked := b.engine.seen()[0]
				require.Equal(t, shownPrompt("system: s", "user: "+c.want), asked.Prompt)
				require.Len(t, asked.Pictures, c.pictures)
				require.Contains(t, r.body, `"prompt_tokens":`+itoa(len(asked.Prompt)), "pictures count as tokens")
			})
		}
	}
}

func TestPicturesInAnyTurnOfTheUsers(t *testing.T) {
	b := newBench(t)
	web := b.withEyes()
	r := b.send("POST", chatPath, `{"model": "base", "n": 2, "messages": [
		{"role": "user", "content": [`+imagePart(redURL)+`]}, {"role": "assistant", "content": "a"},
		{"role": "user", "content": [`+textPart+`, `+imagePart(blueURL)+`]}, {"role": "assistant", "content": [{"type": "text", "text": "b"}]},
		{"role": "user", "content": [`+imagePart(redURL)+`]}]}`)
	require.Equal(t, http.StatusOK, r.status, r.body)
	for _, asked := range b.engine.seen() {
		require.Equal(t, shownPrompt("user: #", "assistant: a", "user: what?#", "assistant: b", "user: #"), asked.Prompt)
		require.Len(t, asked.Pictures, 3)
		require.Same(t, asked.Pictures[0], asked.Pictures[2], "what is shown twice is decoded once")
	}
	require.Len(t, web.asked, 2)
	require.Equal(t, []chat.Part{{Text: "what?"}, {Picture: true}}, b.told[0].messages[2].Parts)
}

// With detail: low the picture is its first tile, and as many tokens as that has.
func TestLowDetailIsTheWholePictureAlone(t *testing.T) {
	b := newBench(t)
	b.withEyes()
	low := `{"type": "image_url", "image_url": {"url": "` + red + `", "detail": "low"}}`
	r := b.send("POST", chatPath, show(low+","+imagePart(red), ""))
	require.Equal(t, http.StatusOK, r.status, r.body)
	pictures := b.engine.seen()[0].Pictures
	require.Equal(t, []int32{0, 1, 2, 3, -1}, pictures[0].Order)
	require.Len(t, pictures[0].Tiles, 1)
	require.Len(t, pictures[1].Tiles, 3)
	require.NotEqual(t, pictures[0].Hash, pictures[1].Hash)
}

func TestPicturesWithToolsBeamsFormatsAndRecipes(t *testing.T) {
	for name, more := range map[string]string{
		"tools":            twoTools,
		"a call":           twoTools + `, "tool_choice": "required"`,
		"a format":         `"response_format": {"type": "json_object"}`,
		"beams":            `"use_beam_search": true, "n": 2, "temperature": 0`,
		"an inline recipe": `"recipe": ` + recipe,
	} {
		b := newBench(t, func(o *Options) { o.Grammars = &fakeGrammars{} })
		b.withEyes()
		var beamed []infer.Request
		b.engine.beams = func(r infer.Request, o infer.BeamOptions) []infer.Result {
			beamed = append(beamed, r)
			return make([]infer.Result, o.Keep)
		}
		b.catalog.entries = append(b.catalog.entries, catalog.Entry{ID: "recipe-00", Kind: catalog.Recipe})
		r := b.send("POST", chatPath, show(imagePart(red), more))
		require.Equal(t, http.StatusOK, r.status, "%s: %s", name, r.body)
		asked := append(b.engine.seen(), beamed...)[0]
		require.Equal(t, shownPrompt("system: s", "user: #"), asked.Prompt, name)
		require.Len(t, asked.Pictures, 1, name)
	}
}

func TestPicturesAreRefusedByTheirPlace(t *testing.T) {
	image := func(fields string) string { return show(textPart+`, {"type": "image_url"`+fields+`}`, "") }
	at := "messages[1].content[1]"
	for name, c := range map[string]struct{ body, param, message string }{
		"no image_url":        {image(""), at + ".image_url", "missing"},
		"null":                {image(`, "image_url": null`), at + ".image_url", "missing"},
		"a number":            {image(`, "image_url": 5`), at + ".image_url", "string, or an object"},
		"no url":              {image(`, "image_url": {"detail": "low"}`), at + ".image_url.url", "missing"},
		"an empty url":        {image(`, "image_url": {"url": ""}`), at + ".image_url.url", "empty"},
		"an empty string":     {image(`, "image_url": ""`), at + ".image_url", "empty"},
		"an unknown detail":   {image(`, "image_url": {"url": "` + red + `", "detail": "medium"}`), at + ".image_url.detail", "low, high or auto"},
		"a detail of 5":       {image(`, "image_url": {"url": "` + red + `", "detail": 5}`), at + ".image_url", "string, or an object"},
		"no base64":           {image(`, "image_url": {"url": "data:image/png;base64,!"}`), at + ".image_url.url", "no base64"},
		"no picture":          {image(`, "image_url": "data:image/png;base64,aGk="`), at + ".image_url", "no picture"},
		"an unknown host":     {image(`, "image_url": {"url": "https://elsewhere.example/"}`), at + ".image_url.url", "fetches nothing"},
		"what eyes can't see": {image(`, "image_url": {"url": "` + dataURI(dots(1, 9, color.White)) + `"}`), at + ".image_url.url", ""},
		"too many":            {show(strings.Repeat(imagePart(red)+",", 2)+imagePart(red), ""), "messages[1].content[2]", "at most 2"},
		"too large a file":    {image(`, "image_url": {"url": "` + dataURI(make([]byte, 2000)) + `"}`), at + ".image_url.url", "more than 1999"},
		"of the system":       {`{"model": "base", "messages": [{"role": "system", "content": [` + imagePart(red) + `]}]}`, "messages[0].content[0]", "user"},
		"of the assistant":    {`{"model": "base", "messages": [{"role": "assistant", "content": [` + imagePart(red) + `]}]}`, "messages[0].content[0]", "user"},
		"a sound":             {show(`{"type": "input_audio", "input_audio": {}}`, ""), "messages[1].content[0]", "text and pictures"},
	} {
		b := newBench(t, func(o *Options) { o.Limits.Pictures, o.Limits.PictureBytes = 2, 1999 })
		b.withEyes()
		r := b.send("POST", chatPath, c.body)
		e := r.requireError(t, http.StatusBadRequest, "invalid", c.param)
		require.Contains(t, e.Message, c.message, name)
		require.Empty(t, b.engine.seen(), name)
	}
}

func TestTextModelsRefusePictures(t *testing.T) {
	for path, c := range map[string]struct{ body, param string }{
		chatPath:                       {show(textPart+","+imagePart(redURL), ""), "messages[1].content[1]"},
		responsesPath:                  {respond(`[{"role": "user", "content": [{"type": "input_image", "image_url": "`+red+`"}]}]`, ""), "input[0].content[0]"},
		messagesPath:                   {converseWith(`[{"type": "text", "text": "a"}, ` + imageBlock(red) + `]`), "messages[0].content[1]"},
		messagesPath + "/count_tokens": {converseWith(`[` + imageBlock(red) + `]`), "messages[0].content[0]"},
		"/tokenize":                    {show(imagePart(red), ""), "messages[1].content[0]"},
		"/apply-template":              {show(imagePart(red), ""), "messages[1].content[0]"},
	} {
		b := newBench(t)
		web := &fakeWeb{}
		b.gateway.pictures = web
		r := b.send("POST", path, c.body)
		require.Equal(t, http.StatusBadRequest, r.status, "%s: %s", path, r.body)
		require.Contains(t, r.body, `"param":"`+c.param+`"`, path)
		require.Contains(t, r.body, "this model reads text only", path)
		require.Empty(t, web.asked, "nothing is fetched for it")
	}
}

func TestTokenizersCountPictures(t *testing.T) {
	b := newBench(t)
	b.withEyes()
	b.gateway.eyesOfWords = func(catalog.Words) eyes { return fakeEyes{idMark} }
	b.catalog.seeing = true
	var tokens Tokens
	b.send("POST", "/tokenize", show(imagePart(red)+","+textPart, "")).into(t, &tokens)
	n := 0
	for _, id := range tokens.Tokens {
		if id == idMark {
			n++
		}
	}
	require.Equal(t, 20, n)
	var applied AppliedTemplate
	b.send("POST", "/apply-template", show(imagePart(red)+","+textPart, "")).into(t, &applied)
	require.Equal(t, tokens.Count, applied.Count)
}

func TestThePromptLogHasNoPictures(t *testing.T) {
	b := newBench(t, func(o *Options) { o.LogPrompts = true })
	b.withEyes()
	r := b.send("POST", chatPath, show(imagePart(red)+","+textPart+","+imagePart(blue), ""))
	require.Equal(t, http.StatusOK, r.status, r.body)
	require.Equal(t, 2, strings.Count(b.log.String(), "[a picture of 20 tokens]"))
	require.NotContains(t, b.log.String(), "base64")
}

// Bodies with pictures may be longer than others, as far as there is memory.
func TestBodiesOfPicturesTakeMemory(t *testing.T) {
	long := show(imagePart(dataURI(make([]byte, 1<<20)))+","+textPart, "")
	for name, c := range map[string]struct {
		change func(*Limits)
		status int
	}{
		"within the limit":      {func(*Limits) {}, http.StatusBadRequest}, // it is no picture
		"longer than the limit": {func(l *Limits) { l.PictureBodies = 1 << 20 }, http.StatusRequestEntityTooLarge},
		"more than there is":    {func(l *Limits) { l.PictureMemory = 1 << 20 }, http.StatusRequestEntityTooLarge},
		"taken by others":       {func(l *Limits) { l.PictureMemory = 3 << 19 }, http.StatusTooManyRequests},
	} {
		b := newBench(t, func(o *Options) { o.Limits.BodyBytes = 64 << 10; c.change(&o.Limits) })
		b.withEyes()
		memory := b.gateway.pictureMemory
		left := memory.left
		if c.status == http.StatusTooManyRequests {
			require.NoError(t, memory.take(1<<20))
			left = memory.left
		}
		for _, path := range []string{chatPath, "/v1" + "/tokenize"} {
			r := b.send("POST", path, long)
			require.Equal(t, c.status, r.status, "%s: %s", name, r.body)
			require.Eventually(t, func() bool { memory.mu.Lock(); defer memory.mu.Unlock(); return memory.left == left }, 5*time.Second, time.Millisecond, "it is given back")
		}
		if c.status == http.StatusTooManyRequests {
			continue
		}
		r := b.send("POST", chatPath, ask(`"user": "`+strings.Repeat("a", 64<<10)+`"`))
		require.Equal(t, http.StatusRequestEntityTooLarge, r.status, "text has the limit of text")
		r = b.send("POST", chatPath, show(`{"type": "text", "text": "`+strings.Repeat("a", 64<<10+1)+`"},`+imagePart(red), ""))
		require.NotEqual(t, http.StatusOK, r.status, "also beside a picture")
		r = b.send("POST", completionsPath, `{"model": "base", "prompt": "`+strings.Repeat("a", 64<<10)+`"}`)
		require.Equal(t, http.StatusRequestEntityTooLarge, r.status, "text has the limit of text")
	}
}

// What pictures are prepared as is bounded as well, over all requests.
func TestPreparedPicturesTakeMemory(t *testing.T) {
	b := newBench(t, func(o *Options) { o.Limits.PictureMemory = 10 })
	b.withEyes()
	r := b.send("POST", chatPath, show(imagePart(red), ""))
	r.requireError(t, http.StatusRequestEntityTooLarge, "too_large", "messages[1].content[0].image_url.url")
}

func itoa(n int) string { data, _ := json.Marshal(n); return string(data) }

func TestModelsSayWhatTheyRead(t *testing.T) {
	b := newBench(t)
	b.catalog.entries[0].Sees = true
	var got ModelList
	b.send("GET", "/v1/models", "").into(t, &got)
	require.Equal(t, []string{"text", "image"}, got.Data[0].InputModalities)
	require.True(t, got.Data[0].Capabilities.Vision)
	require.Equal(t, []string{"text"}, got.Data[1].InputModalities)
	require.False(t, got.Data[1].Capabilities.Vision)
	require.Contains(t, b.send("GET", "/v1/models/base/card", "").body, `"input_modalities":["text","image"]`)
	require.Contains(t, b.send("GET", "/v1/models/base/card?format=md", "").body, "text and pictures")
}

func TestPicturesOfTooManyPixelsAreRefused(t *testing.T) {
	b := newBench(t, func(o *Options) { o.Limits.PicturePixels = 7 })
	b.withEyes()
	e := b.send("POST", chatPath, show(imagePart(red), "")).requireError(t, http.StatusBadRequest, "invalid", "messages[1].content[0].image_url.url")
	require.Contains(t, e.Message, "more than 7")
}

// A picture waits until it may be decoded, as long as its request may take.
func TestOnlySoManyPicturesAreDecodedAtOnce(t *testing.T) {
	b := newBench(t, func(o *Options) { o.Limits.PictureDecodes, o.Limits.GenerateTime = 1, 100*time.Millisecond })
	b.withEyes()
	b.gateway.decoding <- struct{}{} // somebody else's
	b.send("POST", chatPath, show(imagePart(red), "")).requireError(t, http.StatusGatewayTimeout, "timeout", "")
	require.Empty(t, b.engine.seen())
	require.Equal(t, b.gateway.limits.PictureMemory, b.gateway.pictureMemory.left, "what it took is given back")
	<-b.gateway.decoding
	require.Empty(t, b.gateway.decoding)
}
