package store

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// changesOf makes a story of changes of few records.
func changesOf(r *rand.Rand, n int) []notice {
	var story []notice
	for version := 1; version <= n; version++ {
		key := fmt.Sprint("k", r.IntN(4))
		one := notice{version: int64(version), key: key}
		one.kind = []string{kindRecipe, kindAlias, kindKey}[r.IntN(3)]
		switch {
		case r.IntN(4) == 0: // deleted
		case one.kind == kindKey:
			one.record = fmt.Appendf(nil, `{"id":%q,"body":%d}`, key, version)
		case one.kind == kindRecipe:
			one.record = fmt.Appendf(nil, `{"id":%q,"name":"of version %d"}`, key, version)
		default:
			one.record = fmt.Appendf(nil, `{"name":%q,"target":"of version %d"}`, key, version)
		}
		story = append(story, one)
	}
	return story
}

func told(t *testing.T, v *view, story []notice) *view {
	t.Helper()
	for _, n := range story {
		require.NoError(t, v.hear(n))
	}
	return v
}

func requireSameView(t *testing.T, want, got *view) {
	t.Helper()
	require.Equal(t, want.meta, got.meta)
	require.Equal(t, want.sortedRecipes(), got.sortedRecipes())
	require.Equal(t, want.sortedAliases(), got.sortedAliases())
	require.Equal(t, want.sortedKeys(), got.sortedKeys())
	require.Equal(t, want.ahead, got.ahead)
}

func TestChangesInAnyOrderComeToTheSame(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 300 {
		story := changesOf(r, 12)
		want := told(t, newView(), story)
		require.EqualValues(t, 12, want.version)

		shuffled := append(story, story[:3]...) // some are heard of twice
		r.Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
		requireSameView(t, want, told(t, newView(), shuffled))
	}
}

func TestASnapshotFillsTheGaps(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for range 300 {
		story := changesOf(r, 12)
		old := newView()
		for _, n := range story { // some are never heard of
			if r.IntN(3) > 0 {
				require.NoError(t, old.hear(n))
			}
		}
		at := int(old.version) + r.IntN(13-int(old.version))
		snapshot := told(t, newView(), story[:at])
		require.NoError(t, snapshot.carryOver(old))
		requireSameView(t, told(t, newView(), story), told(t, snapshot, story))
	}
}

func TestNoticesComeThroughTheChannel(t *testing.T) {
	for _, n := range []notice{
		{version: 41, by: "me", kind: kindAlias, key: "a\nb \"日本\"\x00", record: []byte(`{"name":"x\n"}`)},
		{version: 1, kind: kindRecipe, key: "r", record: []byte{}},
		{version: 1 << 60, kind: kindAll, record: []byte{}},
	} {
		got, err := parseNotice(fmt.Sprintf("%d\n%s", n.version, n.text()))
		require.NoError(t, err)
		require.Equal(t, n, got)
	}
	for _, text := range []string{"", "1", "1\nme\nrecipe\n\"k\"", "x\nme\nrecipe\n\"k\"\n{}", "1\nme\nrecipe\nk\n{}", "99999999999999999999\nme\nrecipe\n\"k\"\n"} {
		_, err := parseNotice(text)
		require.Error(t, err, "%q", text)
	}
}

func TestWhatAnotherViewMisses(t *testing.T) {
	alias := func(name string, targets ...string) Alias {
		a := Alias{Name: name}
		for i, target := range targets {
			a, _ = a.moved(target, at(i))
		}
		return a
	}
	elsewhere, _ := alias("moved elsewhere", "one", "two").moved("theirs", at(9))
	mine, theirs := newView(), newView()
	for _, id := range []string{"both", "mine"} {
		mine.recipes[id] = Recipe{ID: id}
	}
	for _, id := range []string{"both", "theirs"} {
		theirs.recipes[id] = Recipe{ID: id}
	}
	for _, a := range []Alias{alias("same", "one"), alias("missing", "one"), alias("forgotten move", "one", "two", "three"), alias("moved elsewhere", "one", "two", "three"), alias("older here", "one")} {
		mine.aliases[a.Name] = a
	}
	for _, a := range []Alias{alias("same", "one"), alias("forgotten move", "one", "two"), elsewhere, alias("older here", "one", "two"), alias("theirs", "one")} {
		theirs.aliases[a.Name] = a
	}
	mine.keys["mine"], mine.keys["used more"] = Key{ID: "mine"}, Key{ID: "used more", UsedAt: at(9)}
	theirs.keys["theirs"], theirs.keys["used more"] = Key{ID: "theirs"}, Key{ID: "used more"}
	require.Equal(t, records{
		recipes: []Recipe{{ID: "mine"}},
		aliases: []Alias{mine.aliases["forgotten move"], mine.aliases["missing"]},
		keys:    []Key{{ID: "mine"}},
	}, mine.missedIn(theirs))
}

func at(seconds int) time.Time { return time.Unix(int64(seconds), 0).UTC() }
