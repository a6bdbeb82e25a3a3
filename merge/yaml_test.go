package merge

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/infer/arch"
	"github.com/mergeway/mergeway/infer/checkpoint"
)

// plan is what mergekit 0.1.5 reads in a file of testdata/yaml, see
// scripts/fixtures/mergekit_yaml.py.
type plan struct {
	Method, Base, DType string
	Tensors             map[string]struct {
		Shared map[string]any
		Models map[string]map[string]*float64
	}
}

// plannedLayers is how many blocks the models of the plans have.
const plannedLayers = 5

func planned(Recipe) (int, error) { return plannedLayers, nil }

func TestYAMLMeansWhatItMeansToMergekit(t *testing.T) {
	data, err := os.ReadFile("testdata/mergekit_yaml.json")
	require.NoError(t, err)
	var plans map[string]plan
	require.NoError(t, json.Unmarshal(data, &plans))
	files, err := filepath.Glob("testdata/yaml/*.yaml")
	require.NoError(t, err)
	require.Len(t, plans, len(files), "run scripts/fixtures/mergekit_yaml.py")
	c := miniature()
	c.NumHiddenLayers = plannedLayers
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			text, err := os.ReadFile(file)
			require.NoError(t, err)
			d, err := ParseYAML(text)
			require.NoError(t, err)
			want := plans[filepath.Base(file)]
			r := d.Recipe
			assert.Equal(t, want.Method, string(r.Method))
			if want.Base != "" {
				assert.Equal(t, want.Base, r.Base)
			}
			if want.DType != "" {
				assert.Equal(t, strings.TrimPrefix(want.DType, "torch."), r.DType)
			}
			configs := map[string]checkpoint.Config{}
			for _, name := range r.Models() {
				configs[name] = c
			}
			merged := r.Config(configs)
			require.Len(t, want.Tensors, len(arch.Params(merged)))
			for _, part := range r.parts(merged) {
				for i := range part.params {
					comparePlanned(t, part, i, want)
				}
			}
		})
	}
}

// comparePlanned compares every parameter in one tensor.
func comparePlanned(t *testing.T, p part, i int, want plan) {
	r, at := p.recipe, p.places[i]
	tensor, ok := want.Tensors[at.name]
	require.True(t, ok, at.name)
	c := methods[r.Method]
	for name, v := range tensor.Shared {
		switch name {
		case "normalize", "normalize_weights":
			assert.Equal(t, v, r.normalizesAt(at), "%s of %s", name, at.name)
		case "lambda":
			assert.InDelta(t, v, r.lambdaAt(at), 1e-12, "%s of %s", name, at.name)
		case "rescale":
			assert.Equal(t, v, c.sparsify != keepAll && r.rescalesAt(at), "%s of %s", name, at.name)
		case "nuslerp_flatten":
			assert.Equal(t, v, r.Span == SpanTensor, at.name)
		case "nuslerp_row_wise":
			assert.True(t, tensor.Shared["nuslerp_flatten"] == true || v == (r.Span == SpanColumns), at.name)
		case "filter_wise":
			assert.Equal(t, v, r.Span == SpanRows, at.name)
		case "int8_mask":
		default:
			require.Contains(t, namesOf(c.shared), name)
			assert.InDelta(t, v, r.normal().Parameters[name].at(at, -1), 1e-12, "%s of %s", name, at.name)
		}
	}
	models := 0
	for model, values := range tensor.Models {
		if model == r.Base && c.base != ignoresBase {
			continue // it is not merged with itself
		}
		n := slices.IndexFunc(r.Sources, func(s Source) bool { return s.Model == model })
		if n < 0 {
			assert.Equal(t, model, r.Base)
			assert.Zero(t, *values["weight"], "%s is left out", model)
			continue
		}
		models++
		for name, v := range values {
			fallback := 1.0 // of a density, or of a scale
			for _, q := range c.own {
				if q.name == name {
					fallback = q.fallback
				}
			}
			if v == nil {
				v = &fallback
			}
			assert.InDelta(t, *v, r.Sources[n].get(c, name).at(p.input(i, n), fallback), 1e-12, "%s of %s in %s", name, model, at.name)
		}
	}
	assert.Equal(t, len(r.Sources), models, at.name)
}

var update = flag.Bool("update", false, "write testdata/yaml/written-*.yaml anew; then run scripts/fixtures/mergekit_yaml.py")

// written are recipes with all that is hard to write in mergekit's terms.
func written() map[string]Recipe {
	rich := paper()
	rich.Normalize, rich.Lambda, rich.DType, rich.Consensus = true, 1e-7, "float16", ConsensusCount
	rich.Sources = append(rich.Sources, Source{Model: "org/yes", Weight: rules("mlp", []float64{1, -2e6 / 4, 0}, "no", []float64{3}, "", []float64{0})})
	rich.Groups = Halves
	ends := NewRecipe(TIES)
	ends.Base, ends.Groups, ends.Rescale = "base", Ends, RescaleL1
	ends.Sources = []Source{{Model: "no", Weight: Numbers(1, 2, 3)}, {Model: "12", Weight: rules("", []float64{0, 1}), Density: Numbers(0.5, 0.25, 1)}}
	blocks := NewRecipe(TaskArithmetic)
	blocks.Base, blocks.Groups = "base", Blocks
	blocks.Sources = []Source{{Model: "a", Weight: Numbers(1, 2, 3, 4, 5, 6, 7)}, {Model: "日本", Weight: Numbers(0.1, 0.3, 0.3, 0.3, 0.3, 0.3, 0.3)}}
	lends := linear("a", 1, "b", 2)
	lends.Base = "base"
	slerp := toyRecipe(SLERP)
	slerp.Parameters = Parameters{"t": rules("self_attn", []float64{0, 0.5, 1}, "mlp", []float64{1, 0.5, 0}, "", []float64{0.5})}
	nuslerp := toyRecipe(NuSLERP)
	nuslerp.Span, nuslerp.Base = SpanColumns, ""
	multislerp := toyRecipe(MultiSLERP)
	multislerp.Normalize = false
	stock := toyRecipe(ModelStock)
	stock.Span = SpanRows
	blocks.Tokenizer = &Tokenizer{Source: "union"}
	each := toyRecipe(DARETIES)
	each.Rescale, each.Parameters = RescaleL2, Parameters{
		lambdaName:    rules("mlp", []float64{0, 0.5, 2}, "", []float64{1}),
		normalizeName: rules("self_attn", []float64{1, 0}, "", []float64{1}),
		rescaleName:   rules("norm", []float64{0}, "", []float64{1, 0, 1}),
	}
	apart := stackOf(TIES, "base", Range{0, 4}, 2)
	apart.Rescale = RescaleL1
	for i := range apart.Slices {
		apart.Slices[i].Parameters = Parameters{lambdaName: Numbers(float64(1 + i)), normalizeName: Numbers(float64(i % 2)), rescaleName: rules("mlp", []float64{1, 0}, "", []float64{float64(i % 2)})}
	}
	return map[string]Recipe{"slerp": slerp, "nuslerp": nuslerp, "multislerp": multislerp, "model-stock": stock,
		"breadcrumbs": toyRecipe(Breadcrumbs), "della": toyRecipe(DELLA), "karcher": toyRecipe(Karcher), "passthrough": toyRecipe(Passthrough), "slices": turning(), "stack": frankenstein(),
		"sce": toyRecipe(SCE), "fusion": toyRecipe(ArceeFusion), "ramplus": toyRecipe(RAMPlusTL), "rich": rich, "ends": ends, "blocks": blocks, "linear": linear("b", 1, "a", 2), "linear-lends": lends, "tokenizer": worded(richTokenizer()), "each": each, "each-slices": apart}
}

func TestYAMLIsWritten(t *testing.T) {
	for name, r := range written() {
		got, err := r.YAML("team/"+name, planned)
		require.NoError(t, err, name)
		path := "testdata/yaml/written-" + name + ".yaml"
		if *update {
			require.NoError(t, os.WriteFile(path, got, 0o644))
		}
		want, err := os.ReadFile(path)
		require.NoError(t, err)
		assert.Equal(t, string(want), string(got))

		d, err := ParseYAML(got)
		require.NoError(t, err, string(got))
		assert.Equal(t, "team/"+name, d.Name)
		canonical, err := r.Canonical()
		require.NoError(t, err)
		back, err := d.Recipe.Canonical()
		require.NoError(t, err)
		assert.Equal(t, string(canonical), string(back), "%s", got)
	}
}

func TestEveryRecipeSurvivesYAML(t *testing.T) {
	for _, m := range Methods() {
		for _, groups := range append(Groupings(), BlocksOf(2)) {
			r := toyRecipe(m)
			r.Groups = groups
			n := groups.Count(plannedLayers)
			several := make([]float64, n)
			for i := range several {
				several[i] = float64(1+i) / 16
			}
			for i := range r.Sources {
				if m.Weighs() {
					r.Sources[i].Weight = Numbers(several[:1+i%2*(n-1)]...)
				}
				if m.Sparsifies() {
					r.Sources[i].Density = Numbers(several[:1+(1+i)%2*(n-1)]...)
				}
			}
			for _, q := range methods[m].shared {
				if !q.whole {
					r.Parameters = r.Parameters.with(q.name, Numbers(several...))
				}
			}
			text, err := r.YAML("", planned)
			require.NoError(t, err)
			d, err := ParseYAML(text)
			require.NoError(t, err, string(text))
			want, err := r.Canonical()
			require.NoError(t, err)
			got, err := d.Recipe.Canonical()
			require.NoError(t, err)
			assert.Equal(t, string(want), string(got), "%s by %s", m, groups)
		}
	}
	gone := fault.New(fault.NotFound, "gone")
	_, err := paper().YAML("", func(Recipe) (int, error) { return 0, gone })
	assert.ErrorIs(t, err, gone, "where the halves part depends on the models")
	r := paper()
	r.Groups, r.Sources[0].Weight = Ends, Numbers(1, 2, 3)
	_, err = r.YAML("", nil)
	assert.NoError(t, err, "which the ends do not")
	r.Groups = BlocksOf(3)
	_, err = r.YAML("", planned)
	assert.Equal(t, fault.Invalid, fault.CodeOf(err), "five blocks are two runs")
	_, err = Recipe{}.YAML("", planned)
	assert.Equal(t, fault.Invalid, fault.CodeOf(err))
}

func TestParseYAMLNamesWhatItRefuses(t *testing.T) {
	const head = "merge_method: ties\nbase_model: b\n"
	const models = "models:\n  - model: a\n    parameters: {weight: 1}\n"
	_, err := ParseYAML([]byte(head + models + "chat_template:\nmodules: ~\ntokenizer: null\n"))
	require.NoError(t, err, "what is null is as good as not there")
	model := func(lines string) string {
		return head + "models:\n  - model: a\n    parameters:\n      weight: 1\n" + lines
	}
	slice := func(sources, parameters string) string {
		return head + "slices:\n  - sources:\n" + sources + parameters
	}
	for name, c := range map[string]struct{ text, param, says string }{
		"nothing":                  {"", "", "empty"},
		"only a comment":           {"# x\n", "", "empty"},
		"broken":                   {head + "models: [", "", "line 3"},
		"a list":                   {"- a\n", "", "line 1: this must be a map"},
		"two documents":            {head + models + "---\n" + head + models, "documents[1]", "no other document names this one"},
		"an unknown key":           {head + models + "tokeniser: x\n", "tokeniser", `line 6: tokeniser: unknown key "tokeniser": known here are name, merge_method, base_model, models, slices, modules, parameters, dtype, out_dtype, tokenizer_source, tokenizer, chat_template, mergeway`},
		"a key twice":              {head + models + "base_model: c\n", "", "line 6"},
		"no method":                {models, "merge_method", "merge_method: this is missing"},
		"an unknown method":        {"merge_method: magic\n" + models, "merge_method", `line 1: merge_method: unknown merge method "magic"`},
		"no base":                  {"merge_method: ties\n" + models, "base_model", "base_model is required"},
		"another module":           {head + "modules:\n  default: {models: []}\n  vision_tower: {models: []}\n", "modules.vision_tower", `line 5: modules.vision_tower: unknown module "vision_tower": the models that can be merged have one, "default"`},
		"no module":                {head + "modules: {}\n", "modules.default", "this is missing"},
		"a module of nothing":      {head + "modules: {default: {parameters: {}}}\n", "modules.default.models", "this is missing"},
		"modules and models":       {head + models + "modules: {default: {models: []}}\n", "models", "either modules"},
		"modules that are a list":  {head + "modules: []\n", "modules", "must be a map"},
		"a key in a module":        {head + "modules: {default: {models: [], dtype: x}}\n", "modules.default.dtype", "unknown key"},
		"a parameter of a module":  {head + "modules: {default: {models: [{model: a}], parameters: {weight: 1, t: 1}}}\n", "modules.default.parameters.t", "knows no parameter"},
		"an unknown chat template": {head + models + "chat_template: chatty\n", "chat_template", `line 6: chat_template: no chat template "chatty": it is "auto", the text of a template, or one of alpaca, chatml`},
		"a broken chat template":   {head + models + "chat_template: '{% for m in messages %}{{ m }}'\n", "chat_template", "line 6: chat_template: the chat template does not compile"},
		"another tokenizer":        {head + models + "tokenizer_source: c\n", "tokenizer_source", `line 6: tokenizer_source: unknown tokenizer source "c": it is "union", "base", or one of the recipe's models`},
		"no models":                {head, "models", "models: this is missing"},
		"models and slices":        {head + models + "slices: [{sources: []}]\n", "slices", "either models or slices"},
		"models that are a map":    {head + "models: {model: a}\n", "models", "line 3: models: this must be a list"},
		"a model without a name":   {head + "models:\n  - parameters: {}\n", "models[0]", "the model is missing"},
		"a model that is a number": {head + "models:\n  - model: 7\n", "models[0].model", "line 4: models[0].model: this must be text"},
		"a model that climbs":      {head + "models:\n  - model: ../x\n    parameters: {weight: 1}\n", "models[0].model", "line 4"},
		"two adapters":             {head + "models:\n  - model: a+lora+more\n    parameters: {weight: 1}\n", "models[0].model", "one adapter at most"},
		"an adapter on nothing":    {head + "models:\n  - model: +lora\n    parameters: {weight: 1}\n", "models[0].model", "a model name is required"},
		"a revision":               {head + "models:\n  - model: a@main\n", "models[0].model", "revision"},
		"a key beside a model":     {head + "models:\n  - model: a\n    weight: 1\n", "models[0].weight", "line 5: models[0].weight: unknown key"},
		"an unknown parameter":     {model("      wieght: 1\n"), "models[0].parameters.wieght", `line 7: models[0].parameters.wieght: "ties" knows no parameter "wieght" of a model: it has weight, density`},
		"a misplaced parameter":    {model("      lambda: 1\n"), "models[0].parameters.lambda", "a parameter of the whole merge"},
		"parameters that are text": {head + models + "parameters: none\n", "parameters", "must be a map"},
		"an unknown top parameter": {head + models + "parameters: {t: 1}\n", "parameters.t", `knows no parameter "t" of the merge: it has weight, density, normalize, lambda, rescale, int8_mask`},
		"no weight":                {head + "models:\n  - model: a\n", "models[0].model", `needs a weight of every model, and "a" has none`},
		"a density out of range":   {model("      density: 1.5\n"), "models[0].parameters.density", "line 7: models[0].parameters.density: density 1.5"},
		"a density among others":   {model("      density:\n        - {filter: mlp, value: 1}\n        - value: [1, 0]\n"), "models[0].parameters.density", "density 0"},
		"text for a number":        {model("      density: half\n"), "models[0].parameters.density", "must be a number"},
		"a mixed list":             {model("      density: [1, {value: 1}]\n"), "models[0].parameters.density[1]", "must be a number"},
		"an empty list":            {model("      density: []\n"), "models[0].parameters.density", "no numbers"},
		"a rule without a value":   {model("      density: [{filter: mlp}]\n"), "models[0].parameters.density[0]", "the value is missing"},
		"an unknown key in a rule": {model("      density: [{filter: mlp, values: 1}]\n"), "models[0].parameters.density[0].values", "unknown key"},
		"lambda zero":              {head + models + "parameters: {lambda: 0}\n", "parameters.lambda", "base model"},
		"a gradient of normalize":  {head + models + "parameters: {normalize: [0, 2]}\n", "parameters.normalize[1]", "line 6: parameters.normalize[1]: this must be true or false"},
		"lambdas of nothing":       {head + models + "parameters: {lambda: [0, 0]}\n", "parameters.lambda", "line 6: parameters.lambda: lambda 0 would be the base model"},
		"normalize by number":      {head + models + "parameters: {normalize: 2}\n", "parameters.normalize", "true or false"},
		"another dtype":            {head + models + "dtype: float64\n", "dtype", `line 6: dtype: unknown dtype "float64"`},
		"an unknown extension":     {head + models + "mergeway: {sede: 1}\n", "mergeway.sede", "unknown key"},
		"a negative seed":          {head + models + "mergeway: {seed: -1}\n", "mergeway.seed", "not negative"},
		"an unknown rescale":       {head + models + "mergeway: {rescale: l7}\n", "mergeway.rescale", `line 6: mergeway.rescale: unknown rescale "l7"`},
		"an unknown consensus":     {head + models + "mergeway: {consensus: lot}\n", "mergeway.consensus", "sum or count"},
		"an unknown grouping":      {head + models + "mergeway: {groups: x}\n", "mergeway.groups", "unknown grouping"},
		"no slices":                {head + "slices: []\n", "slices", "0 slices"},
		"a slice without the base": {head + "slices:\n  - sources: []\n  - sources: []\n", "slices[0]", "line 4: slices[0]: the base"},
		"a base that is not there": {slice("      - {model: a, layer_range: [0, 4], parameters: {weight: 1}}\n", "    base_model: c\n"), "slices[0]", `the base "c" is not among`},
		"slices that disagree":     {"merge_method: nuslerp\nslices:\n  - sources: []\n    parameters: {nuslerp_flatten: true}\n  - sources: []\n", "slices[1]", "line 5: slices[1]: nuslerp_flatten is not what it is in slices[0]"},
		"a slice within":           {slice("      - {model: a, layer_range: [3, 1]}\n", ""), "slices[0].sources[0].layer_range", "no layers in [3 1]"},
		"too many layers":          {slice("      - {model: a, layer_range: [0, 9000]}\n", ""), "slices[0].sources[0].layer_range", "layers up to 9000: at most 1024"},
		"no layer range":           {slice("      - {model: a}\n", ""), "slices[0].sources[0]", "layer_range is missing"},
		"layers that differ":       {slice("      - {model: b, layer_range: [0, 4]}\n      - {model: c, layer_range: [0, 5], parameters: {weight: 1}}\n", ""), "slices[0].sources[1].model", "5 blocks where sources[0] has 4"},
		"a weight without a use":   {"merge_method: sce\nbase_model: b\n" + models, "models[0].parameters.weight", `"sce" knows no parameter "weight" of a model`},
		"no t":                     {"merge_method: slerp\nbase_model: b\nmodels: [{model: a}]\n", "parameters.t", `"slerp" needs "t"`},
		"a t out of range":         {"merge_method: nearswap\nbase_model: b\nmodels: [{model: a}]\nparameters:\n  t: -1\n", "parameters.t", "line 5: parameters.t: -1 is not a value"},
		"one model too many":       {"merge_method: slerp\nbase_model: b\nmodels: [{model: a}, {model: c}]\nparameters: {t: 1}\n", "models", "exactly 1"},
		"a base for passthrough":   {"merge_method: passthrough\nbase_model: b\nmodels: [{model: a}]\n", "models", "exactly 1"},
		"a tag":                    {head + "models: !!seq []\n", "models", "tags"},
		"an unknown alias":         {head + "models: *x\n", "models", "no anchor"},
		"a merge key":              {head + "models:\n  - <<: {model: a}\n", "models[0]", "not plain text"},
		"a source twice":           {model("  - model: a\n    parameters: {weight: 1}\n"), "models[1].model", "already"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := ParseYAML([]byte(c.text))
			require.Error(t, err)
			assert.Equal(t, fault.Invalid, fault.CodeOf(err))
			assert.Equal(t, c.param, param(err), err.Error())
			assert.Contains(t, err.Error(), c.says)
		})
	}
}

func TestParseYAMLIsBounded(t *testing.T) {
	text := "merge_method: linear\nmodels: [{model: a, parameters: {weight: 1}}]\n"
	_, err := ParseYAML([]byte(text + strings.Repeat("#", MaxYAMLBytes-len(text))))
	require.NoError(t, err)
	many := "a: &a [x, x, x, x, x, x, x, x, x, x]\n"
	for _, name := range []string{"b", "c", "d", "e", "f"} {
		many += name + ": &" + name + " [" + strings.Repeat("*"+string(name[0]-1)+", ", 10) + "1]\n"
	}
	for name, c := range map[string]struct {
		text string
		code fault.Code
	}{
		"bytes":    {text + strings.Repeat("#", MaxYAMLBytes-len(text)+1), fault.TooLarge},
		"brackets": {strings.Repeat("[", MaxYAMLBytes), fault.TooLarge},
		"dashes":   {strings.Repeat("- ", MaxYAMLBytes/2), fault.TooLarge},
		"depth":    {strings.Repeat("[", maxYAMLDepth+2) + strings.Repeat("]", maxYAMLDepth+2), fault.Invalid},
		"aliases":  {many, fault.Invalid},
		"itself":   {"a: &a [*a]\n", fault.Invalid},
		"a key":    {strings.Repeat("k", MaxName+1) + ": 1\n", fault.Invalid},
	} {
		_, err := ParseYAML([]byte(c.text))
		assert.Equal(t, c.code, fault.CodeOf(err), name)
	}
}

func FuzzParseYAML(f *testing.F) {
	files, err := filepath.Glob("testdata/yaml/*.yaml")
	require.NoError(f, err)
	for _, file := range files {
		text, err := os.ReadFile(file)
		require.NoError(f, err)
		f.Add(text)
	}
	f.Add([]byte(familyText))
	f.Add([]byte("a: &a [*a]\nmerge_method: !!str linear\n? x\n: - - {}\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		d, err := ParseYAML(data)
		if err != nil {
			if code := fault.CodeOf(err); code != fault.Invalid && code != fault.TooLarge {
				t.Fatalf("%v: code %s", err, code)
			}
			return
		}
		want, err := d.Recipe.Canonical()
		if err != nil {
			t.Fatalf("what parses has no canonical form: %v", err)
		}
		text, err := d.Recipe.YAML("", planned)
		if err != nil {
			t.Fatalf("what parses can't be written: %v", err)
		}
		again, err := ParseYAML(text)
		if err != nil {
			t.Fatalf("what is written can't be read: %v\n%s", err, text)
		}
		got, err := again.Recipe.Canonical()
		if err != nil || string(got) != string(want) {
			t.Fatalf("%v: not the same after\n%s\n%s\n%s", err, text, want, got)
		}
	})
}
