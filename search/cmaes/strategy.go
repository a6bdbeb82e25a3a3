package cmaes

import "math"

// strategy holds the constants that follow from the dimension n and the
// population λ alone. Equation numbers are the tutorial's.
type strategy struct {
	mu       int       // how many parents form the next mean
	weights  []float64 // recombination weights, best first, negative from mu on; parents' only if C is diagonal
	sum      float64   // of all weights
	muEff    float64   // variance effective selection mass of the parents
	cSigma   float64   // rate of the step-size path
	dSigma   float64   // damping of the step size
	cc       float64   // rate of the covariance path
	c1       float64   // rate of the rank-one update
	cmu      float64   // rate of the rank-μ update
	chiN     float64   // E‖N(0, I)‖
	patience int       // generations of flat fitness before giving up
}

// newStrategy computes the constants of n parameters and population lambda.
func newStrategy(dim, lambda int, c Covariance) strategy {
	if c == Diagonal {
		return separable(dim, lambda)
	}
	n := float64(dim)
	s := strategy{mu: lambda / 2, weights: make([]float64, lambda)}

	// Raw weights (49), and the selection mass of their two ends.
	var sum, squares, sumMinus, squaresMinus float64
	for i := range s.weights {
		w := math.Log(float64(lambda+1)/2) - math.Log(float64(i+1))
		s.weights[i] = w
		if i < s.mu {
			sum, squares = sum+w, squares+w*w
		} else {
			sumMinus, squaresMinus = sumMinus+w, squaresMinus+w*w
		}
	}
	s.muEff = sum * sum / squares
	muEffMinus := sumMinus * sumMinus / squaresMinus

	// Learning rates (55–58). The 1e-8 keeps very large populations from
	// forgetting the old covariance altogether.
	s.c1 = 2 / ((n+1.3)*(n+1.3) + s.muEff)
	s.cmu = math.Min(1-s.c1-1e-8, 2*(s.muEff-2+1/s.muEff)/((n+2)*(n+2)+s.muEff))
	s.cc = (4 + s.muEff/n) / (n + 4 + 2*s.muEff/n)
	s.cSigma = (s.muEff + 2) / (n + s.muEff + 5)
	s.dSigma = 1 + 2*math.Max(0, math.Sqrt((s.muEff-1)/(n+1))-1) + s.cSigma

	// Final weights (50–53): the parents sum to 1, the rest to -alpha, which is
	// small enough for the covariance to stay positive definite.
	alpha := min(1+s.c1/s.cmu, 1+2*muEffMinus/(s.muEff+2), (1-s.c1-s.cmu)/(n*s.cmu))
	for i, w := range s.weights {
		if w >= 0 {
			s.weights[i] = w / sum
		} else {
			s.weights[i] = alpha * w / -sumMinus
		}
		s.sum += s.weights[i]
	}

	s.chiN, s.patience = chi(n), patience(dim, lambda)
	return s
}

// separable computes them for a diagonal covariance, as Ros and Hansen (2008) and
// the Python package cmaes do: parents only, and rates (n+2)/3 times as high, for
// there are that many times fewer variances to learn.
func separable(dim, lambda int) strategy {
	n := float64(dim)
	s := strategy{mu: lambda / 2, weights: make([]float64, lambda/2), sum: 1}
	var sum, squares float64
	for i := range s.weights {
		s.weights[i] = math.Log(float64(s.mu+1)) - math.Log(float64(i+1))
		sum += s.weights[i]
	}
	for i := range s.weights {
		s.weights[i] /= sum
		squares += s.weights[i] * s.weights[i]
	}
	s.muEff = 1 / squares
	s.c1 = 2 / ((n+1.3)*(n+1.3) + s.muEff)
	rate := 2/s.muEff/((n+math.Sqrt2)*(n+math.Sqrt2)) + (1-1/s.muEff)*math.Min(1, (2*s.muEff-1)/((n+2)*(n+2)+s.muEff))
	// A population that is large for few parameters would have more than all of
	// the old covariance forgotten.
	s.cmu = math.Min(1-s.c1-1e-8, (n+2)/3*rate)
	s.cc = 4 / (n + 4)
	s.cSigma = (s.muEff + 2) / (n + s.muEff + 3)
	s.dSigma = 1 + 2*math.Max(0, math.Sqrt((s.muEff-1)/(n+1))-1) + s.cSigma
	s.chiN, s.patience = chi(n), patience(dim, lambda)
	return s
}

// chi is E‖N(0, I)‖ in n dimensions.
func chi(n float64) float64 { return math.Sqrt(n) * (1 - 1/(4*n) + 1/(21*n*n)) }

// patience is how many generations of flat fitness are enough.
func patience(dim, lambda int) int { return 10 + int(math.Ceil(30*float64(dim)/float64(lambda))) }
