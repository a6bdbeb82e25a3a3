package merge

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mergeway/mergeway/fault"
)

// TestMergekitsKeys goes through every key that mergekit 0.1.5 reads in a recipe (its
// config.py, tokenizer/config.py and common.py, and the parameters of its methods): it
// means something, or it is refused by its name.
func TestMergekitsKeys(t *testing.T) {
	const base = "merge_method: ties\nbase_model: b\n"
	const models = "models:\n  - model: a\n    parameters: {weight: 1}\n"
	const slice = base + "slices:\n  - sources:\n      - {model: b, layer_range: [0, 2]}\n      - {model: a, layer_range: [1, 3], parameters: {weight: 1}}\n"
	with := func(method, sources, parameters string) string {
		return "merge_method: " + method + "\nbase_model: b\nmodels:\n" + sources + "parameters: {" + parameters + "}\n"
	}
	one := func(parameters string) string { return "  - {model: a, parameters: {" + parameters + "}}\n" }
	for key, c := range map[string]struct{ text, means, refused string }{
		"merge_method":        {text: base + models, means: `"method":"ties"`},
		"base_model":          {text: base + models, means: `"base_model":"b"`},
		"models":              {text: base + models, means: `{"model":"a","weight":[1]}`},
		"slices":              {text: slice, means: `"layer_range":[1,3]`},
		"slices, base_model":  {text: strings.Replace(slice, base, "merge_method: ties\nbase_model: c\n", 1) + "    base_model: b\n", means: `{"base_model":"b","sources"`},
		"slices, parameters":  {text: slice + "    parameters: {lambda: 0.5}\n", means: `"lambda":0.5`},
		"residual_weight":     {text: slice + "    residual_weight: 0.5\n", refused: `slices[0].residual_weight: unknown key "residual_weight"`},
		"modules":             {text: base + "modules:\n  default:\n    models: [{model: a, parameters: {weight: 1}}]\n", means: `{"model":"a","weight":[1]}`},
		"modules, parameters": {text: base + "modules:\n  default:\n    models: [{model: a}]\n    parameters: {weight: 1}\n", means: `{"model":"a","weight":[1]}`},
		"another module":      {text: base + "modules:\n  vision: {models: []}\n", refused: `modules.vision: unknown module "vision"`},
		"parameters":          {text: base + models + "parameters: {density: 0.5}\n", means: `"density":[0.5]`},
		"filter and value":    {text: base + models + "parameters: {density: [{filter: mlp, value: 0.5}, {value: 0.25}]}\n", means: `"density":[{"filter":"mlp","value":0.5},{"value":0.25}]`},
		"one filter":          {text: base + models + "parameters: {density: {filter: mlp, value: 0.5}}\n", means: `"density":[{"filter":"mlp","value":0.5},{"value":1}]`},
		"the filter *":        {text: base + models + "parameters: {density: [{filter: '*', value: 0.5}]}\n", means: `"density":[0.5]`},
		"a gradient":          {text: base + models + "parameters: {density: [0.25, 1]}\n", means: `"density":[{"value":[0.25,1]}]`},
		"dtype":               {text: base + models + "dtype: float16\n", means: `"dtype":"float16"`},
		"out_dtype":           {text: base + models + "dtype: float32\nout_dtype: float16\n", means: `"dtype":"float16"`},
		"chat_template":       {text: base + models + "chat_template: chatml\n", means: `"chat_template":"chatml"`},
		"tokenizer_source":    {text: base + models + "tokenizer_source: union\n", means: `"tokenizer":{"source":"union"`},
		"tokenizer": {text: base + models + "tokenizer: {source: base, pad_to_multiple_of: 64, tokens: {x: {source: a, force: true}}}\n",
			means: `"pad_to_multiple_of":64`},
		"tokens by id":     {text: base + models + "tokenizer: {source: base, tokens: {x: {source: {kind: model_token, model: a, token_id: 3}}}}\n", means: `"token_id":3`},
		"tokens of zeros":  {text: base + models + "tokenizer: {source: base, tokens: {x: {source: {kind: zero}}}}\n", means: `"kind":"zero"`},
		"both tokenizers":  {text: base + models + "tokenizer_source: base\ntokenizer: {source: base}\n", refused: "tokenizer"},
		"path+lora":        {text: base + "models: [{model: a+lora, parameters: {weight: 1}}]\n", means: `"model":"a+lora"`},
		"path@revision":    {text: base + "models: [{model: a@main, parameters: {weight: 1}}]\n", refused: `models[0].model: "a@main" names a revision`},
		"a model as a map": {text: base + "models: [{model: {model: {path: a}}, parameters: {weight: 1}}]\n", refused: "models[0].model: this must be text"},

		"weight":            {text: with("linear", one("weight: 2")+"  - {model: b, parameters: {weight: 1}}\n", ""), means: `"weight":[2]`},
		"density":           {text: with("dare_ties", one("weight: 1, density: 0.5"), ""), means: `"density":[0.5]`},
		"gamma":             {text: with("breadcrumbs", one("weight: 1, gamma: 0.125"), ""), means: `"gamma":[0.125]`},
		"epsilon":           {text: with("della", one("weight: 1, epsilon: 0.125"), ""), means: `"epsilon":[0.125]`},
		"normalize":         {text: with("ties", one("weight: 1"), "normalize: false"), means: `"normalize":false`},
		"rescale":           {text: with("dare_ties", one("weight: 1"), "rescale: false"), means: `"rescale":"none"`},
		"lambda":            {text: with("ties", one("weight: 1"), "lambda: 0.5"), means: `"lambda":0.5`},
		"int8_mask":         {text: with("ties", one("weight: 1"), "int8_mask: true"), means: `"method":"ties"`},
		"t":                 {text: with("slerp", one(""), "t: 0.25"), means: `"t":[0.25]`},
		"nuslerp_flatten":   {text: with("nuslerp", one("weight: 1")+"  - {model: c, parameters: {weight: 1}}\n", "nuslerp_flatten: false"), means: `"span":"rows"`},
		"nuslerp_row_wise":  {text: with("nuslerp", one("weight: 1")+"  - {model: c, parameters: {weight: 1}}\n", "nuslerp_flatten: false, nuslerp_row_wise: true"), means: `"span":"columns"`},
		"normalize_weights": {text: with("multislerp", one("weight: 1"), "normalize_weights: false"), means: `"normalize":false`},
		"eps":               {text: with("multislerp", one("weight: 1"), "eps: 0.125"), means: `"eps":[0.125]`},
		"max_iter and tol":  {text: "merge_method: karcher\nmodels: [{model: a}, {model: b}]\nparameters: {max_iter: 5, tol: 0.125}\n", means: `"max_iter":[5],"tol":[0.125]`},
		"filter_wise":       {text: with("model_stock", one("")+"  - {model: c}\n", "filter_wise: true"), means: `"span":"rows"`},
		"select_topk":       {text: with("sce", one(""), "select_topk: 0.5"), means: `"select_topk":[0.5]`},
		"r and alpha":       {text: with("ramplus_tl", one(""), "r: 0.5, alpha: 0.25"), means: `"alpha":[0.25]`},
		"scale":             {text: "merge_method: passthrough\nmodels: [{model: a, parameters: {scale: 0.5}}]\n", means: `"weight":[0.5]`},
		"of another method": {text: base + models + "parameters: {t: 0.5}\n", refused: `parameters.t: "ties" knows no parameter "t"`},
		"no key at all":     {text: base + models + "lambda: 1\n", refused: `lambda: unknown key "lambda"`},
	} {
		t.Run(key, func(t *testing.T) {
			d, err := ParseYAML([]byte(c.text))
			if c.refused != "" {
				require.Equal(t, fault.Invalid, fault.CodeOf(err), c.text)
				require.ErrorContains(t, err, c.refused)
				return
			}
			require.NoError(t, err, c.text)
			canonical, err := d.Recipe.Canonical()
			require.NoError(t, err)
			require.Contains(t, string(canonical), c.means)
		})
	}
}
