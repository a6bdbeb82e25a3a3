package cmaes

import (
	"bytes"
	"encoding/json"
	"math"

	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/search/draw"
)

// Policy says how a search that has stopped begins anew.
type Policy string

// The policies.
const (
	// IPOP doubles the population with each restart (Auger and Hansen 2005).
	IPOP Policy = "ipop"
	// BIPOP alternates such restarts with ones of small populations and steps, and
	// lets both kinds have the same number of evaluations (Hansen 2009).
	BIPOP Policy = "bipop"
)

// MaxRestarts is the most restarts that can be asked for: by then the population
// is a thousand times the first.
const MaxRestarts = 10

// Restarts is a search that begins anew, elsewhere, whenever it has got stuck. Like
// an [Optimizer] it is ask and tell, and a function of seed, generation and index.
type Restarts struct {
	options Options // of the first run
	plan    plan
	run     *Optimizer
}

// plan is where a series of runs stands.
type plan struct {
	Policy Policy `json:"policy"`
	// Most is how often the population may double.
	Most int `json:"most"`
	// Run counts the runs that have ended, Doublings those that began with a
	// doubled population.
	Run       int `json:"run"`
	Doublings int `json:"doublings"`
	// Small says that the present run is one of BIPOP's small ones; the first run
	// counts among them.
	Small bool `json:"small"`
	// SpentSmall and SpentLarge are the evaluations of the runs that have ended.
	SpentSmall int `json:"spent_small"`
	SpentLarge int `json:"spent_large"`
	// Generations counts those of the runs that have ended.
	Generations int `json:"generations"`
}

// NewRestarts starts a series of runs, the first of which is that of the options.
func NewRestarts(o Options, policy Policy, most int) (*Restarts, error) {
	if policy != IPOP && policy != BIPOP {
		return nil, fault.Bad("restarts", "unknown policy %q: it is %s or %s", string(policy), IPOP, BIPOP)
	}
	if most < 1 || most > MaxRestarts {
		return nil, fault.Bad("max_restarts", "a search restarts 1 to %d times, not %d", MaxRestarts, most)
	}
	run, err := New(o)
	if err != nil {
		return nil, err
	}
	return &Restarts{options: run.options, plan: plan{Policy: policy, Most: most, Small: true}, run: run}, nil
}

// Clone gives an independent copy.
func (r *Restarts) Clone() *Restarts {
	c := *r
	c.run = r.run.Clone()
	return &c
}

// Generation counts the generations told so far, in all runs.
func (r *Restarts) Generation() int { return r.plan.Generations + r.run.generation }

// Population is the number of candidates in the current generation.
func (r *Restarts) Population() int { return r.run.Population() }

// Mean is the centre of the present run's distribution.
func (r *Restarts) Mean() []float64 { return r.run.Mean() }

// Sigma is the present run's step size.
func (r *Restarts) Sigma() float64 { return r.run.sigma }

// Runs counts the restarts so far.
func (r *Restarts) Runs() int { return r.plan.Run }

// Candidate gives one candidate of the current generation.
func (r *Restarts) Candidate(index int) []float64 { return r.run.Candidate(index) }

// Encode rounds a candidate as [Optimizer.Encode] does.
func (r *Restarts) Encode(v []float64) []float64 { return r.run.Encode(v) }

// Ask gives the candidates of the current generation.
func (r *Restarts) Ask() [][]float64 { return r.run.Ask() }

// Tell learns from a whole generation, as [Optimizer.Tell] does. A run that has
// come to its end with it is followed by the next one.
func (r *Restarts) Tell(xs [][]float64, fitness []float64) error {
	run := r.run.Clone()
	if err := run.Tell(xs, fitness); err != nil {
		return err
	}
	if run.ShouldStop() == "" || !r.plan.more() {
		r.run = run
		return nil
	}
	next, o := r.plan.after(run.generation, run.generation*run.Population(), r.options)
	fresh, err := New(o)
	if err != nil {
		return err
	}
	r.plan, r.run = next, fresh
	return nil
}

// ShouldStop gives the reason why the last run has stopped, if there are to be no
// more.
func (r *Restarts) ShouldStop() StopReason {
	if r.plan.more() {
		return ""
	}
	return r.run.ShouldStop()
}

// more reports whether another run may follow.
func (p plan) more() bool { return p.Doublings < p.Most }

// after is the plan after a run of so many generations and evaluations, and the
// options of the run that follows. What is random about it is a function of the seed
// and the number of the run.
func (p plan) after(generations, evaluations int, first Options) (plan, Options) {
	p.Run++
	p.Generations += generations
	if p.Small {
		p.SpentSmall += evaluations
	} else {
		p.SpentLarge += evaluations
	}
	o := first
	o.Seed = draw.Mix(draw.Mix(first.Seed) + uint64(p.Run))
	random := draw.Of(o.Seed, -1, 0).Uniform // no generation has this number
	if p.Small = p.Policy == BIPOP && p.SpentSmall < p.SpentLarge; p.Small {
		growth := math.Pow(float64(int(1)<<p.Doublings), math.Pow(random(), 2))
		o.Population = int(float64(first.Population) * growth)
		o.Sigma = first.Sigma * math.Pow(10, -2*random())
	} else {
		p.Doublings++
		o.Population = first.Population << p.Doublings
	}
	o.Population = min(o.Population, MaxPopulation)
	o.Mean = make([]float64, first.Dim)
	for i := range o.Mean {
		if o.Mean[i] = first.Mean[i]; first.Lower != nil {
			o.Mean[i] = first.Lower[i] + random()*(first.Upper[i]-first.Lower[i])
		}
	}
	return p, o
}

// restarts is a Restarts on paper.
type restarts struct {
	Options Options    `json:"options"`
	Plan    plan       `json:"plan"`
	Run     *Optimizer `json:"run"`
}

// MarshalJSON writes the whole state.
func (r *Restarts) MarshalJSON() ([]byte, error) {
	return json.Marshal(restarts{Options: r.options, Plan: r.plan, Run: r.run})
}

// UnmarshalJSON restores a state, and refuses one that can't be.
func (r *Restarts) UnmarshalJSON(data []byte) error {
	var s restarts
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(&s); err != nil {
		return fault.Wrap(err, fault.Damaged, "state of restarts")
	}
	fresh, err := NewRestarts(s.Options, s.Plan.Policy, s.Plan.Most)
	if err != nil {
		return fault.Wrap(err, fault.Damaged, "state of restarts")
	}
	p := s.Plan
	if s.Run == nil || s.Run.options.Dim != fresh.options.Dim || min(p.Run, p.Doublings, p.SpentSmall, p.SpentLarge, p.Generations) < 0 || p.Doublings > p.Most {
		return fault.New(fault.Damaged, "state of restarts: run %d of %d generations with %d doublings can't be", p.Run, p.Generations, p.Doublings)
	}
	r.options, r.plan, r.run = fresh.options, p, s.Run
	return nil
}
