package catalog

import "time"

// Observer is told what a catalog does. Calls may come from several goroutines;
// the work waits for them.
type Observer interface {
	// Made is called when a named model has been made, or not: a source loaded, or
	// a recipe merged with its sources loaded first.
	Made(kind Kind, took time.Duration, err error)
	// Candidate is called when a search's candidate has been merged, or not.
	Candidate(took time.Duration, err error)
	// Unloaded is called when a named model's weights have been freed.
	Unloaded()
	// Swapped is called when an alias was made or moved.
	Swapped()
}

// unobserved is the Observer of those who want none.
type unobserved struct{}

func (unobserved) Made(Kind, time.Duration, error) {}
func (unobserved) Candidate(time.Duration, error)  {}
func (unobserved) Unloaded()                       {}
func (unobserved) Swapped()                        {}
