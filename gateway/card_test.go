package gateway

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mergeway/mergeway/catalog"
	"github.com/mergeway/mergeway/merge"
	"github.com/mergeway/mergeway/search"
	"github.com/mergeway/mergeway/search/task"
	"github.com/mergeway/mergeway/store"
)

// newCardBench has a merged model that a search has found.
func newCardBench(t *testing.T) *bench {
	b := newBench(t)
	r, err := merge.ParseRecipe([]byte(recipe))
	require.NoError(t, err)
	body, err := r.Canonical()
	require.NoError(t, err)
	stored := store.Recipe{ID: "recipe-00", Name: "half", Body: body, Digest: "sha256:00", CreatedAt: epoch}
	b.catalog.card = catalog.Card{
		Entry:  catalog.Entry{ID: "recipe-00", Kind: catalog.Recipe, Name: "half", Created: epoch, State: catalog.Ready, Bytes: 4096, Pinned: true},
		Recipe: &stored, Digest: stored.Digest, Aliases: []string{"best"},
		Parts: []catalog.Part{{Name: "a", Merged: true, Digest: "sha256:0a"}, {Name: "base", Base: true}}, Changed: true,
		Made: &catalog.Making{At: epoch, Total: 2 * time.Second, Merge: 250 * time.Millisecond, Streamed: true},
	}
	other := r
	other.Seed, other.Lambda = 1, 2
	three, score := 3, &task.Score{Accuracy: 0.5, StdErr: 0.125}
	b.searches.search.Spec = search.Spec{Name: "maths", Task: "ja-math"}
	b.searches.search.Finalists = []search.Finalist{{Recipe: other, Validation: score}, {Recipe: r, Trial: &three, Validation: score}}
	b.searches.search.Scores = []search.Row{{Role: search.RoleBase, Name: "base", Score: score}, {Role: search.RoleSource, Name: "a"}}
	return b
}

func TestAModelsCard(t *testing.T) {
	b := newCardBench(t)
	three, score := 3, &task.Score{Accuracy: 0.5, StdErr: 0.125}
	var got ModelCard
	b.send("GET", "/v1/models/best/card", "").into(t, &got)
	body := got.Recipe
	got.Recipe = nil
	require.JSONEq(t, string(b.catalog.card.Recipe.Body), string(body))
	finalist := CardScore{Search: "search-1", Name: "maths", Task: "ja-math", As: "finalist", Trial: &three, Validation: score}
	want := ModelCard{
		Object: "model.card", ID: "recipe-00", Name: "half", Kind: "recipe", Created: epoch.Unix(), Digest: "sha256:00", Changed: true,
		Aliases: []string{"best"}, State: "ready", Pinned: true, Bytes: 4096, InputModalities: []string{"text"},
		Parts:  []CardPart{{Model: "a", Source: true, Digest: "sha256:0a"}, {Model: "base", Base: true}},
		Scores: []CardScore{finalist}, Made: &CardMaking{At: epoch.Unix(), Seconds: 2, MergeSeconds: 0.25, Streamed: true},
	}
	require.Equal(t, want, got)

	r, err := merge.ParseRecipe([]byte(recipe))
	require.NoError(t, err)
	b.searches.search.Winner = &search.Winner{Recipe: r, Trial: &three, Search: score, Validation: score, Test: score}
	b.send("GET", "/v1/models/best/card", "").into(t, &got)
	require.Equal(t, []CardScore{{Search: "search-1", Name: "maths", Task: "ja-math", As: "winner", Trial: &three, SearchScore: score, Validation: score, Test: score}}, got.Scores)

	var source ModelCard
	b.send("GET", "/v1/models/base/card", "").into(t, &source)
	require.Equal(t, "source", source.Kind)
	require.Equal(t, "sha256:base", source.Digest)
	require.Nil(t, source.Recipe)
	require.Nil(t, source.Made)
	require.Equal(t, []CardScore{{Search: "search-1", Name: "maths", Task: "ja-math", As: "base", Test: score}}, source.Scores)
	require.Contains(t, b.send("GET", "/v1/models/org/model/card", "").body, `"parts":[]`)
}

func TestACardIsNoModelOfThatName(t *testing.T) {
	b := newCardBench(t)
	b.send("GET", "/v1/models/none/card", "").requireError(t, 404, "model_not_found", "model")
	b.send("GET", "/v1/models/card", "").requireError(t, 404, "model_not_found", "model")
	b.send("GET", "/v1/models/best/card?format=xml", "").requireError(t, 400, "invalid", "format")
	b.catalog.entries = append(b.catalog.entries, catalog.Entry{ID: "org/card", Kind: catalog.Source, Created: epoch})
	var model Model
	b.send("GET", "/v1/models/org/card", "").into(t, &model)
	require.Equal(t, "model", model.Object)
	var card ModelCard
	b.send("GET", "/v1/models/org/card/card", "").into(t, &card)
	require.Equal(t, "org/card", card.ID)
}

func TestACardToRead(t *testing.T) {
	b := newCardBench(t)
	r := b.send("GET", "/v1/models/best/card?format=md", "")
	require.Equal(t, http.StatusOK, r.status, r.body)
	require.Equal(t, "text/markdown; charset=utf-8", r.header.Get("Content-Type"))
	for _, line := range []string{
		"base_model:\n- \"a\"\n- \"base\"\n---\n\n# half\n",
		"| id | `recipe-00` |\n", "| served as | `best` |\n", "| made | 2023-11-14 22:13 UTC, in 2.000 s, of which 0.250 s for the merge, its sources read meanwhile |\n",
		"| `a` | source | `sha256:0a` |\n| `base` | base | gone |\n", "not any more those",
		"| maths | ja-math | finalist |  | 50.0 ± 12.5 % |  |\n",
		"```yaml\nname: half\nmerge_method: task_arithmetic\n",
	} {
		require.Contains(t, r.body, line)
	}
	accept := func(r *http.Request) { r.Header.Set("Accept", "text/markdown") }
	require.Equal(t, r.body, b.send("GET", "/v1/models/best/card", "", accept).body)
	require.NotContains(t, b.send("GET", "/v1/models/base/card", "", accept).body, "## Recipe")

	b.catalog.card.Recipe.Body = []byte(`{"damaged": true}`)
	require.Contains(t, b.send("GET", "/v1/models/best/card?format=md", "").body, "```json\n{\"damaged\": true}\n```")
}
