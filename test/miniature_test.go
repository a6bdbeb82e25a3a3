package test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"regexp"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"unicode"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The bar of the miniature: what the paper found in large. None of the models
// that go in can do the task, nor can their plain average; the evolved merge can.
const (
	atMost    = 0.35 // base, each source, plain average
	atLeast   = 0.50 // the winner
	leastTest = 300  // test problems
)

// The search of scripts/run, from two seeds, while users talk to the alias that
// each winner is published under.
func TestMiniatureHasThePapersShape(t *testing.T) {
	s := start(t, options{})
	s.call("PUT", "/v1/aliases/winner", object{"target": base})
	const question = "太郎さんはりんごを27個持っています。35個もらいました。全部で何個ですか。"
	before := s.ask("winner", question)

	var stop atomic.Bool
	var answered atomic.Int64
	var users sync.WaitGroup
	for range 2 {
		users.Go(func() {
			for !stop.Load() {
				if _, err := s.tryAsk("winner", question); !assert.NoError(t, err, "a search and its winner disturb nobody") {
					return
				}
				answered.Add(1)
			}
		})
	}
	for _, seed := range []int{1, 2} {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			found := s.awaitSearch(s.call("POST", "/v1/searches", runSpec(t, seed)).text("id"))
			checkTable(t, found)
			require.Equal(t, found.object("winner").text("model"), s.call("GET", "/v1/models/winner", nil).text("target"))
			checkFresh(t, s, seed)
		})
	}
	stop.Store(true)
	users.Wait()
	require.Positive(t, answered.Load())
	require.NotEqual(t, before, s.ask("winner", question), "the alias stands for another model now")
}

// runSpec is the search that scripts/run launches.
func runSpec(t *testing.T, seed int) object {
	t.Helper()
	data, err := os.ReadFile(fromRoot("scripts", "run.json"))
	require.NoError(t, err)
	var spec object
	require.NoError(t, json.Unmarshal(data, &spec))
	spec["seed"] = seed
	return spec
}

func checkTable(t *testing.T, search object) {
	t.Helper()
	roles := map[string]int{}
	for _, row := range search.list("scores") {
		score, role := row.object("score"), row.text("role")
		t.Logf("%-8s %-11s %.1f ± %.1f %%", role, row.text("name"), 100*score.number("accuracy"), 100*score.number("stderr"))
		roles[role]++
		require.GreaterOrEqual(t, score.number("problems"), float64(leastTest))
		require.Positive(t, score.number("high"))
		if role == "winner" {
			require.GreaterOrEqual(t, score.number("accuracy"), atLeast)
		} else {
			require.LessOrEqual(t, score.number("accuracy"), atMost, row.text("name"))
		}
	}
	require.Equal(t, map[string]int{"base": 1, "source": 3, "average": 1, "winner": 1}, roles)
}

// checkFresh asks the winner problems that are in no file.
func checkFresh(t *testing.T, s *server, seed int) {
	t.Helper()
	const asked = 30
	random := rand.New(rand.NewPCG(uint64(seed), 2026))
	right := 0
	for i := range asked {
		question, answer := freshProblem(random, i%3)
		if reply := s.ask("winner", question); isJapanese(reply) && lastNumber(reply) == answer {
			right++
		}
	}
	t.Logf("fresh problems: %d of %d", right, asked)
	require.Greater(t, right, asked/2)
}

// freshProblem makes a sum with a carry, a difference with a borrow, or a product.
func freshProblem(r *rand.Rand, kind int) (question string, answer int) {
	names := []string{"太郎", "花子", "健", "由美"}
	things := []string{"りんご", "みかん", "ビー玉", "卵"}
	name, thing := names[r.IntN(len(names))], things[r.IntN(len(things))]
	if kind == 2 {
		a, b := 3+r.IntN(18), 3+r.IntN(7)
		return fmt.Sprintf("%sさんは袋を%d袋持っています。どの袋にも%sが%d個入っています。全部で何個ですか。", name, a, thing, b), a * b
	}
	for {
		a, b := 10+r.IntN(80), 10+r.IntN(80)
		switch {
		case a+b > 99 || a%10+b%10 < 10:
		case kind == 0:
			return fmt.Sprintf("箱に%sが%d個あります。%sさんが%d個入れました。今何個ありますか。", thing, a, name, b), a + b
		default:
			return fmt.Sprintf("%sさんは%sを%d個持っています。%d個あげました。残りは何個ですか。", name, thing, a+b, b), a
		}
	}
}

func isJapanese(text string) bool {
	for _, r := range text {
		if unicode.In(r, unicode.Hiragana, unicode.Katakana) {
			return true
		}
	}
	return false
}

var digits = regexp.MustCompile(`\d+`)

func lastNumber(text string) int {
	all := digits.FindAllString(text, -1)
	if len(all) == 0 {
		return -1
	}
	n, err := strconv.Atoi(all[len(all)-1])
	if err != nil {
		return -1
	}
	return n
}
