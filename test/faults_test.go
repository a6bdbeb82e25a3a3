package test

import (
	"encoding/binary"
	"encoding/json"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// One server meets everything that can be wrong, and answers a good request at
// the end as if nothing had happened.
func TestServerSurvivesWhatIsWrong(t *testing.T) {
	models := t.TempDir()
	copyModel(t, models, base, base)
	copyModel(t, models, sources[0], sources[0])
	breakConfig(t, copyModel(t, models, base, "broken-config"))
	truncateWeights(t, copyModel(t, models, base, "truncated"))
	dropLastLayer(t, copyModel(t, models, base, "shallow"))
	require.NoError(t, os.Mkdir(filepath.Join(models, "no-model"), 0o755))

	s := start(t, options{models: models})
	before := s.ask(base, "3+4")

	t.Run("broken model folders", func(t *testing.T) { checkBrokenModels(t, s) })
	t.Run("recipes that cannot be", func(t *testing.T) { checkBadRecipes(t, s) })
	t.Run("searches that cannot be", func(t *testing.T) { checkBadSearches(t, s) })
	t.Run("bad requests", func(t *testing.T) { checkBadRequests(t, s) })

	require.Equal(t, before, s.ask(base, "3+4"))
	require.Zero(t, s.stop(), "exit code after SIGTERM")
}

func checkBrokenModels(t *testing.T, s *server) {
	for _, c := range []struct{ model, message string }{
		{"broken-config", "config.json"},
		{"truncated", "safetensors"},
	} {
		t.Run(c.model, func(t *testing.T) {
			refusal := s.refusal(500, "POST", "/v1/chat/completions", chatWith(c.model))
			require.Equal(t, "damaged", refusal.text("code"))
			require.Contains(t, refusal.text("message"), c.message)
		})
	}
	names := map[string]bool{}
	for _, model := range s.call("GET", "/v1/models", nil).list("data") {
		names[model.text("id")] = true
	}
	require.True(t, names[base] && names[sources[0]] && names["shallow"], "%v", names)
	require.False(t, names["no-model"], "a folder without config.json is no model")
}

func checkBadRecipes(t *testing.T, s *server) {
	blend := func(models ...string) object {
		var parts []object
		for _, model := range models {
			parts = append(parts, object{"model": model, "weight": []float64{0.5}})
		}
		return object{"name": "bad", "recipe": object{"method": "linear", "sources": parts}}
	}
	unfit := s.refusal(422, "POST", "/v1/recipes", blend(base, "shallow"))
	require.Equal(t, "unfit", unfit.text("code"))
	require.Contains(t, unfit.text("message"), "shallow")

	s.refusal(404, "POST", "/v1/recipes", blend(base, "no-such-model"))
	s.refusal(400, "POST", "/v1/recipes", object{"name": "bad", "recipe": object{"method": "alchemy"}})
	s.refusal(400, "POST", "/v1/recipes", object{"name": "bad", "recipe": object{"method": "linear", "sources": []object{}}})
}

func checkBadSearches(t *testing.T, s *server) {
	for name, edit := range map[string]func(object){
		"unknown task":    func(spec object) { spec["task"] = "no-such-task" },
		"unknown source":  func(spec object) { spec["sources"] = []string{base, "no-such-model"} },
		"unknown method":  func(spec object) { spec["method"] = "alchemy" },
		"negative trials": func(spec object) { spec["trials"] = -1 },
		"unknown field":   func(spec object) { spec["populaton"] = 8 },
	} {
		t.Run(name, func(t *testing.T) {
			spec := object{"task": "ja-math", "base": base, "sources": sources[:1], "trials": 8}
			edit(spec)
			r := s.send("POST", "/v1/searches", spec)
			require.Contains(t, []int{400, 404}, r.status, "%s", r.body)
			require.NotEmpty(t, r.object(t).object("error").text("message"))
		})
	}
	s.refusal(404, "GET", "/v1/searches/no-such-search", nil)
}

func checkBadRequests(t *testing.T, s *server) {
	with := func(key string, value any) object {
		body := chatWith(base)
		body[key] = value
		return body
	}
	cases := []struct {
		name         string
		method, path string
		body         any
		status       int
		code, param  string
	}{
		{"unknown model", "POST", "/v1/chat/completions", chatWith("no-such-model"), 404, "model_not_found", "model"},
		{"unknown model's page", "GET", "/v1/models/no-such-model", nil, 404, "model_not_found", "model"},
		{"no JSON", "POST", "/v1/chat/completions", "{", 400, "invalid", ""},
		{"no messages", "POST", "/v1/chat/completions", with("messages", []object{}), 400, "invalid", "messages"},
		{"unknown role", "POST", "/v1/chat/completions", with("messages", []object{{"role": "wizard", "content": "x"}}), 400, "invalid", "messages[0].role"},
		{"wrong type", "POST", "/v1/chat/completions", with("temperature", "warm"), 400, "invalid", "temperature"},
		{"negative", "POST", "/v1/chat/completions", with("temperature", -1), 400, "invalid", "temperature"},
		{"out of range", "POST", "/v1/chat/completions", with("max_tokens", 1e9), 400, "invalid", "max_tokens"},
		{"zero choices", "POST", "/v1/chat/completions", with("n", 0), 400, "invalid", "n"},
		{"prompt too long", "POST", "/v1/chat/completions", with("messages", []object{{"role": "user", "content": strings.Repeat("7 ", 100_000)}}), 400, "context_length_exceeded", "messages"},
		{"body too large", "POST", "/v1/chat/completions", `{"model": "` + strings.Repeat("x", 8<<20) + `"}`, 413, "too_large", ""},
		{"unknown route", "GET", "/v1/nowhere", nil, 404, "route_not_found", ""},
		{"wrong method", "DELETE", "/v1/chat/completions", nil, 405, "method_not_allowed", ""},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			refusal := s.refusal(c.status, c.method, c.path, c.body)
			require.Equal(t, c.code, refusal.text("code"), "%v", refusal)
			require.Equal(t, c.param, refusal.text("param"), "%v", refusal)
		})
	}
}

func chatWith(model string) object {
	return object{"model": model, "max_tokens": 4, "messages": []object{{"role": "user", "content": "3+4"}}}
}

// --- how a model folder gets broken ----------------------------------------------

func breakConfig(t *testing.T, model string) {
	t.Helper()
	require.NoError(t, os.WriteFile(filepath.Join(model, "config.json"), []byte(`{"model_type": "mistral",`), 0o644))
}

func truncateWeights(t *testing.T, model string) {
	t.Helper()
	for _, file := range weightFiles(t, model) {
		info, err := os.Stat(file)
		require.NoError(t, err)
		require.NoError(t, os.Truncate(file, info.Size()/2))
	}
}

// dropLastLayer makes a sound model that fits no merge with the others.
func dropLastLayer(t *testing.T, model string) {
	t.Helper()
	layers := 0
	editConfig(t, model, func(config object) {
		layers = int(config.number("num_hidden_layers"))
		config["num_hidden_layers"] = layers - 1
	})
	for _, file := range weightFiles(t, model) {
		dropTensors(t, file, "model.layers."+strconv.Itoa(layers-1)+".")
	}
}

// dropTensors removes the tensors with a name prefix from a safetensors file:
// eight bytes of header length, a JSON header of names to offsets, the data.
func dropTensors(t *testing.T, file, prefix string) {
	t.Helper()
	content, err := os.ReadFile(file)
	require.NoError(t, err)
	length := binary.LittleEndian.Uint64(content)
	header, data := content[8:8+length], content[8+length:]
	var tensors map[string]struct {
		DType   string `json:"dtype"`
		Shape   []int  `json:"shape"`
		Offsets [2]int `json:"data_offsets"`
	}
	delete(decoded(t, header, &tensors), "__metadata__")
	var kept []byte
	for name, tensor := range tensors {
		if strings.HasPrefix(name, prefix) {
			delete(tensors, name)
			continue
		}
		at := len(kept)
		kept = append(kept, data[tensor.Offsets[0]:tensor.Offsets[1]]...)
		tensor.Offsets = [2]int{at, len(kept)}
		tensors[name] = tensor
	}
	header, err = json.Marshal(tensors)
	require.NoError(t, err)
	out := binary.LittleEndian.AppendUint64(nil, uint64(len(header)))
	require.NoError(t, os.WriteFile(file, append(append(out, header...), kept...), 0o644))
}

func decoded[T any](t *testing.T, data []byte, into *T) T {
	t.Helper()
	require.NoError(t, json.Unmarshal(data, into))
	return *into
}
