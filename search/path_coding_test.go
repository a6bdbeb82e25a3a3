package search

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/merge"
)

// pathSpec is a search of paths through "a", of four blocks, and "b", of three.
func pathSpec(change ...func(*Spec)) Spec {
	s := Spec{Name: "way", Task: "sums", Base: "a", Sources: []string{"b"}, Path: &PathSpec{Repeats: 2}}
	for _, c := range change {
		c(&s)
	}
	return s
}

func pathSpace(t *testing.T, spec Spec) *Space {
	t.Helper()
	require.NoError(t, spec.Validate())
	s, err := NewSpace(spec, []int{4, 3})
	require.NoError(t, err)
	return s
}

// coordinate finds a parameter by its label.
func coordinate(t *testing.T, s *Space, label string) int {
	t.Helper()
	at := slices.IndexFunc(s.Parameters(), func(p Parameter) bool { return p.Label == label })
	require.GreaterOrEqual(t, at, 0, "there is no parameter %q", label)
	return at
}

func TestASearchOfPathsStartsFromTheBase(t *testing.T) {
	for _, scales := range []PathScales{PairScales, SlotScales, NetworkScales, NoScales} {
		t.Run(string(scales), func(t *testing.T) {
			s := pathSpace(t, pathSpec(func(s *Spec) { s.Path.Scales = scales }))
			start, err := s.Start()
			require.NoError(t, err)
			r, err := s.Recipe(start)
			require.NoError(t, err)
			require.Equal(t, merge.Recipe{Method: merge.Dataflow, Base: "a", Path: []merge.Hop{
				{Model: "a"}, {Model: "a", Layer: 1}, {Model: "a", Layer: 2}, {Model: "a", Layer: 3},
			}}, r)
			slots := 2*7 - 2
			require.Equal(t, map[PathScales]int{
				PairScales: slots + 7*7 - 5, SlotScales: 2*slots + 1, NetworkScales: slots + 41, NoScales: slots,
			}[scales], s.Dim())
		})
	}
}

func TestSlotsThatAreOnMakeAPath(t *testing.T) {
	s := pathSpace(t, pathSpec())
	genome, err := s.Start()
	require.NoError(t, err)
	genome[coordinate(t, s, "a 2, round 0")] = 0.4
	genome[coordinate(t, s, "b 2, round 0")] = 0.6
	genome[coordinate(t, s, "a 0, round 1")] = 1
	genome[coordinate(t, s, "a 1, round 1")] = 1
	genome[coordinate(t, s, "scale from a 1 to b 2")] = 0
	genome[coordinate(t, s, "scale from b 2 to a 0")] = 0.75
	genome[coordinate(t, s, "scale from a 1 to a 3")] = 2 // clipped
	r, err := s.Recipe(genome)
	require.NoError(t, err)
	require.Equal(t, []merge.Hop{
		{Model: "a"}, {Model: "a", Layer: 1}, {Model: "b", Layer: 2, Scale: 0.5}, {Model: "a", Scale: 1.25}, {Model: "a", Layer: 1}, {Model: "a", Layer: 3, Scale: 1.5},
	}, r.Path)
}

// A scale by slot exists only while its slot is on.
func TestScalesOfSlots(t *testing.T) {
	s := pathSpace(t, pathSpec(func(s *Spec) { s.Path.Scales = SlotScales }))
	genome, err := s.Start()
	require.NoError(t, err)
	base, err := s.Recipe(genome)
	require.NoError(t, err)
	scale := coordinate(t, s, "scale of b 1, round 1")
	genome[scale] = 0.1
	same, err := s.Recipe(genome)
	require.NoError(t, err)
	require.Equal(t, base, same)
	genome[coordinate(t, s, "b 1, round 1")] = 1
	genome[coordinate(t, s, "scale of the end")] = 1
	r, err := s.Recipe(genome)
	require.NoError(t, err)
	require.Equal(t, []merge.Hop{{Model: "b", Layer: 1, Scale: 0.6}, {Model: "a", Layer: 3, Scale: 1.5}}, r.Path[3:])
}

func TestScalesOfANetworkStayInTheirRange(t *testing.T) {
	s := pathSpace(t, pathSpec(func(s *Spec) { s.Path.Scales, s.Path.ScaleRange = NetworkScales, Range{0.8, 2} }))
	random := rand.New(rand.NewPCG(1, 2))
	seen := map[float64]bool{}
	for range 200 {
		genome := make([]float64, s.Dim())
		for i := range genome {
			genome[i] = random.Float64()
		}
		r, err := s.Recipe(genome)
		require.NoError(t, err)
		for _, h := range r.Path {
			if h.Scale != 0 {
				require.True(t, 0.8 <= h.Scale && h.Scale <= 2, "%v", h.Scale)
				seen[h.Scale] = true
			}
		}
	}
	require.Greater(t, len(seen), 100)
}

func TestALongPathLosesWhatComesLast(t *testing.T) {
	all := func(max int) []merge.Hop {
		s := pathSpace(t, pathSpec(func(s *Spec) { s.Path.MaxHops = max }))
		genome := slices.Repeat([]float64{1}, s.Dim())
		r, err := s.Recipe(genome)
		require.NoError(t, err)
		return r.Path
	}
	require.Len(t, all(0), 8, "twice the base")
	require.Len(t, all(1000), 14, "all there is")
	require.Equal(t, []merge.Hop{{Model: "a"}, {Model: "a", Layer: 1}, {Model: "a", Layer: 3, Scale: 1.5}}, all(3))
}

func TestAPathIsAGenomeAgain(t *testing.T) {
	for _, scales := range []PathScales{PairScales, SlotScales, NoScales} {
		s := pathSpace(t, pathSpec(func(s *Spec) { s.Path.Scales, s.Path.MaxHops = scales, 100 }))
		random := rand.New(rand.NewPCG(3, 4))
		for range 100 {
			genome := make([]float64, s.Dim())
			for i := range genome {
				genome[i] = random.Float64()
			}
			r, err := s.Recipe(genome)
			require.NoError(t, err)
			back, err := s.Genome(r)
			require.NoError(t, err)
			again, err := s.Recipe(back)
			require.NoError(t, err)
			require.Equal(t, r, again)
		}
	}
	s := pathSpace(t, pathSpec())
	for name, path := range map[string][]merge.Hop{
		"another beginning": {{Model: "b"}, {Model: "a", Layer: 3}},
		"another end":       {{Model: "a"}, {Model: "b", Layer: 2}},
		"a stranger":        {{Model: "a"}, {Model: "c"}, {Model: "a", Layer: 3}},
		"a missing layer":   {{Model: "a"}, {Model: "b", Layer: 3}, {Model: "a", Layer: 3}},
		"too often":         {{Model: "a"}, {Model: "b"}, {Model: "b"}, {Model: "b"}, {Model: "a", Layer: 3}},
	} {
		_, err := s.Genome(merge.Recipe{Method: merge.Dataflow, Base: "a", Path: path})
		require.Equal(t, fault.Invalid, fault.CodeOf(err), name)
	}
	_, err := s.Genome(merge.Recipe{Method: merge.Linear, Base: "a"})
	require.Equal(t, fault.Invalid, fault.CodeOf(err))
}

func TestASearchOfPathsIsChecked(t *testing.T) {
	cases := []struct {
		name   string
		change func(*Spec)
		param  string
	}{
		{"as it is", func(*Spec) {}, ""},
		{"by the method's name alone", func(s *Spec) { s.Path, s.Method = nil, merge.Dataflow }, ""},
		{"another method", func(s *Spec) { s.Method = merge.TIES }, "method"},
		{"weights", func(s *Spec) { s.WeightRange = Range{0, 1} }, "weight_range"},
		{"densities", func(s *Spec) { s.DensityRange = Range{0.5, 1} }, "density_range"},
		{"groups", func(s *Spec) { s.Groups = merge.Blocks }, "groups"},
		{"no repeats", func(s *Spec) { s.Path.Repeats = -1 }, "path.repeats"},
		{"too many repeats", func(s *Spec) { s.Path.Repeats = MaxRepeats + 1 }, "path.repeats"},
		{"unknown scales", func(s *Spec) { s.Path.Scales = "fish" }, "path.scales"},
		{"a range without 1", func(s *Spec) { s.Path.ScaleRange = Range{1.1, 2} }, "path.scale_range"},
		{"a range of nothing", func(s *Spec) { s.Path.Scales, s.Path.ScaleRange = NoScales, Range{0.5, 2} }, "path.scale_range"},
		{"one hop", func(s *Spec) { s.Path.MaxHops = 1 }, "path.max_hops"},
		{"too many hops", func(s *Spec) { s.Path.MaxHops = merge.MaxHops + 1 }, "path.max_hops"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			err := pathSpec(c.change).Validate()
			if c.param == "" {
				require.NoError(t, err)
				return
			}
			var f *fault.Error
			require.ErrorAs(t, err, &f)
			require.Equal(t, c.param, f.Param)
		})
	}
	for scales, param := range map[PathScales]string{PairScales: "path.scales", SlotScales: "path"} {
		depths := map[PathScales]int{PairScales: 60, SlotScales: 1500}[scales]
		_, err := NewSpace(pathSpec(func(s *Spec) { s.Path.Scales = scales }), []int{depths, depths})
		var f *fault.Error
		require.ErrorAs(t, err, &f, scales)
		require.Equal(t, param, f.Param)
	}
	parsed, err := ParseSpec([]byte(`{"task": "t", "base": "a", "sources": ["b"], "path": {"repeats": 2, "scales": "slot", "scale_range": [0.9, 1.1]}}`))
	require.NoError(t, err)
	require.Equal(t, &PathSpec{Repeats: 2, Scales: SlotScales, ScaleRange: Range{0.9, 1.1}}, parsed.Path)
	for body, param := range map[string]string{
		`{"task": "t", "base": "a", "sources": ["b"], "path": {"repeat": 2}}`:                  "path.repeat",
		`{"task": "t", "base": "a", "sources": ["b"], "path": {"scale_range": [1, 2, 3]}}`:     "path.scale_range",
		`{"task": "t", "base": "a", "sources": ["b"], "path": {"scale_range": [0.5, "many"]}}`: "path.scale_range",
	} {
		_, err := ParseSpec([]byte(body))
		var f *fault.Error
		require.ErrorAs(t, err, &f, body)
		require.Equal(t, param, f.Param, body)
	}
}
