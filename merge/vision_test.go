package merge

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/infer/checkpoint"
)

// seeing is a model that sees pictures: these tokens, and one for pictures.
func seeing(t testing.TB, rows int, tokens ...string) Described {
	d := speaking(t, rows, append(tokens, "<image>")...)
	d.Vision = &checkpoint.VisionConfig{ModelType: "llava_next", ImageTokenID: int32(len(tokens))}
	return d
}

// gallery are models of one vocabulary, some of which see pictures.
func gallery(t testing.TB) map[string]Described {
	models := map[string]Described{}
	for _, name := range []string{"plain", "other"} {
		models[name] = speaking(t, 3, "u", "v", "w")
	}
	for _, name := range []string{"eye", "eye2"} {
		models[name] = seeing(t, 6, "u", "v", "w") // two rows to spare
	}
	return models
}

func TestWhoLendsTheVisionPart(t *testing.T) {
	within := func(outer, inner Recipe) Recipe {
		outer.Inputs = map[string]Recipe{"in": inner}
		return outer
	}
	none := half("eye", "plain", 1)
	none.Vision = NoVision
	blind := half("plain", "other", 1)
	blind.Vision = NoVision
	path := Recipe{Method: Dataflow, Base: "eye", Path: []Hop{{Model: "eye"}, {Model: "plain", Layer: 1}}}
	named := half("eye", "eye2", 1)
	named.Vision = "eye2"
	ofInput := within(half("in", "eye2", 1), half("eye", "plain", 1))
	ofInput.Vision = "in"
	for name, c := range map[string]struct {
		recipe Recipe
		vision string
		tokens string // of the tokenizer's source; empty: there is none
	}{
		"nobody":                      {half("plain", "other", 1), "", ""},
		"nobody, said":                {blind, "", ""},
		"the base":                    {half("eye", "plain", 1), "eye", "eye"},
		"the base, of two":            {half("eye", "eye2", 1), "eye", ""},
		"the only source":             {half("plain", "eye", 1), "eye", "eye"},
		"a source that is named":      {named, "eye2", "eye2"},
		"none":                        {none, NoVision, ""},
		"the base of a path":          {path, "eye", ""},
		"the base's parent":           {within(half("in", "plain", 1), half("eye", "other", 1)), "eye", "in"},
		"an input that is named":      {ofInput, "eye", "in"},
		"an input that sees through":  {within(half("plain", "in", 1), half("other", "eye", 1)), "eye", "in"},
		"one and an input of the one": {within(half("plain", "in", 1), half("plain", "eye", 1)), "eye", "in"},
	} {
		t.Run(name, func(t *testing.T) {
			settled, err := c.recipe.WithVision(gallery(t))
			require.NoError(t, err)
			require.Equal(t, c.vision, settled.Vision)
			if c.tokens == "" {
				require.Nil(t, settled.Tokenizer)
			} else {
				require.Equal(t, &Tokenizer{Source: c.tokens}, settled.Tokenizer)
			}
			again, err := settled.WithVision(gallery(t))
			require.NoError(t, err)
			require.Equal(t, settled, again, "what is said is said")
			if c.vision != NoVision {
				require.NoError(t, Fit(c.recipe, gallery(t)))
			}
		})
	}
}

func TestWhatKeepsAMergeFromSeeing(t *testing.T) {
	wide := gallery(t)
	other := wide["eye"]
	other.Config.HiddenSize *= 2
	wide["eye"] = other
	mixed := half("plain", "eye", 1)
	mixed.Tokenizer = &Tokenizer{Source: "base"}
	blind := half("eye", "plain", 1)
	blind.Vision = "plain"
	two := half("plain", "eye", 1)
	two.Sources = append(two.Sources, Source{Model: "eye2", Weight: Numbers(1)})
	path := Recipe{Method: Dataflow, Base: "plain", Path: []Hop{{Model: "plain"}, {Model: "eye", Layer: 1}}}
	for name, c := range map[string]struct {
		recipe Recipe
		models map[string]Described
		says   string
	}{
		"several lenders":            {two, gallery(t), `several models see pictures (eye, eye2): say with "vision"`},
		"a lender that sees nothing": {blind, gallery(t), `"plain" has no vision part that it could lend`},
		"another width":              {half("plain", "eye", 1), wide, "the projector of \"eye\" makes states of"},
		"tokens without pictures":    {mixed, gallery(t), `the token "<image>", which stands for pictures in "eye", is not token 3 of the merged model: "tokenizer": {"source": "eye"}`},
		"a path of such":             {path, gallery(t), "let it be the one with the vision part"},
	} {
		t.Run(name, func(t *testing.T) {
			err := Fit(c.recipe, c.models)
			require.Equal(t, fault.Unfit, fault.CodeOf(err))
			var report *Misfit
			require.ErrorAs(t, err, &report)
			require.Contains(t, report.Error(), c.says)
			require.Contains(t, kinds(report), KindVision)
		})
	}
	stranger := half("plain", "other", 1)
	stranger.Vision = "nobody"
	require.Equal(t, []string{"nobody", "other", "plain"}, stranger.Leaves())
	require.ErrorContains(t, Fit(stranger, gallery(t)), `there is no model "nobody", which is to lend the vision part`)
	stranger.Vision = "../nobody"
	require.Equal(t, fault.Invalid, fault.CodeOf(stranger.Validate()))
}

// The lender need not be merged, and what it holds is part of what the recipe makes.
func TestALenderAlone(t *testing.T) {
	r := half("eye", "plain", 1)
	r.Vision = "eye2"
	require.NoError(t, Fit(r, gallery(t)))
	digests := map[string]string{"eye": "sha256:a", "plain": "sha256:b", "eye2": "sha256:c"}
	before, err := r.Digest(digests)
	require.NoError(t, err)
	digests["eye2"] = "sha256:d"
	after, err := r.Digest(digests)
	require.NoError(t, err)
	require.NotEqual(t, before, after)
}

func kinds(m *Misfit) (all []Kind) {
	for _, p := range m.Problems {
		all = append(all, p.Kind)
	}
	return all
}

// A recipe of pictures is told from one without, and read back from what it is
// written as.
func TestVisionIsWritten(t *testing.T) {
	path := Recipe{Method: Dataflow, Base: "eye", Path: []Hop{{Model: "eye"}}}
	for _, r := range []Recipe{half("eye", "plain", 1), path} {
		without, err := r.Canonical()
		require.NoError(t, err)
		require.NotContains(t, string(without), "vision")
		for _, vision := range []string{"eye", NoVision} {
			r.Vision = vision
			body, err := r.Canonical()
			require.NoError(t, err)
			require.NotEqual(t, string(without), string(body))
			read, err := ParseRecipe(body)
			require.NoError(t, err)
			require.Equal(t, vision, read.Vision)
			text, err := r.YAML("", nil)
			require.NoError(t, err)
			document, err := ParseYAML(text)
			require.NoError(t, err, "%s", text)
			again, err := document.Recipe.Canonical()
			require.NoError(t, err)
			require.Equal(t, string(body), string(again))
		}
	}
	_, err := ParseYAML([]byte("merge_method: linear\nmodels:\n  - model: eye\n    parameters: {weight: 1}\nmergeway:\n  vision: [eye]\n"))
	require.ErrorContains(t, err, "line 6")
}
