package test

import (
	"encoding/json"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// A merge as mergekit's users write it, with all that depends on the tensor.
const byFilters = `merge_method: dare_ties
base_model: base
models:
  - model: ja-general
    parameters:
      weight:
        - filter: mlp
          value: [0.25, 1]
        - value: 0.5
      density: 0.75
  - model: en-math-a
    parameters: {weight: 1}
dtype: float32
out_dtype: bfloat16
`

// A recipe goes in and out as mergekit's YAML, by every way in, and stays the
// same model.
func TestLifeOfARecipeInYAML(t *testing.T) {
	s := start(t, options{})
	post := func(text string) reply {
		request, err := http.NewRequest("POST", s.url+"/v1/recipes", strings.NewReader(text))
		require.NoError(t, err)
		request.Header.Set("Content-Type", "application/yaml")
		response, err := s.client.Do(request)
		require.NoError(t, err)
		defer response.Body.Close()
		var out json.RawMessage
		require.NoError(t, json.NewDecoder(response.Body).Decode(&out))
		return reply{status: response.StatusCode, body: out}
	}
	made := post(byFilters)
	require.Equal(t, 201, made.status, "%s", made.body)
	id := made.object(t).text("id")
	written := s.send("GET", "/v1/recipes/"+id+"?format=yaml", nil)
	require.Equal(t, 200, written.status, "%s", written.body)
	require.Equal(t, id, post(string(written.body)).object(t).text("id"), "what is written means what was read")
	require.Equal(t, id, s.call("POST", "/v1/recipes", object{"yaml": byFilters}).text("id"))
	require.NotEqual(t, id, s.call("POST", "/v1/recipes", object{"yaml": strings.Replace(byFilters, "mlp", "self_attn", 1)}).text("id"))

	question := object{"messages": []object{{"role": "user", "content": "3+4"}}, "temperature": 0, "max_tokens": 8}
	inline := s.call("POST", "/v1/chat/completions", object{"recipe": byFilters, "messages": question["messages"], "temperature": 0, "max_tokens": 8})
	require.Equal(t, id, inline.text("system_fingerprint"))
	require.Equal(t, id, inline.text("model"))

	s.call("PUT", "/v1/aliases/best", object{"target": id})
	card := s.call("GET", "/v1/models/best/card", nil)
	require.Equal(t, id, card.text("id"))
	require.Equal(t, "ready", card.text("state"))
	require.Positive(t, card.object("made").number("merge_seconds"))
	require.Equal(t, []any{"best"}, card["aliases"])
	require.Len(t, card.list("parts"), 3)
	require.Contains(t, string(s.send("GET", "/v1/models/best/card?format=md", nil).body), "merge_method: dare_ties")
}

// Every method merges real models, and its recipe survives YAML.
func TestEveryMethodIsServed(t *testing.T) {
	s := start(t, options{})
	one, two := []object{{"model": "ja-general"}}, []object{{"model": "ja-general"}, {"model": "en-math-a"}}
	weighed := func(sources []object) []object {
		var out []object
		for _, source := range sources {
			out = append(out, object{"model": source["model"], "weight": 0.5})
		}
		return out
	}
	for method, recipe := range map[string]object{
		"linear": {"sources": weighed(two)}, "task_arithmetic": {"base_model": base, "sources": weighed(two)},
		"ties": {"base_model": base, "sources": weighed(two)}, "dare_linear": {"base_model": base, "sources": weighed(two)},
		"dare_ties": {"base_model": base, "sources": weighed(two)}, "della": {"base_model": base, "sources": weighed(two)},
		"della_linear": {"base_model": base, "sources": weighed(two)}, "breadcrumbs": {"base_model": base, "sources": weighed(two)},
		"breadcrumbs_ties": {"base_model": base, "sources": weighed(two)}, "passthrough": {"sources": one},
		"slerp":   {"base_model": base, "sources": one, "parameters": object{"t": 0.5}},
		"nuslerp": {"sources": weighed(two), "span": "rows"}, "multislerp": {"base_model": base, "sources": weighed(two)},
		"karcher": {"sources": two}, "model_stock": {"base_model": base, "sources": two},
		"sce":          {"base_model": base, "sources": two, "parameters": object{"select_topk": 0.5}},
		"nearswap":     {"base_model": base, "sources": one, "parameters": object{"t": 0.001}},
		"arcee_fusion": {"base_model": base, "sources": one}, "ram": {"base_model": base, "sources": two},
		"ramplus_tl": {"base_model": base, "sources": two},
	} {
		recipe["method"] = method
		made := s.call("POST", "/v1/recipes", recipe)
		loaded := s.call("POST", "/v1/models/"+made.text("id")+"/load", nil)
		require.Equal(t, "ready", loaded.text("state"), method)
		text := s.send("GET", "/v1/recipes/"+made.text("id")+"?format=yaml", nil).body
		require.Equal(t, made.text("id"), s.call("POST", "/v1/recipes", object{"yaml": string(text)}).text("id"), "%s:\n%s", method, text)
	}
}

func TestWhatDoesNotFitIsSaidInFull(t *testing.T) {
	models := t.TempDir()
	for _, name := range []string{base, "ja-general"} {
		copyModel(t, models, name, name)
	}
	s := start(t, options{models: models})
	slices := `merge_method: slerp
base_model: base
slices:
  - sources:
      - {model: base, layer_range: [0, 9]}
      - {model: ja-general, layer_range: [0, 9]}
parameters: {t: 0.5}
`
	refusal := s.refusal(422, "POST", "/v1/recipes", object{"yaml": slices})
	require.Equal(t, "unfit", refusal.text("code"))
	require.Contains(t, refusal.text("message"), `layer_range ends at 9 and "base" has 4 layers`)
	refusal = s.refusal(404, "POST", "/v1/recipes", object{"yaml": strings.NewReplacer("ja-general", "nobody", ": base", ": nothing").Replace(slices)})
	require.Contains(t, refusal.text("message"), `"nobody", "nothing"`)

	editConfig(t, filepath.Join(models, "ja-general"), func(config object) {
		config["vocab_size"], config["num_attention_heads"], config["rope_theta"] = 600, 8, 1e6
	})
	s = start(t, options{models: models})
	refusal = s.refusal(422, "POST", "/v1/recipes", object{"method": "slerp", "base_model": base, "sources": []object{{"model": "ja-general"}}, "parameters": object{"t": 0.5}})
	kinds := map[string]bool{}
	for _, problem := range refusal.list("details") {
		require.Contains(t, refusal.text("message"), problem.text("message"))
		require.Equal(t, "ja-general", problem.text("model"))
		kinds[problem.text("kind")] = true
	}
	require.Equal(t, map[string]bool{"shape": true, "vocabulary": true, "architecture": true}, kinds, "%v", refusal)
}

func TestAChatTemplateThatARecipeBrings(t *testing.T) {
	s := start(t, options{})
	recipe := func(template string) object {
		return object{"method": "linear", "chat_template": template, "sources": []object{{"model": "ja-general", "weight": 1}, {"model": "en-math-a", "weight": 1}}}
	}
	for template, want := range map[string]string{
		"{% for m in messages %}<{{ m['role'] }}> {{ m['content'] }}{% endfor %}": "<user> 3+4",
		"chatml": "<|im_start|>user\n3+4<|im_end|>\n<|im_start|>assistant\n",
		"auto":   s.call("POST", "/apply-template", object{"model": "ja-general", "messages": []object{{"role": "user", "content": "3+4"}}}).text("prompt"),
	} {
		id := s.call("POST", "/v1/recipes", recipe(template)).text("id")
		conversation := object{"model": id, "messages": []object{{"role": "user", "content": "3+4"}}}
		written := s.call("POST", "/apply-template", conversation)
		require.Equal(t, want, written.text("prompt"))
		conversation["max_tokens"] = 1
		require.Equal(t, written["count"], s.call("POST", "/v1/chat/completions", conversation).object("usage")["prompt_tokens"])
		delete(conversation, "max_tokens")
		require.Equal(t, want, s.call("POST", "/apply-template", conversation).text("prompt"), "the model that is there has the same")
	}
	require.Equal(t, "chat_template", s.refusal(400, "POST", "/v1/recipes", recipe("{% for m in messages %}{{ m }}")).text("param"))
}
