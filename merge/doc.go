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
//	method           base  keeps (m)         hears (s)    normalize  rescale
//	linear           no    all               all          true       —
//	passthrough      no    all, of one       all          —          —
//	task_arithmetic  yes   all               all          false      —
//	ties             yes   largest           who agrees   true       none
//	dare_linear      yes   a draw            all          false      density
//	dare_ties        yes   a draw            who agrees   false      density
//	della_linear     yes   a draw by rank    all          false      density
//	della            yes   a draw by rank    who agrees   true       density
//	breadcrumbs      yes   all but outliers  all          false      none
//	breadcrumbs_ties yes   all but outliers  who agrees   false      none
//
// "Largest" (TIES, arXiv 2306.01708, section 3: trim) keeps the int(d·size)
// entries of largest magnitude in each tensor, at least one; among equal ones
// those that come first. "All but outliers" (Model Breadcrumbs, arXiv 2312.06795)
// keeps as many, but skips the int(gamma·size) largest before it counts, as far as
// there are enough others. "A draw" (DARE, arXiv 2311.03099, section 3: drop)
// keeps each entry with probability d, see mask.go for the generator. "A draw by
// rank" (DELLA, arXiv 2406.11617, section 3: MagPrune) does so with probabilities
// between d−epsilon, for the smallest entry of a row, and d+epsilon, for the
// largest; epsilon is narrowed where these would leave [0, 1].
//
// "Who agrees" (TIES, section 3: elect, disjoint merge) takes the sign of
// Σ wₖ·δₖ, plus if it is zero, and hears the sources whose wₖ·δₖ has that sign.
// A source with nothing to say in an entry is not heard in it. With Consensus
// "count" the sign is that of the sum of their signs.
//
// N is 1, or with Normalize the sum of the weights of those who are heard, which
// is Σ sₖ·wₖ in each entry; where that is zero nothing is divided. The paper that
// this project implements (arXiv 2403.13187) merges with "dare_ties" and found
// weights that sum to about two: its merges are not normalised.
//
// Rescale makes up for what is dropped: "density" is rₖ = 1/dₖ (DARE, section 3:
// rescale; the expected value stays), or one over the probability that the entry
// had; "l1" and "l2" make the sum of |δₖ|, or of its squares, over the tensor what
// it was for τₖ; "none" is rₖ = 1.
//
// Other methods are no weighted sums. They take vectors, which are whole tensors
// or, by Span, their rows or columns:
//
//	slerp         between base and source, at t of the angle between them
//	nuslerp       between two sources, at w₂/(w₁+w₂) of the angle; of their τ with a base
//	multislerp    among sources, in the plane that touches the sphere at their mean; of their τ with a base
//	karcher       the mean of the directions on the sphere, step by step
//	model_stock   θ₀ + (cos/(1+(n−1)·cos))·Σ τₖ, for the mean cosine between the τ (arXiv 2403.19522)
//	sce           θ₀ + Σ sₖ·wₖ·τₖ / Σ sₖ·wₖ, wₖ the mean square of τₖ (arXiv 2408.07990)
//	nearswap      θ₀ + min(t/|τ|, 1)·τ
//	arcee_fusion  θ₀ + τ where |τ| times the divergence of the rows' softmax is far above the median
//	ram           θ₀ + the mean of the τₖ with |τₖ| > epsilon, entry by entry (arXiv 2601.13572)
//	ramplus_tl    the same; what only one source changes is raised by what it shares with others
//
// What is turned by an angle is found from the products of each two vectors, in
// float64, and is one sum of them with these factors; see spherical.go.
//
// # Stacks
//
// A model may have other blocks than its sources, and another number of them
// ([Recipe.Slices]): output block l of a slice is merged of the blocks that its
// sources have there by their ranges, everything else being as above. The settings
// of a source see the name that its tensor has in the source, those of the whole
// merge the name in the merged model; gradients are spread over the slice.
//
// # Paths
//
// A recipe of the method "dataflow" merges no weights. Its [Recipe.Path] is the way
// of the tokens through the blocks of its models: with f the block of hop i, sᵢ its
// scale and x the residual stream,
//
//	x ← sᵢ·x;  x ← x + attention(x) + feed-forward(…), as in block f of its model
//
// The base lends embeddings, final norm and head. What comes of it shares its
// models' tensors, and takes no memory but for the scales. Exported it is a plain
// model, with the scales folded into weights: path_export.go says how, and when not.
//
// # Vocabularies
//
// Models whose vocabularies differ are merged token by token where the recipe has
// a [Tokenizer]: embeddings and heads are first brought into one order, in which
// models that lack a token are given a row for it. See [Vocabulary].
//
// # Recipes of recipes
//
// A source or base may be what another recipe makes ([Recipe.Inputs]). It is
// rounded to its own dtype first, as if it had been written to a folder and read
// again. [Recipe.Stages] lists the merges that have to be done, one after another.
//
// # How it is computed
//
// Inputs are widened to float32. What is compared, votes and magnitudes, is computed
// there. Sums are carried in float64, or, of a weighted sum that is rounded to half
// precision, in float32, as θ₀ − θ₀·Σ fₖ + Σ fₖ·θₖ with the factors fₖ = λ·sₖ·wₖ·rₖ·mₖ/N:
// the only rounding that counts is the last one, to the recipe's dtype. From this follow
// some properties that tests hold: with all weights zero the merge is the base;
// one source of weight 1 and density 1 is that source, to the last bit; the order
// of the sources means nothing (they are merged in order of name).
// The result is held in the dtype that the sources are held in: a recipe for
// bfloat16 on a CPU, where weights are float32, gives numbers that bfloat16 holds.
//
// A method is one graph over the tensors of one layer, and everything in which
// the candidates of a search differ is an argument of it: a search compiles while
// it makes its first candidate, and then never again ([Executor.Compilations]
// counts). On processors with AVX-512, weighted sums of up to four sources that are
// rounded to bfloat16 run in a kernel of our own, in one pass over memory (package
// onepass), with the same results as the graph, bit for bit. What is kept of a tensor
// by magnitude is known from the size of one entry, which is found from a count of all
// entries by size, made once for each source, and one more look; where there is no
// such kernel, from a ranking of all entries (see [DefaultRankingBytes]); ranks within
// rows are kept in the same way.
// What is kept by draw is a pure function of (seed, source, tensor, position), so
// a recipe means the same mask on every machine; candidates of one search share
// the seed and with it their luck, which makes them easier to compare.
//
// # Where it differs from mergekit
//
// Numbers agree with mergekit 0.1.5 in float32 to a unit in the last place; where they
// don't, it is mergekit's that are further from what the formula gives in exact
// arithmetic, for it rounds after every step. On purpose they differ in that:
//
//   - mergekit computes in the configured dtype, and in bfloat16 rounds after every
//     step; here it is float32, and one rounding at the end.
//   - "density" is the default rescale of the DARE and DELLA methods, as in their
//     papers, in the evolution paper and in mergekit up to 0.0.6. mergekit 0.1 has
//     "l1" in its place, which is at hand under that name, and is the default of
//     recipes in mergekit's YAML.
//   - mergekit draws masks from torch's generator and trims equal magnitudes in the
//     order of torch's sort. Ours depend on the recipe alone.
//   - "breadcrumbs" keeps at least one entry of a tensor, as "ties" does. mergekit
//     keeps int(density·size) there, so that the differences of tensors of one
//     entry vanish.
//   - "della" narrows epsilon where density ± epsilon would leave [0, 1], and draws
//     with the density in rows of one entry. mergekit refuses the one and fails
//     at the other; a search moves densities through all of (0, 1].
//   - "arcee_fusion" computes the divergence in float64, for in float32 nothing is
//     left of it between models that are close, and takes exact quartiles of large
//     tensors, where mergekit takes those of a random sample.
//   - "karcher" passes over vectors that point exactly away from the mean, from
//     which no direction leads back; "multislerp" takes the straight mean wherever
//     directions cancel out, not only of two models.
//   - "linear" and "multislerp" refuse weights that sum to zero when they are to be
//     normalised, where mergekit divides by zero.
//   - A density outside of (0, 1], a density for a method that drops nothing, a
//     source twice, and the base as a source are refused rather than ignored. So
//     are parameters that a method doesn't know, in YAML, and weights by filters
//     that leave a tensor without one.
//   - What is one vector (nuslerp_flatten, nuslerp_row_wise, filter_wise) is the same
//     in all tensors.
//   - In slices the head is merged of all sources of the last one. mergekit leaves
//     out those beyond the number that the first slice has.
//   - Vocabularies: see [Vocabulary].
//   - Where neither dtype nor out_dtype is given the result is bfloat16, whatever
//     the sources are.
package merge
