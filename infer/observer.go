package infer

import "time"

// Observer is told what can't be read from [Engine.Stats] afterwards. The engine's
// loop calls it, and waits for it.
type Observer interface {
	// Began is called when a request is given a slot: how long it waited for it.
	// background tells a search's requests from users'.
	Began(background bool, waited time.Duration)
	// Worked is called after each share of the device's time.
	Worked(background bool, took time.Duration)
}

// unobserved is the Observer of those who want none.
type unobserved struct{}

func (unobserved) Began(bool, time.Duration)  {}
func (unobserved) Worked(bool, time.Duration) {}
