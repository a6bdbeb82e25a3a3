package picture

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/merge"
	"github.com/mergeway/mergeway/search"
	"github.com/mergeway/mergeway/search/task"
)

// example is a search of two parameters, and n trials of which every fifth failed.
func example(n int) (search.Search, []search.Trial) {
	s := search.Search{ID: "search-1", Spec: search.Spec{Name: "よりよい <b>", Task: "ja-math", Fitness: search.Accuracy}}
	for _, label := range []string{"ja & co weight lower", "math weight upper"} {
		s.Parameters = append(s.Parameters, search.Parameter{Label: label, High: 1.5})
	}
	var trials []search.Trial
	for i := range n {
		t := search.Trial{Number: i, Genome: []float64{0.1 * float64(i%10), 1.2}}
		if i%5 == 4 {
			t.Failure = "out of memory"
		} else {
			score := task.Summarize([]task.Outcome{{Correct: i%2 == 0}, {Correct: i%3 == 0}, {}})
			t.Score, t.Fitness = &score, score.Accuracy
		}
		trials = append(trials, t)
	}
	return s, trials
}

// elements counts what a picture is made of, and gives its text.
func elements(t *testing.T, svg []byte) (count map[string]int, text string) {
	t.Helper()
	count = map[string]int{}
	d := xml.NewDecoder(bytes.NewReader(svg))
	var words strings.Builder
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return count, words.String()
		}
		require.NoError(t, err, "%s", svg)
		switch e := token.(type) {
		case xml.StartElement:
			count[e.Name.Local]++
		case xml.CharData:
			words.Write(e)
			words.WriteByte('\n')
		}
	}
}

func drawn(t *testing.T, of Subject, s search.Search, trials []search.Trial) (map[string]int, string) {
	t.Helper()
	var out bytes.Buffer
	require.NoError(t, Draw(&out, of, s, trials))
	return elements(t, out.Bytes())
}

func TestEveryTrialIsDrawn(t *testing.T) {
	for _, of := range []Subject{Fitness, Parameters} {
		t.Run(string(of), func(t *testing.T) {
			s, none := example(0)
			empty, text := drawn(t, of, s, none)
			require.Contains(t, text, "よりよい <b>", "escaped, and read back as it was")
			require.Zero(t, empty["b"])

			s, few := example(10)
			some, _ := drawn(t, of, s, few)
			s, many := example(30)
			more, text := drawn(t, of, s, many)
			require.Less(t, empty["path"], some["path"])
			perTrial := map[Subject]int{Fitness: 2, Parameters: 2}[of] // a dot and a bar; a dot for each parameter
			require.GreaterOrEqual(t, more["path"]-some["path"], perTrial*16, "16 of the 20 more trials were scored")
			if of == Parameters {
				require.Contains(t, text, "ja & co weight lower")
			} else {
				require.Contains(t, text, "failed")
			}
		})
	}
}

func TestAPathIsDrawnWithItsScales(t *testing.T) {
	s, trials := example(5)
	var out bytes.Buffer
	err := Draw(&out, Path, s, trials)
	require.Equal(t, fault.Invalid, fault.CodeOf(err), "%v", err)
	require.Zero(t, out.Len())

	way := merge.Recipe{Path: []merge.Hop{{Model: "a"}, {Model: "ja", Layer: 3, Scale: 0.75}, {Model: "a", Layer: 5, Scale: 1}}}
	trials[0].Recipe = way // the best: it got both right
	_, text := drawn(t, Path, s, trials)
	require.Contains(t, text, "the path of trial 0")
	require.Contains(t, text, "×0.75")
	require.NotContains(t, text, "×1\n")

	s.Winner = &search.Winner{Recipe: way}
	_, text = drawn(t, Path, s, nil)
	require.Contains(t, text, "the winner's path")
	require.Contains(t, text, "ja")
}

func TestWhatCannotBeDrawnIsAnError(t *testing.T) {
	s, trials := example(3)
	require.Equal(t, fault.Invalid, fault.CodeOf(Draw(io.Discard, "soul", s, trials)))
	trials[0].Fitness = math.NaN()
	for _, of := range []Subject{Fitness, Parameters} {
		require.NotPanics(t, func() { _ = Draw(io.Discard, of, s, trials) })
	}
}
