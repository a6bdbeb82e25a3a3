package search

import (
	"context"
	"math"
	"math/rand/v2"
	"slices"

	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/search/task"
)

// Bound is a way to tell from some of the problems how well a candidate can do on
// all of them.
type Bound string

// The bounds.
const (
	// NormalBound takes the mean for normally distributed. It stops most.
	NormalBound Bound = "normal"
	// HoeffdingBound assumes nothing but the ends of the scale.
	HoeffdingBound Bound = "hoeffding"
)

// Rival is what candidates have to be able to reach.
type Rival string

// The rivals.
const (
	RivalBest      Rival = "best"      // the best trial so far
	RivalSelection Rival = "selection" // the median of the generation before
)

// Racing stops candidates that can't reach the best any more: problems are asked in
// blocks, drawn in an order of their own for each generation, and after each block it
// is asked how much a candidate can still reach. It depends only on the generations
// before its own, so the order in which its siblings are done changes nothing.
type Racing struct {
	// Block is how many problems are asked at a time. Default: 16.
	Block int `json:"block"`
	// Confidence is the probability that a candidate that is stopped after a block
	// would not have reached its rival. Default: 0.95.
	Confidence float64 `json:"confidence"`
	// Bound is normal or hoeffding. Default: normal.
	Bound Bound `json:"bound"`
	// Against is who has to be reached: best, or selection, which stops less.
	// Default: best.
	Against Rival `json:"against"`
}

// The defaults and limits of a Racing.
const (
	DefaultBlock      = 16
	DefaultConfidence = 0.95
	MaxBlock          = 1 << 20
)

// withDefaults fills in what is left open.
func (r Racing) withDefaults() *Racing {
	setDefault(&r.Block, DefaultBlock)
	setDefault(&r.Confidence, DefaultConfidence)
	setDefault(&r.Bound, NormalBound)
	setDefault(&r.Against, RivalBest)
	return &r
}

// validateRacing says what is wrong with the racing of a spec, if there is some.
func (s Spec) validateRacing() error {
	r := s.Racing
	switch {
	case r == nil:
		return nil
	case len(s.Objectives) > 0:
		return fault.Bad("racing", "candidates race for one number, not for objectives")
	case r.Block < 1 || r.Block > MaxBlock:
		return fault.Bad("racing.block", "blocks of %d problems: 1 to %d", r.Block, MaxBlock)
	case !(r.Confidence >= 0.5 && r.Confidence < 1):
		return fault.Bad("racing.confidence", "confidence is %v: from 0.5 to less than 1", r.Confidence)
	case r.Bound != NormalBound && r.Bound != HoeffdingBound:
		return fault.Bad("racing.bound", "unknown bound %q: it is %s or %s", string(r.Bound), NormalBound, HoeffdingBound)
	case r.Against != RivalBest && r.Against != RivalSelection:
		return fault.Bad("racing.against", "unknown rival %q: it is %s or %s", string(r.Against), RivalBest, RivalSelection)
	}
	return nil
}

// rival is the fitness that candidates of a generation have to be able to reach;
// ok is false if there is none yet.
func (r Racing) rival(trials []Trial, generation int) (fitness float64, ok bool) {
	var known []float64
	for _, t := range trials {
		switch {
		case t.Generation >= generation || t.Score == nil:
		case r.Against == RivalSelection && t.Generation == generation-1, r.Against == RivalBest && t.Asked == 0:
			known = append(known, t.Fitness)
		}
	}
	if len(known) == 0 {
		return 0, false
	}
	slices.Sort(known)
	if r.Against == RivalBest {
		return known[len(known)-1], true
	}
	return known[len(known)/2], true
}

// reach is how much the mean of all problems can be, with the values of some of them,
// which are between 0 and most.
func (r Racing) reach(values []float64, all int, most float64) float64 {
	n := float64(len(values))
	var sum, squares float64
	for _, v := range values {
		sum += v
		squares += v * v
	}
	certain := (sum + (float64(all)-n)*most) / float64(all)
	left := 1 - (n-1)/float64(all) // draws are without replacement (Serfling 1974)
	if r.Bound == HoeffdingBound {
		return math.Min(certain, sum/n+most*math.Sqrt(left*math.Log(1/(1-r.Confidence))/(2*n)))
	}
	// One success and one failure are added, as Agresti and Coull do, so that a
	// candidate with nothing right is not taken for one that can get nothing right.
	mean := (sum + most) / (n + 2)
	variance := math.Max((squares+most*most)/(n+2)-mean*mean, 0)
	z := math.Sqrt2 * math.Erfinv(2*r.Confidence-1)
	return math.Min(certain, mean+z*math.Sqrt(left*variance/(n+2)))
}

// raced is how a trial's candidate races: nil if nothing can stop it.
type raced struct {
	Racing
	rival float64
	order []int // in which the problems are asked
}

// racing tells how the candidate of a trial races on so many problems.
func (x *runner) racing(t Trial, problems int) *raced {
	spec := x.record.Spec
	if spec.Racing == nil {
		return nil
	}
	rival, ok := spec.Racing.rival(x.trials, t.Generation)
	if !ok {
		return nil
	}
	const races = 0x7261636573 // tells its draws from those of samples
	order := rand.New(rand.NewPCG(spec.Seed^races, uint64(t.Generation))).Perm(problems)
	return &raced{Racing: *spec.Racing, rival: rival, order: order}
}

// race asks a candidate block by block until it is done or can't reach its rival.
func (x *runner) race(ctx context.Context, r *raced, fitness Fitness, problems []task.Problem, ask func(problems []task.Problem) (Evaluation, error)) (assessment, error) {
	var v assessment
	known := map[int]task.Outcome{}
	var values []float64
	for len(known) < len(problems) {
		next := r.order[len(known):min(len(known)+r.Block, len(problems))]
		block := make([]task.Problem, len(next))
		for i, n := range next {
			block[i] = problems[n]
		}
		e, err := x.evaluate(ctx, "evaluate a candidate", len(block), func() (Evaluation, error) { return ask(block) })
		v.spend(e)
		if err != nil {
			return v, err
		}
		for i, n := range next {
			known[n] = e.Outcomes[i]
			values = append(values, fitness.of(task.Summarize(e.Outcomes[i:i+1])))
		}
		if len(known) < len(problems) && r.reach(values, len(problems), fitness.most()) < r.rival {
			v.asked = len(known)
			break
		}
	}
	v.report(x.asked[0].Name, problems, known)
	return v, nil
}

// report sums up the outcomes of those problems that were asked, in their order.
func (v *assessment) report(name string, problems []task.Problem, known map[int]task.Outcome) {
	var outcomes []task.Outcome
	var asked []task.Problem
	marks := make([]byte, len(problems))
	for i, p := range problems {
		o, ok := known[i]
		if marks[i] = notAsked; !ok {
			continue
		}
		outcomes, asked = append(outcomes, o), append(asked, p)
		marks[i] = letters(outcomes[len(outcomes)-1:])[0]
	}
	v.tasks = []TaskScore{{Task: name, Score: task.Summarize(outcomes), Outcomes: string(marks)}}
	v.samples = task.Samples(asked, outcomes)
}

// notAsked is the letter of a problem that a candidate was not asked any more.
const notAsked = '-'

// most is the largest fitness.
func (f Fitness) most() float64 {
	return f.of(task.Score{Accuracy: 1, NumberRight: 1, LanguageRight: 1})
}
