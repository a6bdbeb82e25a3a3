package test

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"image"
	"image/color"
	"image/png"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"
	"github.com/stretchr/testify/require"
)

// seeing is the name of the model that sees in these tests.
const seeing = "seeing"

// seeingModels gives a folder with a small random LLaVA-NeXT, which sees and says
// nothing sensible, and a miniature model that reads text only.
func seeingModels(t *testing.T) string {
	t.Helper()
	folder := t.TempDir()
	copyModel(t, folder, base, base)
	to := filepath.Join(folder, seeing)
	require.NoError(t, os.CopyFS(to, os.DirFS(fromRoot("infer", "testdata", "llava-next-f32"))))
	vocab := map[string]int{}
	special := []object{}
	for id, name := range []string{"<unk>", "<s>", "</s>"} {
		vocab[name] = id
		special = append(special, object{"id": id, "content": name, "special": true, "normalized": false, "single_word": false, "lstrip": false, "rstrip": false})
	}
	for _, letter := range "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ :\n?.,/>" {
		vocab[string(letter)] = len(vocab)
	}
	const image = 63 // as the model's config has it
	special = append(special, object{"id": image, "content": "<image>", "special": true, "normalized": false, "single_word": false, "lstrip": false, "rstrip": false})
	vocab["<image>"] = image
	write := func(name string, v any) {
		data, err := json.Marshal(v)
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(filepath.Join(to, name), data, 0o600))
	}
	write("tokenizer.json", object{
		"version": "1.0", "added_tokens": special, "normalizer": nil, "pre_tokenizer": nil, "decoder": object{"type": "Fuse"}, "post_processor": nil,
		"model": object{"type": "BPE", "unk_token": "<unk>", "vocab": vocab, "merges": []string{}},
	})
	write("tokenizer_config.json", object{"bos_token": "<s>", "eos_token": "</s>"})
	write("chat_template.json", object{"chat_template": `{{ bos_token }}{% for message in messages %}{{ message['role'].upper() + ': ' }}` +
		`{% for content in message['content'] | selectattr('type', 'equalto', 'image') %}{{ '<image>\n' }}{% endfor %}` +
		`{% for content in message['content'] | selectattr('type', 'equalto', 'text') %}{{ content['text'] + ' ' }}{% endfor %}{% endfor %}` +
		`{% if add_generation_prompt %}{{ 'ASSISTANT:' }}{% endif %}`})
	return folder
}

// painted is a PNG of one colour as a data URI.
func painted(t *testing.T, width, height int, c color.Color) string {
	t.Helper()
	m := image.NewRGBA(image.Rect(0, 0, width, height))
	for i := range width * height {
		m.Set(i%width, i/width, c)
	}
	var out bytes.Buffer
	require.NoError(t, png.Encode(&out, m))
	return "data:image/png;base64," + base64.StdEncoding.EncodeToString(out.Bytes())
}

// bomb is a PNG whose header promises more pixels than anybody decodes.
func bomb() string {
	chunk := func(kind string, data []byte) []byte {
		body := append([]byte(kind), data...)
		out := binary.BigEndian.AppendUint32(nil, uint32(len(data)))
		return binary.BigEndian.AppendUint32(append(out, body...), crc32.ChecksumIEEE(body))
	}
	header := binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(nil, 16000), 16000)
	data := append([]byte("\x89PNG\r\n\x1a\n"), chunk("IHDR", append(header, 8, 2, 0, 0, 0))...)
	return "data:image/png;base64," + base64.StdEncoding.EncodeToString(append(data, chunk("IEND", nil)...))
}

// looking is a chat about a picture.
func looking(model, uri, detail string) object {
	return object{"model": model, "temperature": 0, "max_tokens": 4, "logprobs": true, "messages": []object{{"role": "user", "content": []object{
		{"type": "image_url", "image_url": object{"url": uri, "detail": detail}}, {"type": "text", "text": "What is it?"},
	}}}}
}

// A picture reaches the model: what it says depends on it, it counts as so many
// tokens, and the second time nothing of it is computed again.
func TestPicturesAreSeen(t *testing.T) {
	s := start(t, options{models: seeingModels(t)})
	red, blue := painted(t, 30, 20, color.RGBA{255, 0, 0, 255}), painted(t, 30, 20, color.RGBA{0, 0, 255, 255})

	usage := func(o object) (prompt, cached float64) {
		u := o["usage"].(map[string]any)
		return u["prompt_tokens"].(float64), u["prompt_tokens_details"].(map[string]any)["cached_tokens"].(float64)
	}
	scores := func(o object) any {
		return o["choices"].([]any)[0].(map[string]any)["logprobs"].(map[string]any)["content"].([]any)[0].(map[string]any)["logprob"]
	}
	first := s.call("POST", "/v1/chat/completions", looking(seeing, red, "auto"))
	again := s.call("POST", "/v1/chat/completions", looking(seeing, red, "high"))
	other := s.call("POST", "/v1/chat/completions", looking(seeing, blue, "auto"))
	low := s.call("POST", "/v1/chat/completions", looking(seeing, red, "low"))
	require.InDelta(t, scores(first), scores(again), 1e-3)
	require.NotEqual(t, scores(first), scores(other), "another picture is another prompt")

	prompt, _ := usage(first)
	_, cached := usage(again)
	require.Greater(t, cached, prompt/2, "of the same picture nothing is computed twice")
	_, cached = usage(other)
	require.Less(t, cached, prompt/2, "of another one all is")
	fewer, _ := usage(low)
	require.Less(t, fewer, prompt)
	counted := s.call("POST", "/tokenize", looking(seeing, red, "auto"))
	require.Equal(t, prompt, counted["count"], "it is known beforehand")

	streamed := looking(seeing, red, "auto")
	streamed["stream"] = true
	r := s.send("POST", "/v1/chat/completions", streamed)
	require.Equal(t, 200, r.status)
	require.Contains(t, string(r.body), "data: [DONE]")

	sees := map[string]any{}
	for _, m := range s.call("GET", "/v1/models", nil)["data"].([]any) {
		m := m.(map[string]any)
		sees[m["id"].(string)] = m["input_modalities"]
	}
	require.Equal(t, map[string]any{base: []any{"text"}, seeing: []any{"text", "image"}}, sees)

	message := s.call("POST", "/v1/messages", object{"model": seeing, "max_tokens": 4, "temperature": 0, "messages": []object{{"role": "user", "content": []object{
		{"type": "image", "source": object{"type": "base64", "media_type": "image/png", "data": red[strings.Index(red, ",")+1:]}}, {"type": "text", "text": "What is it?"},
	}}}})
	spent := message["usage"].(map[string]any)
	require.Equal(t, prompt, spent["input_tokens"].(float64)+spent["cache_read_input_tokens"].(float64))
}

func TestPicturesAreRefused(t *testing.T) {
	s := start(t, options{models: seeingModels(t)})
	red := painted(t, 30, 20, color.RGBA{255, 0, 0, 255})
	const at = "messages[0].content[0]"
	for name, c := range map[string]struct {
		body           object
		param, message string
	}{
		"a text model":      {looking(base, red, "auto"), at, "reads text only"},
		"a bomb":            {looking(seeing, bomb(), "auto"), at + ".image_url.url", "16000"},
		"no picture":        {looking(seeing, "data:image/png;base64,aGk=", "auto"), at + ".image_url.url", "PNG, JPEG, WebP and GIF"},
		"cut short":         {looking(seeing, red[:len(red)-24], "auto"), at + ".image_url.url", "can't be read"},
		"an address":        {looking(seeing, "http://127.0.0.1:1/a.png", "auto"), at + ".image_url.url", "data URI"},
		"a file":            {looking(seeing, "file:///etc/passwd", "auto"), at + ".image_url.url", "data URI"},
		"an unknown detail": {looking(seeing, red, "medium"), at + ".image_url.detail", "low, high or auto"},
	} {
		e := s.refusal(400, "POST", "/v1/chat/completions", c.body)
		require.Equal(t, c.param, e["param"], name)
		require.Contains(t, e["message"], c.message, name)
	}
	require.NotEmpty(t, s.ask(base, "2+3?"), "it lives on")
}

// OpenAI's official Go client sends pictures as its types have them.
func TestOpenAIGoClientShowsPictures(t *testing.T) {
	s := start(t, options{models: seeingModels(t)})
	client := openai.NewClient(option.WithBaseURL(s.url+"/v1"), option.WithAPIKey("none"), option.WithMaxRetries(0), option.WithRequestTimeout(requestTime))
	ask := func(model, uri string) (*openai.ChatCompletion, error) {
		return client.Chat.Completions.New(t.Context(), openai.ChatCompletionNewParams{
			Model: model, Temperature: openai.Float(0), MaxCompletionTokens: openai.Int(4),
			Messages: []openai.ChatCompletionMessageParamUnion{openai.UserMessage([]openai.ChatCompletionContentPartUnionParam{
				openai.TextContentPart("What is it?"),
				openai.ImageContentPart(openai.ChatCompletionContentPartImageImageURLParam{URL: uri, Detail: "auto"}),
			})},
		})
	}
	red := painted(t, 20, 20, color.RGBA{255, 0, 0, 255})
	reply, err := ask(seeing, red)
	require.NoError(t, err)
	require.Len(t, reply.Choices, 1)
	require.Greater(t, reply.Usage.PromptTokens, int64(40), "the picture is most of it")
	_, err = ask(base, red)
	var refused *openai.Error
	require.ErrorAs(t, err, &refused)
	require.Equal(t, "messages[0].content[1]", refused.Param)
}

func TestOpenAIPythonClientShowsPictures(t *testing.T) {
	python := openaiPython(t)
	s := start(t, options{models: seeingModels(t)})
	out, err := python(fromRoot("test", "python", "openai_pictures.py"), s.url+"/v1", seeing, base, painted(t, 30, 20, color.RGBA{255, 0, 0, 255})).CombinedOutput()
	t.Logf("%s", out)
	require.NoError(t, err)
}

func TestAnthropicPythonClientShowsPictures(t *testing.T) {
	python := pythonWith(t, "anthropic", "MERGEWAY_REQUIRE_CLIENTS", "import anthropic")
	s := start(t, options{models: seeingModels(t)})
	out, err := python(fromRoot("test", "python", "anthropic_pictures.py"), s.url, seeing, base, painted(t, 30, 20, color.RGBA{255, 0, 0, 255})).CombinedOutput()
	t.Logf("%s", out)
	require.NoError(t, err)
}

func TestTheCommandShowsPictures(t *testing.T) {
	s := start(t, options{models: seeingModels(t)})
	code, _, errs := command(t, nil, "chat", "--url", s.url, "--max-tokens", "4", "--image", fromRoot("infer", "testdata", "llava-next-f32", "picture.png"), seeing, "What is it?")
	require.Zero(t, code, errs)
	code, _, errs = command(t, nil, "chat", "--url", s.url, "--image", fromRoot("go.mod"), seeing, "What is it?")
	require.NotZero(t, code)
	require.Contains(t, errs, fmt.Sprintf("messages[%d].content[%d].image_url.url", 0, 0))
}
