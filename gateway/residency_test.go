package gateway

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestAModelIsLoadedPinnedAndUnloaded(t *testing.T) {
	b := newBench(t)
	for _, c := range []struct {
		method, path, state string
		pinned              bool
	}{
		{"POST", "/v1/models/org/model/load", "ready", false},
		{"POST", "/v1/models/org/model/pin", "ready", true},
		{"POST", "/v1/models/org/model/load", "ready", false},
		{"POST", "/v1/models/org/model/unload", "unloaded", false},
		{"POST", "/v1/models/base/pin", "ready", true},
		{"DELETE", "/v1/models/base", "unloaded", false},
	} {
		var got Model
		r := b.send(c.method, c.path, "")
		require.Equal(t, http.StatusOK, r.status, r.body)
		r.into(t, &got)
		require.Equal(t, c.state, got.State, c.path)
		require.Equal(t, c.pinned, got.Pinned, c.path)
	}
	b.send("POST", "/v1/models/base", "").requireError(t, 400, "invalid", "model")
	b.send("POST", "/v1/models/base/explode", "").requireError(t, 400, "invalid", "model")
	b.send("POST", "/v1/models/ghost/load", "").requireError(t, 404, "model_not_found", "model")
	b.send("POST", "/v1/models/ghost/unload", "").requireError(t, 404, "model_not_found", "model")
	b.send("DELETE", "/v1/models/ghost", "").requireError(t, 404, "model_not_found", "model")
	b.send("POST", "/v1/models//load", "").requireError(t, 400, "invalid", "model")
}
