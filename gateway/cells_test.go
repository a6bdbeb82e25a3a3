package gateway

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mergeway/mergeway/search"
)

func TestCellsComeInPagesAndByArchive(t *testing.T) {
	b := newBench(t)
	for i, trial := range b.searches.trials {
		b.searches.cells = append(b.searches.cells, search.Cell{Objective: []string{"ja", "en"}[i/3], Bins: []int{-1, i}, Trial: trial})
	}
	for query, c := range map[string]struct {
		numbers []int
		more    bool
	}{
		"":                        {[]int{0, 1, 2, 3, 4}, false},
		"?limit=2":                {[]int{0, 1}, true},
		"?limit=2&after=3":        {[]int{3, 4}, false},
		"?after=9":                {[]int{}, false},
		"?objective=en":           {[]int{3, 4}, false},
		"?objective=ja&limit=2":   {[]int{0, 1}, true},
		"?objective=ja&after=2":   {[]int{2}, false},
		"?objective=none&limit=1": {[]int{}, false},
	} {
		t.Run(query, func(t *testing.T) {
			var page CellPage
			b.send("GET", "/v1/searches/search-1/cells"+query, "").into(t, &page)
			numbers := []int{}
			for _, cell := range page.Data {
				numbers = append(numbers, cell.Trial.Number)
				require.NotEmpty(t, cell.Trial.Genome)
			}
			require.Equal(t, c.numbers, numbers)
			require.Equal(t, c.more, page.HasMore)
		})
	}
	for query, param := range map[string]string{"?limit=0": "limit", "?limit=1000000": "limit", "?after=-1": "after"} {
		b.send("GET", "/v1/searches/search-1/cells"+query, "").requireError(t, 400, "invalid", param)
	}
	b.send("GET", "/v1/searches/none/cells", "").requireError(t, 404, "not_found", "")
}
