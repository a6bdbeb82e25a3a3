package cmaes

import (
	"math"

	"gonum.org/v1/gonum/mat"

	"github.com/mergeway/mergeway/fault"
)

// The constants of the adaptation of learning rates (Nomura, Akimoto and Ono 2023,
// arXiv 2304.03473), as its authors set them.
const (
	snrTarget        = 1.4  // α: how clear of noise an update has to be
	meanMemory       = 0.1  // β of the mean
	covarianceMemory = 0.03 // β of the covariance
	rateStep         = 0.1  // γ: how fast rates change
	smallestRate     = 1e-12
)

// rates adapts how much of each update is taken over to how much of it is signal:
// updates are compared over the generations, in coordinates in which chance alone
// has a known length. With noisy fitness the search slows down instead of getting
// lost.
type rates struct {
	Mean       rate `json:"mean"`
	Covariance rate `json:"covariance"`
}

// rate is the learning rate of one part of the distribution.
type rate struct {
	Eta   float64   `json:"eta"`   // how much of an update is taken
	Drift []float64 `json:"drift"` // moving average of the updates
	Power float64   `json:"power"` // moving average of their squared lengths
}

// newRates are those of a search that begins. A covariance is its upper triangle,
// the entries beside the diagonal times √2, which leaves lengths as they are.
func newRates(dim int) *rates {
	return &rates{
		Mean:       rate{Eta: 1, Drift: make([]float64, dim)},
		Covariance: rate{Eta: 1, Drift: make([]float64, dim*(dim+1)/2)},
	}
}

// after gives the rate after another update.
func (r rate) after(update []float64, memory float64) rate {
	next := rate{Eta: r.Eta, Drift: make([]float64, len(update)), Power: (1 - memory) * r.Power}
	var drift, power float64 // squared lengths
	for i, u := range update {
		next.Drift[i] = (1-memory)*r.Drift[i] + memory*u
		drift += next.Drift[i] * next.Drift[i]
		power += u * u
	}
	next.Power += memory * power
	relative := -1.0 // nothing but noise
	if noise := next.Power - drift; noise > 0 {
		snr := (drift - memory/(2-memory)*next.Power) / noise
		relative = math.Min(math.Max(snr/snrTarget/r.Eta-1, -1), 1)
	}
	next.Eta = math.Min(1, math.Max(smallestRate, r.Eta*math.Exp(math.Min(rateStep*r.Eta, memory)*relative)))
	return next
}

// adapt takes from next, the distribution after a full update of x, as much as the
// adapted rates say.
func (x *Optimizer) adapt(next *Optimizer) error {
	before, after := x.shape.(*full), next.shape.(*full) // checked by Options
	n := x.options.Dim
	step := make([]float64, n)
	for i := range step {
		step[i] = next.mean[i] - x.mean[i]
	}
	change := mat.NewSymDense(n, nil) // of Σ = sigma² C
	for i := range n {
		for j := i; j < n; j++ {
			change.SetSym(i, j, next.sigma*next.sigma*after.c.At(i, j)-x.sigma*x.sigma*before.c.At(i, j))
		}
	}
	local := before.whiten(step)
	for i := range local {
		local[i] /= x.sigma
	}
	next.rates = &rates{
		Mean:       x.rates.Mean.after(local, meanMemory),
		Covariance: x.rates.Covariance.after(before.localChange(change, x.sigma), covarianceMemory),
	}
	for i := range n {
		next.mean[i] = x.mean[i] + next.rates.Mean.Eta*step[i]
	}
	sum := mat.NewSymDense(n, nil)
	for i := range n {
		for j := i; j < n; j++ {
			sum.SetSym(i, j, x.sigma*x.sigma*before.c.At(i, j)+next.rates.Covariance.Eta*change.At(i, j))
		}
	}
	return next.split(sum, x.rates.Mean.Eta/next.rates.Mean.Eta)
}

// localChange is Σ^(-1/2) change Σ^(-1/2) / √2 as rates keep it.
func (f *full) localChange(change *mat.SymDense, sigma float64) []float64 {
	n := len(f.d)
	inverses := make([]float64, n)
	for i, d := range f.d {
		inverses[i] = 1 / (d * sigma)
	}
	var root, half, local mat.Dense // root = Σ^(-1/2)
	half.Mul(f.b, mat.NewDiagDense(n, inverses))
	root.Mul(&half, f.b.T())
	half.Mul(&root, change)
	local.Mul(&half, &root)
	out := make([]float64, 0, n*(n+1)/2)
	for i := range n {
		out = append(out, local.At(i, i)/math.Sqrt2)
		for j := i + 1; j < n; j++ {
			out = append(out, local.At(i, j)) // twice in the matrix: times √2
		}
	}
	return out
}

// split makes a step size and a shape of determinant 1 of Σ; then the step size is
// corrected for the change of the mean's rate.
func (x *Optimizer) split(sum *mat.SymDense, correction float64) error {
	n := float64(x.options.Dim)
	values, _, err := eigen(sum)
	if err != nil {
		return err
	}
	var logs float64
	for _, v := range values {
		logs += math.Log(math.Max(v, math.SmallestNonzeroFloat64))
	}
	x.sigma = math.Min(maxMagnitude, math.Exp(logs/2/n))
	if !(x.sigma > 0) {
		return fault.New(fault.Internal, "the step size left the range of numbers in generation %d", x.generation)
	}
	c := mat.NewSymDense(x.options.Dim, nil)
	c.ScaleSym(1/(x.sigma*x.sigma), sum)
	x.sigma = math.Min(maxMagnitude, x.sigma*correction)
	if x.shape, err = settle(c); err != nil {
		return err
	}
	return nil
}
