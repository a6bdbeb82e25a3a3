package keys

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mergeway/mergeway/fault"
)

func TestKeysOfTheConfiguration(t *testing.T) {
	entry, secret, err := NewEntry(Spec{Name: "web", Scopes: []Scope{Inference}})
	require.NoError(t, err)
	data, err := json.Marshal([]Entry{entry})
	require.NoError(t, err)
	require.NotContains(t, string(data), secret)
	entries, err := ParseEntries(data)
	require.NoError(t, err)
	require.Equal(t, []Entry{entry}, entries)

	s := openStore(t)
	r := openRing(t, s, entries...)
	require.False(t, r.Empty())
	k, ok := r.Find(secret)
	require.True(t, ok)
	require.True(t, k.Configured)
	require.Equal(t, fault.Conflict, fault.CodeOf(r.Revoke(t.Context(), k.ID)))
	_, ok = r.Find(secret)
	require.True(t, ok)

	_, _, err = r.Create(t.Context(), spec("stored", Search))
	require.NoError(t, err)
	all, err := r.List(t.Context())
	require.NoError(t, err)
	require.Len(t, all, 2)
	require.Equal(t, "web", all[0].Name)
	require.False(t, all[1].Configured)
}

func TestEntriesThatCantBe(t *testing.T) {
	hash := DigestOf("x").String()
	for _, c := range []struct{ name, text, says string }{
		{"no list", `{}`, "list"},
		{"no hash", `[{"name": "a", "scopes": ["search"]}]`, "hash is missing"},
		{"the key itself", `[{"name": "a", "scopes": ["search"], "hash": "mw-abc"}]`, "64 hexadecimal"},
		{"a short hash", `[{"name": "a", "scopes": ["search"], "hash": "sha256:00"}]`, "64 hexadecimal"},
		{"a misspelled field", fmt.Sprintf(`[{"name": "a", "scope": ["search"], "hash": %q}]`, hash), `"scope"`},
		{"no scopes", fmt.Sprintf(`[{"name": "a", "hash": %q}]`, hash), "scope"},
		{"a bad time", fmt.Sprintf(`[{"name": "a", "scopes": ["search"], "expires_at": "soon", "hash": %q}]`, hash), "soon"},
		{"the same twice", fmt.Sprintf(`[{"name": "a", "scopes": ["search"], "hash": %[1]q}, {"name": "b", "scopes": ["search"], "hash": %[1]q}]`, hash), "key 2"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := ParseEntries([]byte(c.text))
			require.Equal(t, fault.Invalid, fault.CodeOf(err), "%v", err)
			require.ErrorContains(t, err, c.says)
		})
	}
}
