// Package catalog knows every model by name. A name is a source (a folder of
// weights), a recipe (a merge that is made when somebody asks for it), or an
// alias (a name that can be moved from one of these to another); outside of
// this package nobody needs to know which.
//
// Its one idea is the [Lease]. Weights come and go: they are made once however
// many callers wait for them, kept while the memory budget allows, and dropped
// when it doesn't, those first that have not been asked for the longest. A
// caller who holds a lease has weights that stay, even if the alias by which it
// asked moves on meanwhile or the recipe is deleted.
//
// Start at [Catalog.Acquire]; resolve.go turns names into models, residents.go
// keeps the budget, make.go loads and merges.
package catalog
