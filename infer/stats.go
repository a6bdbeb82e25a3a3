package infer

// Stats are counts of an engine at one moment.
type Stats struct {
	Running, Waiting             int   // users' sequences
	SearchRunning, SearchWaiting int   // a search's
	PrefixBytes                  int64 // of saved prefixes
	PrefixTokens                 int64 // prompt tokens that needed no work, so far
	PictureBytes                 int64 // of pictures' features
	PicturesSeen, TilesSeen      int64 // by vision parts, so far
	PictureHits                  int64 // pictures whose features were there already, so far
	Preemptions                  int64 // sequences that had to begin again for want of memory, so far
	Compilations                 int64 // programs compiled so far
}

// Stats gives the engine's counts as they were after its last turn.
func (e *Engine) Stats() Stats {
	e.mu.Lock()
	defer e.mu.Unlock()
	s := e.stats
	s.Waiting, s.SearchWaiting = len(e.users), len(e.search)
	s.PrefixBytes, s.PrefixTokens = e.prefixes.usage()
	e.gallery.fill(&s)
	s.Compilations = e.computer.compilations()
	return s
}

// count notes what runs.
func (e *Engine) count() {
	users, search := 0, 0
	for _, b := range e.userBatches {
		users += b.count()
	}
	for _, b := range e.searchBatches {
		search += b.count()
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.stats.Running, e.stats.SearchRunning = users, search
}
