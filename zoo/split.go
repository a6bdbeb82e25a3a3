package zoo

// split is a set of hard problems kept apart from every training text and from
// the other splits.
type split struct {
	name string
	seed uint64
	size int // a multiple of the number of operations
}

// splits of the task "Japanese maths": one to search on, one to choose the
// best of a search by, one to report on. A third of each is each operation.
var splits = []split{
	{"search", 101, 399},
	{"validation", 102, 201},
	{"test", 103, 399},
}

// drawSplits draws the problems of every split, and the set of their keys that
// training must not touch.
func drawSplits() (map[string][]Problem, keys) {
	kept := keys{}
	drawn := map[string][]Problem{}
	for _, s := range splits {
		r := newRand(s.seed, "split "+s.name)
		for len(drawn[s.name]) < s.size {
			p := drawProblem(r, Ops[len(drawn[s.name])%len(Ops)], Hard)
			if kept.has(p) {
				continue
			}
			kept[p.Key()] = true
			drawn[s.name] = append(drawn[s.name], p)
		}
	}
	return drawn, kept
}
