package task

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// agreementFloor is the share of replies of each kind about which the gate has to
// agree with a person.
const agreementFloor = 0.8

// withoutKana is the kind about which letters can't tell: it could be Chinese as
// well, and is not taken for Japanese.
const withoutKana = "Japanese without kana"

// The gate's agreement with a person on replies of every kind. The README shows the
// table.
func TestTheGateAgreesWithAPersonOnRepliesOfEveryKind(t *testing.T) {
	g, err := newGate("ja")
	require.NoError(t, err)
	f, err := os.Open("testdata/languages.jsonl")
	require.NoError(t, err)
	defer f.Close()
	var kinds []string
	agree, all := map[string]int{}, map[string]int{}
	for lines := bufio.NewScanner(f); lines.Scan(); {
		var sample struct {
			Kind  string
			JA    bool
			Reply string
		}
		require.NoError(t, json.Unmarshal(lines.Bytes(), &sample))
		if all[sample.Kind] == 0 {
			kinds = append(kinds, sample.Kind)
		}
		all[sample.Kind]++
		if g.passes(sample.Reply) == sample.JA {
			agree[sample.Kind]++
		} else {
			t.Logf("the gate disagrees: %s: %q", sample.Kind, sample.Reply)
		}
	}
	table := "| replies | the gate agrees |\n|---|---:|\n"
	for _, kind := range kinds {
		table += fmt.Sprintf("| %s | %d of %d |\n", kind, agree[kind], all[kind])
		if kind != withoutKana {
			require.GreaterOrEqual(t, float64(agree[kind])/float64(all[kind]), agreementFloor, kind)
		}
	}
	require.Len(t, kinds, 7)
	readme, err := os.ReadFile("../../README.md")
	require.NoError(t, err)
	require.True(t, strings.Contains(string(readme), table), "the README's table is:\n%s", table)
}
