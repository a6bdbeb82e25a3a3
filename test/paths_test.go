package test

import (
	"os"
	"testing"

	"github.com/stretchr/testify/require"
)

// hops are a path through a model's blocks.
func hops(model string, layers ...int) []object {
	var path []object
	for _, layer := range layers {
		path = append(path, object{"model": model, "layer": layer})
	}
	return path
}

// A model's own blocks in order are that model; a path through several models is
// served beside them, takes no memory of its own, and is the same however it is
// written.
func TestAPathIsServed(t *testing.T) {
	s := start(t, options{})
	question := func(fields object) object {
		fields["messages"], fields["temperature"] = []object{{"role": "user", "content": "3+4"}}, 0
		fields["max_tokens"], fields["logprobs"], fields["top_logprobs"] = 12, true, 5
		return s.call("POST", "/v1/chat/completions", fields).list("choices")[0]
	}
	own := object{"method": "dataflow", "base_model": "en-math-a", "path": hops("en-math-a", 0, 1, 2, 3)}
	require.Equal(t, question(object{"model": "en-math-a"}), question(object{"recipe": own}))

	walk := object{"method": "dataflow", "base_model": "en-math-a", "path": append(hops("en-math-a", 0, 1, 2),
		object{"model": "ja-general", "layer": 2, "scale": 0.9}, object{"model": "en-math-a", "layer": 3, "scale": 1.1})}
	made := s.call("POST", "/v1/recipes", object{"name": "walk", "recipe": walk})
	id := made.text("id")
	reply := question(object{"model": "walk"})
	require.Equal(t, reply, question(object{"recipe": walk}))
	require.NotEqual(t, reply, question(object{"model": "en-math-a"}))
	require.Equal(t, 5*4.0, s.call("GET", "/v1/models/"+id, nil).number("bytes"), "five scales")
	yaml := string(s.send("GET", "/v1/recipes/walk?format=yaml", nil).body)
	require.Contains(t, yaml, "scales: [1, 1, 1, 0.9, 1.1]")
	require.Equal(t, id, s.call("POST", "/v1/recipes", object{"yaml": yaml}).text("id"), yaml)
	require.Len(t, s.call("GET", "/v1/models/walk/card", nil).list("parts"), 2)
	sum := s.call("POST", "/v1/embeddings", object{"model": "walk", "input": "3+4"})
	require.Len(t, sum.list("data"), 1)

	walk["path"] = hops("ja-general", 4)
	refusal := s.refusal(422, "POST", "/v1/recipes", walk)
	require.Contains(t, refusal.text("message"), `path[0] is block 4 of "ja-general", which has 4`)
	walk["path"] = []object{{"model": "ja-general", "layer": 0, "scale": 0}}
	require.Equal(t, "recipe.path[0].scale", s.refusal(400, "POST", "/v1/recipes", object{"recipe": walk}).text("param"))
}

// A stack has as many blocks as its slices, and its words come from its parent.
func TestAStackIsServed(t *testing.T) {
	s := start(t, options{})
	stack := `merge_method: passthrough
slices:
  - sources: [{model: en-math-a, layer_range: [0, 3]}]
  - sources:
      - model: ja-general
        layer_range: [2, 4]
        parameters:
          scale: [{filter: down_proj, value: 0.5}]
  - sources: [{model: en-math-a, layer_range: [3, 4]}]
dtype: bfloat16
`
	made := s.call("POST", "/v1/recipes", object{"yaml": stack})
	loaded := s.call("POST", "/v1/models/"+made.text("id")+"/load", nil)
	require.Equal(t, "ready", loaded.text("state"))
	base := s.call("POST", "/v1/models/en-math-a/load", nil)
	require.Greater(t, loaded.number("bytes"), base.number("bytes"))
	require.NotEmpty(t, s.ask(made.text("id"), "3+4"))
	yaml := string(s.send("GET", "/v1/recipes/"+made.text("id")+"?format=yaml", nil).body)
	require.Equal(t, made.text("id"), s.call("POST", "/v1/recipes", object{"yaml": yaml}).text("id"), yaml)

	// The same blocks as a path are the same model, without weights of its own.
	straight := s.call("POST", "/v1/recipes", object{"yaml": "merge_method: passthrough\nslices:\n" +
		"  - sources: [{model: en-math-a, layer_range: [0, 3]}]\n  - sources: [{model: ja-general, layer_range: [2, 4]}]\n  - sources: [{model: en-math-a, layer_range: [3, 4]}]\n"})
	path := s.call("POST", "/v1/recipes", object{"method": "dataflow", "base_model": "en-math-a", "path": append(append(hops("en-math-a", 0, 1, 2), hops("ja-general", 2, 3)...), hops("en-math-a", 3)...)})
	require.Equal(t, s.ask(straight.text("id"), "3+4"), s.ask(path.text("id"), "3+4"))
}

// An export of a path is a plain model that says the same: while its scales change
// no digit of its weights, to the last bit of what they are computed from.
func TestAPathIsExported(t *testing.T) {
	models := t.TempDir() // a copy: an export is to be a model among others
	require.NoError(t, os.CopyFS(models, os.DirFS(zooModels(t))))
	s := start(t, options{models: models, args: []string{"--exports", models}})
	path := append(hops("en-math-a", 0, 1, 2), hops("ja-general", 2, 3)...)
	id := s.call("POST", "/v1/recipes", object{"method": "dataflow", "base_model": "en-math-a", "path": path}).text("id")
	question := "Tom has 27 apples and gets 35. How many are there?"
	want := s.said(id, question) // and so it is on the device when it is exported
	s.export(id, object{"folder": "walk"})
	require.Equal(t, want, s.said("walk", question))

	path[3]["scale"] = 0.5
	id = s.call("POST", "/v1/recipes", object{"method": "dataflow", "base_model": "en-math-a", "path": path}).text("id")
	s.export(id, object{"folder": "halved"})
	require.NotEmpty(t, s.said("halved", question))
	card := s.call("GET", "/v1/models/"+id, nil)
	require.Equal(t, "unloaded", card.text("state"), "it was not needed for that")
}
