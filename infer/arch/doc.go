// Package arch turns a config into graphs. Everything in it is a pure function
// from nodes to nodes: weights come in as arguments, never as constants, so one
// compiled graph serves every model of a shape: sources, merges and the
// candidates of a search alike.
//
// [Params] says which tensors a model has, [Forward] is the whole causal pass
// (training goes through it), and [Extend] is the same pass with a KV cache
// (serving goes through that). Both are the same decoder block; only where keys
// and values come from differs.
//
// [See] is the part of a model that sees: what it makes of a picture stands in the
// place of tokens ([Seeing]), and the decoder knows nothing else of pictures.
//
// The families differ in their design: each has a file that maps its config to one,
// and the block builds what the design says.
//
// Shapes in comments use B rows (sequences), T tokens, C cache columns,
// D hidden width, H heads, K key/value heads, R = H/K, E head width, F
// feed-forward width, V vocabulary.
package arch
