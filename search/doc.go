// Package search evolves merge recipes. A [Spec] says which models to merge and
// which task to get better at; CMA-ES proposes genomes, each of which is a
// recipe; a [Lab] makes the merged model and lets it answer problems; the best
// recipe by validation is scored once on the test problems and published.
//
// A search is a sequence of facts that only ever grows: trials and events are
// in the store before anybody hears of them, and every candidate follows from
// (seed, generation, index). A process that dies loses the trial in flight and,
// started again, repeats it exactly.
package search
