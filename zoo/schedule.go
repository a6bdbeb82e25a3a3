package zoo

import "math"

// Schedule says how long and how hard a model is trained.
type Schedule struct {
	Steps  int
	WarmUp int     // steps until the rate is reached
	Rate   float64 // the highest learning rate
	Floor  float64 // what is left of it at the last step, as a share
}

// at gives the learning rate of a step, counted from zero: a linear warm-up,
// then half a cosine down to the floor.
func (s Schedule) at(step int) float64 {
	if step < s.WarmUp {
		return s.Rate * float64(step+1) / float64(s.WarmUp)
	}
	done := float64(step-s.WarmUp) / float64(max(1, s.Steps-s.WarmUp))
	return s.Rate * (s.Floor + (1-s.Floor)*(1+math.Cos(math.Pi*done))/2)
}

// shortened is a schedule of fewer steps, at least one; by 0 and 1 it stays.
func (s Schedule) shortened(by int) Schedule {
	if by > 1 {
		s.Steps, s.WarmUp = max(1, s.Steps/by), s.WarmUp/by
	}
	return s
}
