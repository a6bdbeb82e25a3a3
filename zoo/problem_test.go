package zoo

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var digits = regexp.MustCompile(`\d+`)

// numbers reads the numbers out of a text.
func numbers(t *testing.T, text string) []int {
	t.Helper()
	var out []int
	for _, s := range digits.FindAllString(text, -1) {
		n, err := strconv.Atoi(s)
		require.NoError(t, err)
		out = append(out, n)
	}
	return out
}

func TestRepliesFollowFromTheWordsOfTheProblem(t *testing.T) {
	r := newRand(7, "test")
	for i := range 3000 {
		op := Ops[i%len(Ops)]
		level := []Level{Easy, Hard}[i/len(Ops)%2]
		p := drawProblem(r, op, level)
		for _, l := range []Lang{Japanese, English} {
			asked := numbers(t, p.Question(l))
			require.Len(t, asked, 2, p.Question(l))
			want := map[Op]int{Plus: asked[0] + asked[1], Minus: asked[0] - asked[1], Times: asked[0] * asked[1]}[op]

			reply := p.Reply(l)
			require.True(t, strings.HasPrefix(reply, fmt.Sprintf("%d%s%d=%d", asked[0], op, asked[1], want)), reply)
			said := numbers(t, reply)
			require.Equal(t, want, said[len(said)-1], reply)
			require.NotContains(t, p.Question(l)+reply, "{", "a place in the text was left empty")
		}
	}
}

func TestLevelsKeepTheirPromise(t *testing.T) {
	r := newRand(8, "test")
	seen := map[Level]map[Sum]bool{Easy: {}, Hard: {}}
	for i := range 20000 {
		for _, level := range []Level{Easy, Hard} {
			s := drawSum(r, Ops[i%len(Ops)], level)
			seen[level][s] = true
			require.GreaterOrEqual(t, s.Result(), 0)
			switch {
			case s.Op == Times && level == Hard:
				require.True(t, s.A >= 3 && s.A <= 20 && s.B >= 3 && s.B <= 9, s)
			case s.Op == Times:
				require.True(t, s.A <= 9 && s.B <= 2, s)
			default:
				require.True(t, s.A >= 10 && s.B >= 10 && s.A <= 99 && s.Result() <= 99 && s.Result() >= 10, s)
				ones := map[Op]int{Plus: s.A%10 + s.B%10, Minus: s.A%10 - s.B%10}[s.Op]
				require.Equal(t, level == Hard, ones < 0 || ones > 9, "hard means a carry or a borrow: %v", s)
			}
		}
	}
	for s := range seen[Easy] {
		require.NotContains(t, seen[Hard], s)
	}
}

func TestSplitsShareNothing(t *testing.T) {
	drawn, kept := drawSplits()
	again, _ := drawSplits()
	require.Equal(t, drawn, again, "splits must be reproducible")

	questions, total := map[string]bool{}, 0
	for _, s := range splits {
		require.Len(t, drawn[s.name], s.size)
		perOp := map[Op]int{}
		for _, p := range drawn[s.name] {
			perOp[p.Op]++
			questions[p.Question(Japanese)] = true
		}
		for _, op := range Ops {
			require.Equal(t, s.size/len(Ops), perOp[op])
		}
		total += s.size
	}
	require.Len(t, questions, total)
	require.Len(t, kept, total)
}

func TestDietsAreReproducibleAndKeepAwayFromTheSplits(t *testing.T) {
	drawn, kept := drawSplits()
	held := map[string]bool{}
	for _, problems := range drawn {
		for _, p := range problems {
			for _, l := range []Lang{Japanese, English} {
				held[p.Story(l)] = true
			}
		}
	}
	for _, m := range cast {
		a, b := newReader(m.diet, kept, m.seed), newReader(m.diet, kept, m.seed)
		for range 5000 {
			s := a.next()
			require.Equal(t, s, b.next())
			for story := range held {
				if strings.HasPrefix(s.Prompt, story) {
					t.Fatalf("%s is trained on a kept problem: %s", m.Name, s.Prompt)
				}
			}
		}
	}
}
