// Package merge turns a recipe into a model. A [Recipe] is a small value that
// names its sources, a method and a handful of numbers; the merged weights are
// made from it on the device, whenever they are asked for, and may be dropped
// again at any time. An [Executor] makes them in milliseconds for a small model,
// and in about the time that reading the sources takes for a large one.
//
// # What a merge computes
//
// All sources θ₁…θₙ, and the base θ₀ if the method has one, have the same tensors.
// Each tensor is merged by itself, entry by entry, with the weight wₖ and density
// dₖ that the recipe gives source k there: in the tensor's layer group (see
// [Grouping]), or by the tensor's name and depth (see [Setting]):
//
//	τₖ = θₖ − θ₀                the task vector; in "linear" there is no base: θ₀ = 0
//	mₖ ∈ {0, 1}                 what is kept of it: all, the largest, or a draw
//	δₖ = rₖ·mₖ·τₖ               what source k has to say, rescaled by rₖ
//	sₖ ∈ {0, 1}                 whether it is heard: all, or those who agree
//	θ  = θ₀ + λ · Σ sₖ·wₖ·δₖ / N
//
// A method is a choice of m and s; the rest are fields of the recipe, with
// defaults by method:
//
//	method           base  keeps (m)   hears (s)    normalize  rescale
//	linear           no    all         all          true       —
//	task_arithmetic  yes   all         all          false      —
//	ties             yes   largest     who agrees   true       none
//	dare_linear      yes   a draw      all          false      density
//	dare_ties        yes   a draw      who agrees   false      density
//
// "Largest" (TIES, arXiv 2306.01708, section 3: trim) keeps the int(d·size)
// entries of largest magnitude in each tensor, at least one; among equal ones
// those that come first. "A draw" (DARE, arXiv 2311.03099, section 3: drop) keeps
// each entry with probability d, see mask.go for the generator.
//
// "Who agrees" (TIES, section 3: elect, disjoint merge) takes the sign of
// Σ wₖ·δₖ, plus if it is zero, and hears the sources whose wₖ·δₖ has that sign.
// A source with nothing to say in an entry is not heard in it.
//
// N is 1, or with Normalize the sum of the weights of those who are heard, which
// is Σ sₖ·wₖ in each entry; where that is zero nothing is divided. The paper that
// this project implements (arXiv 2403.13187) merges with "dare_ties" and found
// weights that sum to about two: its merges are not normalised.
//
// Rescale makes up for what is dropped: "density" is rₖ = 1/dₖ (DARE, section 3:
// rescale; the expected value stays), "l1" makes the sum of |δₖ| over the tensor
// what it was for τₖ, "none" is rₖ = 1.
//
// # How it is computed
//
// Inputs are widened to float32 and everything is computed there. Differences and
// sums carry their rounding error along in a second float32, so that the only
// rounding that counts is the last one, to the recipe's dtype. From this follow
// some properties that tests hold: with all weights zero the merge is the base;
// one source of weight 1 and density 1 is that source, to the last bit; the order
// of the sources means nothing (they are merged in order of name).
// The result is held in the dtype that the sources are held in: a recipe for
// bfloat16 on a CPU, where weights are float32, gives numbers that bfloat16 holds.
//
// A method is one graph over the tensors of one layer, and everything in which
// the candidates of a search differ is an argument of it: a search compiles while
// it makes its first candidate, and then never again ([Executor.Compilations]
// counts). What is kept of a tensor by magnitude is known from one look-up in a
// ranking of its entries, sorted once for each source (see [DefaultRankingBytes]).
// What is kept by draw is a pure function of (seed, source, tensor, position), so
// a recipe means the same mask on every machine; candidates of one search share
// the seed and with it their luck, which makes them easier to compare.
//
// # Where it differs from mergekit
//
// Numbers agree with mergekit 0.1.5 in float32 to a few units in the last place,
// on purpose except for:
//
//   - mergekit computes in the configured dtype, and in bfloat16 rounds after every
//     step; here it is float32, and one rounding at the end.
//   - "density" is the default rescale of the DARE methods, as in their paper, in
//     the evolution paper and in mergekit up to 0.0.6. mergekit 0.1 has "l1" in
//     its place, which is at hand under that name.
//   - mergekit draws masks from torch's generator and trims equal magnitudes in the
//     order of torch's sort. Ours depend on the recipe alone.
//   - "linear" refuses weights that sum to zero when they are to be normalised,
//     where mergekit divides by zero.
//   - A density outside of (0, 1], a density for a method that drops nothing, a
//     source twice, and the base as a source are refused rather than ignored. So
//     are parameters that a method doesn't know, in YAML, and weights by filters
//     that leave a tensor without one.
//   - normalize, rescale and lambda are the same in all tensors.
//   - Where neither dtype nor out_dtype is given the result is bfloat16, whatever
//     the sources are.
package merge
