package gateway

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"
)

// Both APIs have /v1/models; Anthropic's clients say which one they mean.
func TestModelsInAnthropicsForm(t *testing.T) {
	b := newBench(t)
	anthropic := header("Anthropic-Version", "2023-06-01")
	r := b.send("GET", "/v1/models/org/model", "", anthropic)
	require.Equal(t, http.StatusOK, r.status, r.body)
	require.JSONEq(t, `{"type": "model", "id": "org/model", "display_name": "org/model", "created_at": "2023-11-14T22:13:20Z", "lifecycle": "active"}`, r.body)
	b.send("GET", "/v1/models/none", "", anthropic).requireMessageError(t, 404, "not_found_error", "model")

	b.catalog.entries[3].Name = "The Best"
	for _, c := range []struct {
		query string
		ids   []string
		more  bool
	}{
		{"", []string{"base", "org/model", "broken", "best"}, false},
		{"?limit=2", []string{"base", "org/model"}, true},
		{"?limit=2&after_id=org/model", []string{"broken", "best"}, false},
		{"?limit=1&after_id=org/model", []string{"broken"}, true},
		{"?after_id=best", nil, false},
		{"?limit=2&before_id=best", []string{"org/model", "broken"}, true},
		{"?limit=2&before_id=org/model", []string{"base"}, false},
	} {
		t.Run(c.query, func(t *testing.T) {
			r := b.send("GET", "/v1/models"+c.query, "", anthropic)
			require.Equal(t, http.StatusOK, r.status, r.body)
			var page ModelInfoPage
			r.into(t, &page)
			var ids []string
			for _, m := range page.Data {
				ids = append(ids, m.ID)
				require.Equal(t, m.ID == "best", m.DisplayName == "The Best")
			}
			require.Equal(t, c.ids, ids)
			require.Equal(t, c.more, page.HasMore)
			if len(ids) == 0 {
				require.Nil(t, page.FirstID)
				require.Nil(t, page.LastID)
				require.Contains(t, r.body, `"data":[]`)
				return
			}
			require.Equal(t, ids[0], *page.FirstID)
			require.Equal(t, ids[len(ids)-1], *page.LastID)
		})
	}
	for query, param := range map[string]string{
		"?limit=0": "limit", "?limit=1001": "limit", "?after_id=none": "after_id", "?before_id=none": "before_id", "?after_id=base&before_id=best": "before_id",
	} {
		b.send("GET", "/v1/models"+query, "", anthropic).requireMessageError(t, 400, "invalid_request_error", param)
	}
}
