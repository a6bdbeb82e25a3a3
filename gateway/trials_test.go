package gateway

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mergeway/mergeway/merge"
	"github.com/mergeway/mergeway/search/task"
)

func TestTrialsComeInPages(t *testing.T) {
	b := newBench(t)
	cases := []struct {
		query   string
		numbers []int
		more    bool
	}{
		{"", []int{0, 1, 2, 3, 4}, false},
		{"?limit=2", []int{0, 1}, true},
		{"?limit=2&after=1", []int{2, 3}, true},
		{"?limit=2&after=3", []int{4}, false},
		{"?after=4", []int{}, false},
		{"?limit=5", []int{0, 1, 2, 3, 4}, false},
	}
	for _, c := range cases {
		t.Run(c.query, func(t *testing.T) {
			var page TrialPage
			b.send("GET", "/v1/searches/search-1/trials"+c.query, "").into(t, &page)
			numbers := []int{}
			for _, trial := range page.Data {
				numbers = append(numbers, trial.Number)
			}
			require.Equal(t, c.numbers, numbers)
			require.Equal(t, c.more, page.HasMore)
		})
	}
	for query, param := range map[string]string{"?limit=0": "limit", "?limit=x": "limit", "?limit=1000000": "limit", "?after=-2": "after"} {
		b.send("GET", "/v1/searches/search-1/trials"+query, "").requireError(t, 400, "invalid", param)
	}
}

func TestTrialsAreATable(t *testing.T) {
	b := newBench(t)
	one := 1
	b.searches.trials[0].Score = &task.Score{Problems: 8, Correct: 2, Accuracy: 0.25, StdErr: 0.15, Low: 0.07, High: 0.59}
	b.searches.trials[3].DuplicateOf = &one
	b.searches.trials[4].Failure = `it said "no", twice`
	for how, send := range map[string]func() reply{
		"by query": func() reply { return b.send("GET", "/v1/searches/search-1/trials?format=csv&after=-1&limit=1", "") },
		"by header": func() reply {
			return b.send("GET", "/v1/searches/search-1/trials", "", func(r *http.Request) { r.Header.Set("Accept", "text/csv") })
		},
	} {
		r := send()
		require.Equal(t, http.StatusOK, r.status, how)
		require.Equal(t, "text/csv; charset=utf-8", r.header.Get("Content-Type"))
		at := epoch.UTC().Format("2006-01-02T15:04:05Z07:00")
		require.Equal(t, "trial,generation,index,fitness,problems,correct,accuracy,stderr,low,high,duplicate_of,merge_seconds,answer_seconds,prompt_tokens,generated_tokens,at,failure,a weight all\n"+
			"0,0,0,0,8,2,0.25,0.15,0.07,0.59,,0,0,0,0,"+at+",,0\n"+
			"1,0,0,,,,,,,,,0,0,0,0,"+at+",,0.5\n"+
			"2,0,0,,,,,,,,,0,0,0,0,"+at+",,1\n"+
			"3,0,0,,,,,,,,1,0,0,0,0,"+at+",,1.5\n"+
			"4,0,0,,,,,,,,,0,0,0,0,"+at+",\"it said \"\"no\"\", twice\",2\n", r.body, how)
	}
	b.send("GET", "/v1/searches/search-1/trials?format=xls", "").requireError(t, 400, "invalid", "format")
	b.send("GET", "/v1/searches/none/trials?format=csv", "").requireError(t, 404, "not_found", "")
}

func TestTheRecipeOfATrialCanBeRead(t *testing.T) {
	b := newBench(t)
	var got TrialRecipe
	b.send("GET", "/v1/searches/search-1/trials/3/recipe", "").into(t, &got)
	require.Equal(t, TrialRecipe{Object: "recipe", Name: "better-trial-3", Recipe: b.searches.trials[3].Recipe}, got)

	r := b.send("GET", "/v1/searches/search-1/trials/3/recipe?format=yaml", "")
	require.Equal(t, "application/yaml", r.header.Get("Content-Type"))
	document, err := merge.ParseYAML([]byte(r.body))
	require.NoError(t, err)
	require.Equal(t, "better-trial-3", document.Name)
	want, err := b.searches.trials[3].Recipe.Canonical()
	require.NoError(t, err)
	canonical, err := document.Recipe.Canonical()
	require.NoError(t, err)
	require.Equal(t, string(want), string(canonical))

	b.send("GET", "/v1/searches/search-1/trials/5/recipe", "").requireError(t, 404, "not_found", "trial")
	b.send("GET", "/v1/searches/none/trials/0/recipe", "").requireError(t, 404, "not_found", "")
	for _, number := range []string{"x", "-1", "99999999999999999999"} {
		b.send("GET", "/v1/searches/search-1/trials/"+number+"/recipe", "").requireError(t, 400, "invalid", "trial")
	}
	b.send("GET", "/v1/searches/search-1/trials/3/recipe?format=xml", "").requireError(t, 400, "invalid", "format")
}
