package catalog

import "time"

// Kind says what a name is.
type Kind string

// The kinds of names.
const (
	Source Kind = "source" // a folder below the models folder
	Recipe Kind = "recipe" // a stored merge recipe
	Alias  Kind = "alias"  // a movable name for one of the others
)

// State says whether a model can answer at once.
type State string

// The states of a model. An alias has the state of what it stands for.
const (
	Unloaded State = "unloaded" // made when somebody asks for it
	Loading  State = "loading"  // being made
	Ready    State = "ready"    // its weights are on the device
	Draining State = "draining" // unloaded; the requests that hold it go on to their end
	Failed   State = "failed"   // the last attempt failed; the next request tries again
)

// Entry is one name of the catalog.
type Entry struct {
	ID      string
	Kind    Kind
	Name    string // of a recipe: what people call it; may be empty
	Target  string // of an alias: the id of the source or recipe it stands for
	Created time.Time
	State   State
	Pinned  bool   // stays on the device however short memory is
	Bytes   int64  // of its weights on the device; 0 unless ready
	Error   string // why it failed
	Sees    bool   // it reads pictures as well as text
	// Progress is the share of it that is made, as far as that is known; 0 unless loading.
	Progress float64
}
