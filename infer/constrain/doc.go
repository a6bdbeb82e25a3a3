// Package constrain makes a model write only what a caller can use: any JSON
// object, JSON that a schema allows, text that a regular expression matches, or
// one of some strings.
//
// The idea is a mask. Before each token is picked, a [Matcher] says which tokens
// of the vocabulary leave the text on a way that can still end well; all others
// are left out of the draw. The work is done by llguidance, a library in Rust
// that walks the grammar and a trie of all tokens' bytes at once.
//
// A [Compiler] turns a [Spec] into a [Grammar] for one model's [Vocabulary] and
// keeps the recent ones; a grammar gives every sequence a matcher of its own.
// Start reading at compiler.go, then matcher.go; native.go is the border to
// llguidance, and schema.go refuses what it would silently ignore.
//
// Two promises hold for every mask. A token that it allows is accepted. And
// tokens mean here what they mean in a reply: their bytes are those that
// [tokenizer.Tokenizer.Pieces] found by decoding them.
package constrain
