// Package elites keeps archives of candidates that are each the best of their kind
// (quality diversity), over the unit cube: MAP-Elites (Mouret and Clune 2015), and
// CycleQD (Kuroki et al. 2024, arXiv 2410.14735), made to merge models.
//
// A candidate has several values. An archive takes one of them for its quality and
// divides each of the others into bins; of the candidates in the same bins it keeps
// the best. CycleQD has an archive for each value, takes turns in choosing parents
// from them, and offers each child to all.
//
// Two parents are mixed: a point of the line through them, near its middle. Where
// genomes are merge weights this mixes their task vectors, which is CycleQD's
// crossover. Its mutation scales singular directions of a child's task vector, which
// no recipe has words for; here coordinates move by normal steps instead.
//
// Like all optimizers it is ask and tell: what it proposes is a function of its
// state, the generation and the index.
package elites
