package observe

import "sync"

// maxModelNames is how many models have time series of their own. A series lives
// as long as the process, and recipes can be made by the thousand.
const maxModelNames = 128

// otherModels is the label of all models that came later.
const otherModels = "(other)"

// names gives labels to the first so many names, and one label to all others.
type names struct {
	mu    sync.Mutex
	limit int
	known map[string]bool
}

func newNames(limit int) *names { return &names{limit: limit, known: map[string]bool{}} }

// label is the name itself, or otherModels.
func (n *names) label(name string) string {
	n.mu.Lock()
	defer n.mu.Unlock()
	switch {
	case n.known[name]:
	case len(n.known) < n.limit:
		n.known[name] = true
	default:
		return otherModels
	}
	return name
}
