package merge

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/infer"
)

// half is a recipe of a source on a base.
func half(base, source string, weight float64) Recipe {
	r := NewRecipe(TaskArithmetic)
	r.Base, r.DType = base, "float32"
	r.Sources = []Source{{Model: source, Weight: Numbers(weight)}}
	return r
}

// family is a recipe of recipes: made on base, of what is made of ja, and of
// what is made of that and math.
func family() Recipe {
	r := NewRecipe(DARETIES)
	r.Base, r.DType, r.Seed = "base", "float32", 3
	inner := half("base", "ja", 0.5)
	outer := half("inner", "math", 0.25)
	outer.Inputs = map[string]Recipe{"inner": inner}
	r.Sources = []Source{
		{Model: "first", Weight: Numbers(0.5), Density: Numbers(0.5)},
		{Model: "second", Weight: Numbers(0.75), Density: Numbers(0.5)},
		{Model: "math", Weight: Numbers(0.25), Density: Numbers(0.5)},
	}
	r.Inputs = map[string]Recipe{"first": inner, "second": outer}
	return r
}

// leafDigests are digests of what families are made of.
func leafDigests() map[string]string {
	return map[string]string{"base": "sha256:b", "ja": "sha256:j", "math": "sha256:m"}
}

func TestInputsAreKnownByTheirContent(t *testing.T) {
	r := family()
	want, err := r.Canonical()
	require.NoError(t, err)
	digest, err := r.Digest(leafDigests())
	require.NoError(t, err)

	// Other names, another order, other words for the same.
	same := family()
	same = same.Renamed(map[string]string{"first": "x", "second": "team/y"})
	outer := half("z", "math", 0.25)
	outer.Inputs = map[string]Recipe{"z": half("base", "ja", 0.5)}
	outer.Groups = Halves
	outer.Sources[0].Weight = Numbers(0.25, 0.25, 0.25, 0.25)
	same.Inputs = map[string]Recipe{"x": half("base", "ja", 0.5), "team/y": outer}
	same.Sources[0], same.Sources[2] = same.Sources[2], same.Sources[0]
	got, err := same.Canonical()
	require.NoError(t, err)
	require.JSONEq(t, string(want), string(got))
	again, err := same.Digest(leafDigests())
	require.NoError(t, err)
	require.Equal(t, digest, again)

	parsed, err := ParseRecipe(want)
	require.NoError(t, err)
	got, err = parsed.Canonical()
	require.NoError(t, err)
	require.Equal(t, string(want), string(got), "it is read back")

	// Whatever changes within changes the whole.
	inner := same.Inputs["x"]
	inner.Lambda = 2
	same.Inputs["x"] = inner
	got, err = same.Canonical()
	require.NoError(t, err)
	require.NotEqual(t, string(want), string(got))
	leaves := leafDigests()
	leaves["ja"] = "sha256:other"
	again, err = r.Digest(leaves)
	require.NoError(t, err)
	require.NotEqual(t, digest, again)
	delete(leaves, "ja")
	_, err = r.Digest(leaves)
	require.Equal(t, fault.NotFound, fault.CodeOf(err))
}

func TestADigestIsMadeOfThoseOfTheInputs(t *testing.T) {
	r := half("base", "x", 1)
	r.Inputs = map[string]Recipe{"x": half("base", "ja", 0.5)}
	inner, err := r.Inputs["x"].Digest(leafDigests())
	require.NoError(t, err)
	got, err := r.Digest(leafDigests())
	require.NoError(t, err)

	body, err := r.Canonical()
	require.NoError(t, err)
	text, err := r.Inputs["x"].Canonical()
	require.NoError(t, err)
	h := sha256.New()
	fmt.Fprintf(h, "mergeway recipe 1\n%s\nbase sha256:b\n%s %s", body, inputName(text), inner)
	require.Equal(t, "sha256:"+hex.EncodeToString(h.Sum(nil)), got)
}

func TestTheModelsOfARecipeOfRecipes(t *testing.T) {
	r := family()
	require.Equal(t, []string{"base", "first", "math", "second"}, r.Models())
	require.Equal(t, []string{"base", "ja", "math"}, r.Leaves())
	inputs, depth := r.Nesting()
	require.Equal(t, []int{3, 2}, []int{inputs, depth})
	require.Equal(t, "base", r.Origin())
	outer := r.Inputs["second"]
	require.Equal(t, "inner", outer.Parent())
	require.Equal(t, "base", outer.Origin())

	// Where no base is said the parent is the first, by content and not by name.
	mean := NewRecipe(NuSLERP)
	for _, name := range []string{"p", "q"} {
		mean.Sources = append(mean.Sources, Source{Model: name, Weight: Numbers(1)})
	}
	mean.Inputs = map[string]Recipe{"p": half("a", "ja", 0.5), "q": half("b", "ja", 0.5)}
	origin := mean.Origin()
	mean.Inputs["p"], mean.Inputs["q"] = mean.Inputs["q"], mean.Inputs["p"]
	require.Equal(t, origin, mean.Origin())
}

func TestRecipesWithinRecipesAreChecked(t *testing.T) {
	for name, c := range map[string]struct {
		param  string
		change func(*Recipe)
	}{
		"a fault inside": {"inputs.second.inputs.inner.dtype", func(r *Recipe) { r.Inputs["second"].Inputs["inner"] = Recipe{Method: TIES, Base: "b", DType: "int3"} }},
		"a path inside": {"inputs.first.method", func(r *Recipe) {
			r.Inputs["first"] = Recipe{Method: Dataflow, Base: "base", Path: []Hop{{Model: "ja"}}}
		}},
		"an adapter on it":    {"inputs.first", func(r *Recipe) { r.Sources[0].Model = "first+lora" }},
		"no use":              {"inputs.third", func(r *Recipe) { r.Inputs["third"] = half("base", "ja", 1) }},
		"no name":             {"inputs", func(r *Recipe) { r.Inputs["../x"] = half("base", "ja", 1) }},
		"one twice":           {"sources[1].model", func(r *Recipe) { r.Inputs["second"] = r.Inputs["first"] }},
		"the base once more":  {"sources[0].model", func(r *Recipe) { r.Base, r.Inputs["again"] = "again", r.Inputs["first"] }},
		"an input that isn't": {"inputs", func(r *Recipe) { r.Sources[2].Model = "input-0123456789abcdef" }},
	} {
		t.Run(name, func(t *testing.T) {
			r := family()
			c.change(&r)
			err := r.Validate()
			require.Error(t, err)
			assert.Equal(t, fault.Invalid, fault.CodeOf(err))
			assert.Equal(t, c.param, param(err), err.Error())
			body, err := json.Marshal(r)
			require.NoError(t, err)
			_, err = ParseRecipe(body)
			assert.Error(t, err)
		})
	}
}

// tower is a recipe of recipes so deep.
func tower(depth int) Recipe {
	r := half("base", "ja", 0.5)
	for range depth {
		outer := half("base", "x", 0.5)
		outer.Inputs = map[string]Recipe{"x": r}
		r = outer
	}
	return r
}

// fan is a recipe of so many recipes.
func fan(inputs int) Recipe {
	r := NewRecipe(Linear)
	r.Inputs = map[string]Recipe{}
	for i := range inputs {
		name := fmt.Sprintf("x%d", i)
		r.Sources = append(r.Sources, Source{Model: name, Weight: Numbers(1)})
		r.Inputs[name] = half("base", "ja", float64(i+1))
	}
	return r.withDefaults()
}

func TestRecipesWithinRecipesAreBounded(t *testing.T) {
	for name, r := range map[string]Recipe{"depth": tower(MaxDepth), "count": fan(MaxInputs)} {
		body, err := r.Canonical()
		require.NoError(t, err, name)
		_, err = ParseRecipe(body)
		require.NoError(t, err, name)
	}
	wide := fan(8)
	for name := range wide.Inputs { // 8 × 9 in all
		wide.Inputs[name] = fan(8)
	}
	for name, r := range map[string]Recipe{"depth": tower(MaxDepth + 1), "much too deep": tower(20 * MaxDepth), "count over all": wide} {
		err := r.Validate()
		require.Equal(t, fault.Invalid, fault.CodeOf(err), name)
		require.Equal(t, "inputs", param(err), name)
		body, err := json.Marshal(r)
		require.NoError(t, err)
		_, err = ParseRecipe(body)
		require.Equal(t, fault.Invalid, fault.CodeOf(err), name)
		require.True(t, strings.HasSuffix(param(err), "inputs"), param(err))
	}
	// Each doubles the one before it: nothing may look at all of them.
	vast := half("base", "ja", 0.5)
	for i := range 60 {
		outer := half("x", "y", 0.5)
		other := vast
		other.DType = []string{"float16", "bfloat16"}[i%2]
		outer.Inputs = map[string]Recipe{"x": vast, "y": other}
		vast = outer
	}
	require.Equal(t, fault.Invalid, fault.CodeOf(vast.Validate()))

	large := fan(20)
	for _, in := range large.Inputs {
		gradient := make([]float64, MaxGradient)
		for i := range gradient {
			gradient[i] = in.Sources[0].Weight.Values[0] + float64(i)/3
		}
		in.Sources[0].Weight = Setting{Rules: []Rule{{Gradient: gradient}}}
	}
	require.NoError(t, large.Validate())
	_, err := large.Canonical()
	require.Equal(t, fault.TooLarge, fault.CodeOf(err))
}

func TestARecipeOfRecipesMergesWhatTheirModelsWould(t *testing.T) {
	x := newExecutor(t)
	models := smallModels(t, 11)
	mergeOne := func(r Recipe, models map[string]*infer.Weights) *infer.Weights {
		w, err := x.Merge(t.Context(), r, models)
		require.NoError(t, err)
		t.Cleanup(w.Free)
		return w
	}
	r := family()
	first := mergeOne(r.Inputs["first"], models)
	second := mergeOne(r.Inputs["second"], map[string]*infer.Weights{"inner": first, "math": models["math"]})
	got := mergeOne(r, map[string]*infer.Weights{"base": models["base"], "math": models["math"], "first": first, "second": second})

	// In its canonical form, as it is stored: the same masks, and so the same bits.
	body, err := r.Canonical()
	require.NoError(t, err)
	stored, err := ParseRecipe(body)
	require.NoError(t, err)
	byName := map[string]*infer.Weights{"base": models["base"], "math": models["math"]}
	for name, in := range stored.Inputs {
		byName[name] = first
		if len(in.Inputs) > 0 {
			byName[name] = second
		}
	}
	require.Equal(t, read(t, got), read(t, mergeOne(stored, byName)))

	// And what is within is what its recipe makes, no more and no less.
	plain := half("base", "ja", 0.5)
	require.Equal(t, read(t, first), read(t, mergeOne(plain, models)))
	alone := NewRecipe(Passthrough)
	alone.DType, alone.Sources = "float32", []Source{{Model: "x", Weight: Numbers(1)}}
	alone.Inputs = map[string]Recipe{"x": plain}
	require.Equal(t, read(t, first), read(t, mergeOne(alone, map[string]*infer.Weights{"x": first})))
}

// A recipe within a recipe may merge vocabularies, and so may the one around it.
func TestInputsHaveVocabularies(t *testing.T) {
	canonical := func(r Recipe) string {
		body, err := r.Canonical()
		require.NoError(t, err)
		return string(body)
	}
	inner := worded(&Tokenizer{Source: "x"}) // b, x and y
	outer := NewRecipe(TaskArithmetic)
	outer.Base, outer.Sources = "in", []Source{{Model: "y", Weight: Numbers(1)}}
	outer.Inputs = map[string]Recipe{"in": inner}
	models := three(t)
	require.Equal(t, fault.Unfit, fault.CodeOf(Fit(outer, models)), "6 rows and 5")

	inner.Tokenizer = &Tokenizer{} // the tokens of all: of no file
	outer.Inputs["in"], outer.Tokenizer = inner, &Tokenizer{Source: "in"}
	require.NoError(t, Fit(outer, models))
	require.True(t, outer.MergesTokens())
	outer, err := outer.WithVocabularies(func(r Recipe) (*Vocabulary, error) { return NewVocabulary(r, models) })
	require.NoError(t, err)
	require.Equal(t, []string{"u", "v", "w", "<e>", "n", "<x>", "<z>", "<y>"}, outer.Vocabulary.Tokens.Tokens())
	require.True(t, outer.Vocabulary.Changed, "no file has them")
	require.Equal(t, []string{inputName([]byte(canonical(inner))), "y"}, outer.Vocabulary.models)
	require.Equal(t, "b", outer.Speaker())
	require.Equal(t, 8, Describe(outer, models).Config.VocabSize)

	// Without a tokenizer of its own it has its parent's.
	outer.Tokenizer, outer.Vocabulary, outer.Sources[0].Model = nil, nil, "x"
	require.NoError(t, Fit(outer, models), "8 rows each")
	require.Equal(t, outer.Inputs["in"].Vocabulary, outer.words())

	body := canonical(outer)
	outer.Inputs["renamed"] = outer.Inputs["in"]
	delete(outer.Inputs, "in")
	outer.Base = "renamed"
	require.Equal(t, body, canonical(outer))
}
