package merge_test

import (
	"fmt"

	"github.com/mergeway/mergeway/merge"
)

// A recipe is read strictly, and written in one form only.
func ExampleParseRecipe() {
	recipe, err := merge.ParseRecipe([]byte(`{
		"method": "dare_ties",
		"base_model": "base",
		"groups": "ends",
		"sources": [
			{"model": "math", "weight": [0.9, 1.1, 0.2], "density": 0.5},
			{"model": "japanese", "weight": 1, "density": 0.9}
		]
	}`))
	if err != nil {
		fmt.Println(err)
		return
	}
	canonical, _ := recipe.Canonical()
	fmt.Println(string(canonical))

	_, err = merge.ParseRecipe([]byte(`{"method": "linear", "sources": [{"model": "math", "wieght": 1}]}`))
	fmt.Println(err)
	// Output:
	// {"base_model":"base","dtype":"bfloat16","groups":"ends","lambda":1,"method":"dare_ties","normalize":false,"rescale":"density","seed":0,"sources":[{"density":[0.9],"model":"japanese","weight":[1]},{"density":[0.5],"model":"math","weight":[0.9,1.1,0.2]}]}
	// unknown key "wieght" in sources[0]: known are model, weight, density, parameters
}

// The digest names merged weights before they are made. It changes with the
// content of a source, not with the order in which sources are written.
func ExampleRecipe_Digest() {
	recipe := merge.NewRecipe(merge.TaskArithmetic)
	recipe.Base = "base"
	recipe.Sources = []merge.Source{
		{Model: "math", Weight: merge.Numbers(1)},
		{Model: "japanese", Weight: merge.Numbers(0.5)},
	}
	digests := map[string]string{"base": "sha256:a", "math": "sha256:b", "japanese": "sha256:c"}
	one, _ := recipe.Digest(digests)
	recipe.Sources[0], recipe.Sources[1] = recipe.Sources[1], recipe.Sources[0]
	other, _ := recipe.Digest(digests)
	fmt.Println(one == other)
	// Output: true
}
