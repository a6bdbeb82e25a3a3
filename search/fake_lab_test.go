package search

import (
	"context"
	"math"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/merge"
	"github.com/mergeway/mergeway/search/task"
)

// question is one evaluation that a lab was asked for.
type question struct {
	split    task.Split
	recipe   string // in canonical form; empty for a model that has a name
	model    string // empty for a recipe
	problems string // the ids
}

// publication is one recipe that a lab was asked to publish.
type publication struct {
	name, recipe, alias string
}

// fakeLab answers from a landscape instead of models: how well a recipe does is
// a function of its weights and the problem, and of nothing else.
type fakeLab struct {
	// solves says whether a recipe's weights solve problem number n of a split.
	solves func(weights []float64, split task.Split, n int) bool
	// before is called before each evaluation and may block, fail or panic.
	before func(ctx context.Context, q question) error
	// publishing is called before each publication.
	publishing func(ctx context.Context) error
	// made are models that stored recipes make.
	made map[string]merge.Recipe
	// gone says which models are not there.
	gone func(name string) bool
	// width is how many candidates can be tried at once; 0 means one.
	width int

	mu        sync.Mutex
	asked     []question
	published []publication
}

var _ Lab = (*fakeLab)(nil)

// newFakeLab is a lab with a landscape that has its summit near the weights
// (1.1, 0.4) on all splits.
func newFakeLab() *fakeLab {
	return &fakeLab{solves: func(weights []float64, _ task.Split, n int) bool {
		return math.Hypot(weights[0]-1.1, weights[1]-0.4) < 1.2/float64(n+1)
	}}
}

func (l *fakeLab) Width(context.Context) int { return max(1, l.width) }

func (l *fakeLab) Expand(_ context.Context, r merge.Recipe) (merge.Recipe, error) {
	for i, s := range r.Sources {
		if made, there := l.made[s.Model]; there {
			if r.Inputs == nil {
				r.Inputs = map[string]merge.Recipe{}
			}
			r.Inputs[s.Model] = made
		} else if s.Model == "alias-of-ja" {
			r.Sources[i].Model = "ja"
		}
	}
	return r, nil
}

func (l *fakeLab) Fit(_ context.Context, r merge.Recipe) (int, error) {
	for _, name := range r.Models() {
		if name == "stranger" || l.gone != nil && l.gone(name) {
			return 0, fault.New(fault.NotFound, "there is no model %q", name)
		}
	}
	return 4, r.Validate()
}

func (l *fakeLab) CheckAlias(_ context.Context, alias string) error {
	if alias == "stranger" {
		return fault.New(fault.Conflict, "there is a source called %q", alias)
	}
	return nil
}

func (l *fakeLab) Evaluate(ctx context.Context, r merge.Recipe, _ *task.Task, problems []task.Problem) (Evaluation, error) {
	canonical, err := r.Canonical()
	if err != nil {
		return Evaluation{}, err
	}
	var weights []float64
	for _, s := range r.Sources {
		weights = append(weights, s.Weight.Values[0])
	}
	if len(r.Path) > 0 { // the more hops are the second model's
		weights = []float64{0, 0.4}
		for _, h := range r.Path {
			if h.Model == "ja" {
				weights[0] += 1 / float64(len(r.Path))
			}
		}
	}
	return l.answer(ctx, question{recipe: string(canonical)}, weights, problems)
}

func (l *fakeLab) EvaluateModel(ctx context.Context, name string, _ *task.Task, problems []task.Problem) (Evaluation, error) {
	weights := map[string][]float64{"base": {0, 0}, "ja": {1, 0}, "math": {0, 1}}[name]
	return l.answer(ctx, question{model: name}, weights, problems)
}

func (l *fakeLab) answer(ctx context.Context, q question, weights []float64, problems []task.Problem) (Evaluation, error) {
	q.split = splitOf(problems[0])
	for _, p := range problems {
		q.problems += p.ID + " "
	}
	l.mu.Lock()
	l.asked = append(l.asked, q)
	before := l.before
	l.mu.Unlock()
	if before != nil {
		if err := before(ctx, q); err != nil {
			return Evaluation{}, err
		}
	}
	e := Evaluation{Tokens: Tokens{PromptTokens: 10 * len(problems), GeneratedTokens: 5 * len(problems)}}
	for _, p := range problems {
		n, err := strconv.Atoi(p.Answer)
		if err != nil {
			return Evaluation{}, err
		}
		on := weights
		if strings.Contains(p.ID, wordsMark) { // another landscape: the same, mirrored
			on = []float64{weights[1], weights[0]}
		}
		right := l.solves(on, q.split, n)
		e.Outcomes = append(e.Outcomes, outcome(right, right || n%2 == 0))
	}
	return e, nil
}

// outcome is a verdict of 0 or 1.
func outcome(right, language bool) task.Outcome {
	o := task.Outcome{Correct: right, NumberRight: right, LanguageRight: language, Reply: "80.0"}
	if right {
		o.Score = 1
	}
	return o
}

func (l *fakeLab) Publish(ctx context.Context, name string, r merge.Recipe, alias string) (string, error) {
	if l.publishing != nil {
		if err := l.publishing(ctx); err != nil {
			return "", err
		}
	}
	canonical, err := r.Canonical()
	if err != nil {
		return "", err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.published = append(l.published, publication{name, string(canonical), alias})
	return "recipe-of-" + name, nil
}

// hook sets what happens before each evaluation.
func (l *fakeLab) hook(before func(ctx context.Context, q question) error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.before = before
}

// questions lists the evaluations of a split so far; of all of them if it is "".
func (l *fakeLab) questions(split task.Split) []question {
	l.mu.Lock()
	defer l.mu.Unlock()
	var all []question
	for _, q := range l.asked {
		if split == "" || q.split == split {
			all = append(all, q)
		}
	}
	return all
}

// publications lists what was published so far.
func (l *fakeLab) publications() []publication {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]publication{}, l.published...)
}

// splitOf tells from a problem's id which split it is of.
func splitOf(p task.Problem) task.Split {
	for _, s := range task.Splits() {
		if p.ID[0] == s[0] {
			return s
		}
	}
	return ""
}

// gate blocks the evaluations that it is asked to, until their context ends.
type gate struct {
	blocks  func(q question, n int) bool // n counts the evaluations of q's split, from 1
	reached chan struct{}                // closed when something is blocked

	mu    sync.Mutex
	count map[task.Split]int
	once  sync.Once
}

// blockAt is a gate before evaluation number n of a split.
func blockAt(split task.Split, n int) *gate {
	return &gate{
		blocks:  func(q question, count int) bool { return q.split == split && count >= n },
		reached: make(chan struct{}), count: map[task.Split]int{},
	}
}

// launchUntil begins a search and holds it before evaluation n of a split.
func (w *world) launchUntil(t *testing.T, spec Spec, split task.Split, n int) (id string) {
	t.Helper()
	g := blockAt(split, n)
	w.lab.hook(g.before)
	id = w.launch(t, spec)
	await(t, g.reached)
	return id
}

// blockAfter is a gate after so many evaluations of whatever kind.
func blockAfter(n int) *gate {
	g := blockAt("", 0)
	g.blocks = func(question, int) bool { n--; return n < 0 }
	return g
}

// before is a fakeLab's hook.
func (g *gate) before(ctx context.Context, q question) error {
	g.mu.Lock()
	g.count[q.split]++
	blocked := g.blocks(q, g.count[q.split])
	g.mu.Unlock()
	if !blocked {
		return nil
	}
	g.once.Do(func() { close(g.reached) })
	<-ctx.Done()
	return ctx.Err()
}
