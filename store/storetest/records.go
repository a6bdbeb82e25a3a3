package storetest

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/store"
)

// records tests what happens to the fields of a record on their way.
func records(t *testing.T, open Open) {
	t.Run("compact bodies come back byte for byte", func(t *testing.T) {
		s := open(t)
		for i, body := range []string{
			`null`, `0`, `-0`, `1.0`, `1e3`, `123456789012345678901234567890`, `""`, `[]`, `{}`,
			`{"b":1,"a":2,"b":3}`, `"<script>&"`, `"日本語"`, `"\u65e5\/\u0000"`, "\"\u2028\u2029\x7f\"",
			`"` + strings.Repeat("x", 1<<20) + `"`,
		} {
			id := fmt.Sprint("r", i)
			putRecipe(t, s, store.Recipe{ID: id, Body: json.RawMessage(body)})
			recipe, err := s.GetRecipe(t.Context(), id)
			require.NoError(t, err)
			require.Equal(t, body, string(recipe.Body))
			require.NoError(t, s.PutSearchWithTrials(t.Context(), store.Search{ID: "s", Body: json.RawMessage(body)}, []store.Trial{{Number: 1, Body: json.RawMessage(body)}}))
			search, err := s.GetSearch(t.Context(), "s")
			require.NoError(t, err)
			require.Equal(t, body, string(search.Body))
			trials, err := s.ListTrials(t.Context(), "s")
			require.NoError(t, err)
			require.Len(t, trials, 1)
			require.Equal(t, body, string(trials[0].Body))
			require.NoError(t, s.PutResponse(t.Context(), store.Response{ID: "resp", Body: json.RawMessage(body), ExpiresAt: never}, many))
			response, err := s.GetResponse(t.Context(), "resp")
			require.NoError(t, err)
			require.Equal(t, body, string(response.Body))
		}
	})
	t.Run("spaced bodies come back compact", func(t *testing.T) {
		s := open(t)
		putRecipe(t, s, store.Recipe{ID: "r", Body: json.RawMessage(" { \"a b\" : 1 } \n")})
		got, err := s.GetRecipe(t.Context(), "r")
		require.NoError(t, err)
		require.Equal(t, `{"a b":1}`, string(got.Body))
	})
	t.Run("times come back in UTC to the nanosecond", func(t *testing.T) {
		s := open(t)
		for _, when := range []time.Time{
			at(0).In(time.FixedZone("JST", 9*3600)), at(0).Truncate(time.Second), {}, time.Unix(0, 1), time.Now(),
		} {
			require.NoError(t, ignoreMissing(s.DeleteRecipe(t.Context(), "r")))
			putRecipe(t, s, store.Recipe{ID: "r", CreatedAt: when})
			recipe, err := s.GetRecipe(t.Context(), "r")
			require.NoError(t, err)
			require.Equal(t, when.Round(0).UTC(), recipe.CreatedAt)
			require.NoError(t, s.PutSearch(t.Context(), store.Search{ID: "s", CreatedAt: when, UpdatedAt: when}))
			search, err := s.GetSearch(t.Context(), "s")
			require.NoError(t, err)
			require.Equal(t, when.Round(0).UTC(), search.CreatedAt)
			require.Equal(t, when.Round(0).UTC(), search.UpdatedAt)
			require.NoError(t, ignoreMissing(s.DeleteAlias(t.Context(), "a")))
			alias, err := s.PutAlias(t.Context(), "a", store.To("t"), when)
			require.NoError(t, err)
			require.Equal(t, when.Round(0).UTC(), alias.UpdatedAt)
			got, err := s.GetAlias(t.Context(), "a")
			require.NoError(t, err)
			require.Equal(t, alias, got)
		}
	})
	t.Run("ids may be any text", func(t *testing.T) {
		s := open(t)
		for _, id := range []string{"a/b", "a b", "日本", "a:b", "*", "\x00", `"`, "<&>", strings.Repeat("x", store.MaxKey)} {
			require.NoError(t, s.PutSearchWithTrials(t.Context(), store.Search{ID: id}, []store.Trial{{Number: 1}}))
			search, err := s.GetSearch(t.Context(), id)
			require.NoError(t, err)
			require.Equal(t, id, search.ID)
			trials, err := s.ListTrials(t.Context(), id)
			require.NoError(t, err)
			require.Equal(t, []store.Trial{{SearchID: id, Number: 1}}, trials)
			putRecipe(t, s, store.Recipe{ID: id})
			recipe, err := s.GetRecipe(t.Context(), id)
			require.NoError(t, err)
			require.Equal(t, id, recipe.ID)
			_, err = s.PutAlias(t.Context(), id, store.To(id), at(0))
			require.NoError(t, err)
			alias, err := s.GetAlias(t.Context(), id)
			require.NoError(t, err)
			require.Equal(t, store.Alias{Name: id, Target: id, UpdatedAt: at(0)}, alias)
			require.NoError(t, s.PutResponse(t.Context(), made(id, 0), many))
			response, err := s.GetResponse(t.Context(), id)
			require.NoError(t, err)
			require.Equal(t, made(id, 0), response)
		}
	})
}

func ignoreMissing(err error) error {
	if fault.CodeOf(err) == fault.NotFound {
		return nil
	}
	return err
}
