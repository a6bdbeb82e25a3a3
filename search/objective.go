package search

import (
	"fmt"
	"slices"

	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/merge"
	"github.com/mergeway/mergeway/search/task"
)

// Objective is one of several things that a search maximises.
type Objective struct {
	// Name is what it is called. Default: the task's name, with the fitness where a
	// task stands twice.
	Name string `json:"name"`
	// Task is what candidates are asked. Objectives of one task share the replies.
	Task string `json:"task"`
	// Fitness is what is read from the replies. Default: "accuracy".
	Fitness Fitness `json:"fitness"`
	// Weight is its part in the weighted mean, by which the winner is chosen.
	// Default: 1.
	Weight float64 `json:"weight"`
}

// The limits of objectives.
const (
	MaxObjectives      = 8
	maxObjectiveWeight = 1e6
)

// withObjectives fills in the defaults of objectives.
func (s Spec) withObjectives() Spec {
	if len(s.Objectives) == 0 {
		return s
	}
	setDefault(&s.Task, s.Objectives[0].Task)
	s.Objectives = slices.Clone(s.Objectives)
	count := map[string]int{}
	for _, o := range s.Objectives {
		count[o.Task]++
	}
	for i := range s.Objectives {
		o := &s.Objectives[i]
		setDefault(&o.Fitness, Accuracy)
		setDefault(&o.Weight, 1)
		name := o.Task
		if count[o.Task] > 1 {
			name = fmt.Sprintf("%s-%s", o.Task, o.Fitness)
		}
		setDefault(&o.Name, name)
	}
	return s
}

// validateObjectives says what is wrong with the objectives, defaults filled in.
func (s Spec) validateObjectives() error {
	if len(s.Objectives) == 0 {
		return nil
	}
	if n := len(s.Objectives); n > MaxObjectives {
		return fault.Bad("objectives", "%d objectives: at most %d", n, MaxObjectives)
	}
	if s.Task != s.Objectives[0].Task {
		return fault.Bad("task", "the task of a search with objectives is that of the first, %q", s.Objectives[0].Task)
	}
	if s.Fitness != Accuracy {
		return fault.Bad("fitness", "each objective has a fitness of its own")
	}
	names := map[string]bool{}
	for i, o := range s.Objectives {
		at := func(field string) string { return fmt.Sprintf("objectives[%d].%s", i, field) }
		if o.Task == "" {
			return fault.Bad(at("task"), "an objective needs a task")
		}
		if err := merge.CheckName(at("name"), o.Name); err != nil {
			return err
		}
		if names[o.Name] {
			return fault.Bad(at("name"), "two objectives are called %q", o.Name)
		}
		names[o.Name] = true
		if !slices.Contains(Fitnesses(), o.Fitness) {
			return fault.Bad(at("fitness"), "unknown fitness %q: it is one of %v", string(o.Fitness), Fitnesses())
		}
		if !(o.Weight > 0 && o.Weight <= maxObjectiveWeight) {
			return fault.Bad(at("weight"), "weight is %v: it has to be positive, and at most %v", o.Weight, maxObjectiveWeight)
		}
	}
	return nil
}

// objectives are what the search maximises: one, if none are listed.
func (s Spec) objectives() []Objective {
	if len(s.Objectives) > 0 {
		return s.Objectives
	}
	return []Objective{{Name: s.Task, Task: s.Task, Fitness: s.Fitness, Weight: 1}}
}

// taskNames are the tasks of the objectives, each once.
func (s Spec) taskNames() []string {
	var names []string
	for _, o := range s.objectives() {
		if !slices.Contains(names, o.Task) {
			names = append(names, o.Task)
		}
	}
	return names
}

// values reads each objective's value from the scores on its task.
func (s Spec) values(scores []TaskScore) []float64 {
	var values []float64
	for _, o := range s.objectives() {
		i := slices.IndexFunc(scores, func(t TaskScore) bool { return t.Task == o.Task })
		values = append(values, o.Fitness.of(scores[i].Score))
	}
	return values
}

// weighted is the weighted mean of the objectives' values.
func (s Spec) weighted(values []float64) float64 {
	var sum, weights float64
	for i, o := range s.objectives() {
		sum += o.Weight * values[i]
		weights += o.Weight
	}
	return sum / weights
}

// TaskScore is the score on one of several tasks.
type TaskScore struct {
	Task  string     `json:"task"` // its name
	Score task.Score `json:"score"`
	// Outcomes has one letter for each problem, as a trial's has.
	Outcomes string `json:"outcomes,omitempty"`
}
