package store

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/mergeway/mergeway/fault"
)

// MaxKey is the longest id or name of a record, in bytes.
const MaxKey = 512

// checkKey says what is wrong with an id or a name.
func checkKey(field, key string) error {
	if key == "" {
		return fault.Bad(field, "%s is empty", field)
	}
	if len(key) > MaxKey {
		return fault.Bad(field, "%s has %d bytes: at most %d", field, len(key), MaxKey)
	}
	if !utf8.ValidString(key) { // JSON would keep another one
		return fault.Bad(field, "%s is not UTF-8", field)
	}
	return nil
}

// utc is t as records keep it: without a zone, and without the reading of the
// monotonic clock, which would not come back.
func utc(t time.Time) time.Time { return t.Round(0).UTC() }

// encode writes a record as JSON. Bodies are kept byte for byte, so characters
// that mean something in HTML are not escaped.
func encode(record any) ([]byte, error) {
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(record); err != nil {
		return nil, &fault.Error{Code: fault.Invalid, Param: "body", Message: "the record can't be kept as JSON", Err: err}
	}
	data := bytes.TrimSuffix(out.Bytes(), []byte("\n"))
	if !json.Valid(data) { // a body as deep as can be is too deep in a record: no list could be read any more
		return nil, fault.Bad("body", "the body is nested too deeply to be kept")
	}
	return data, nil
}

// decode reads a record back. kind and key are for the error.
func decode(data []byte, kind, key string, into any) error {
	if err := json.Unmarshal(data, into); err != nil {
		return fault.Wrap(err, fault.Damaged, "the record of %s %q can't be read", kind, key)
	}
	return nil
}

func missing(kind, key string) error {
	return fault.New(fault.NotFound, "there is no %s %q", kind, key)
}

// noTarget is the answer to who moves an alias to a recipe that isn't there.
func noTarget(id string) error {
	return &fault.Error{Code: fault.NotFound, Param: "target", Message: fmt.Sprintf("there is no recipe %q for the alias to stand for", id)}
}

// inUse is the answer to who deletes a recipe that an alias stands for.
func inUse(recipe, alias string) error {
	return fault.New(fault.Conflict, "alias %q stands for recipe %s: move or delete the alias first", alias, recipe)
}

// goOn says whether the caller still waits.
func goOn(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return fault.Wrap(err, fault.Cancelled, "the store was not asked")
	}
	return nil
}

// encodeRecipe checks and writes a recipe.
func encodeRecipe(r Recipe) ([]byte, error) {
	if err := checkKey("id", r.ID); err != nil {
		return nil, err
	}
	r.CreatedAt = utc(r.CreatedAt)
	return encode(r)
}

// encodeKey checks and writes the record of a key.
func encodeKey(k Key) ([]byte, error) {
	if err := checkKey("id", k.ID); err != nil {
		return nil, err
	}
	k.CreatedAt, k.UsedAt = utc(k.CreatedAt), utc(k.UsedAt)
	return encode(k)
}

// touched is a key's record after a use, and whether that changed it.
func touched(data []byte, id string, at time.Time) (_ []byte, changed bool, err error) {
	var k Key
	if err := decode(data, "key", id, &k); err != nil {
		return nil, false, err
	}
	if !at.After(k.UsedAt) {
		return data, false, nil
	}
	k.UsedAt = at
	data, err = encodeKey(k)
	return data, true, err
}

// encodeSearch checks and writes the record of a search.
func encodeSearch(s Search) ([]byte, error) {
	if err := checkKey("id", s.ID); err != nil {
		return nil, err
	}
	s.CreatedAt, s.UpdatedAt = utc(s.CreatedAt), utc(s.UpdatedAt)
	return encode(s)
}

// encodedTrial is a trial ready to be written.
type encodedTrial struct {
	number  int
	data    []byte
	samples []byte
}

// encodeTrials checks and writes trials of one search.
func encodeTrials(searchID string, trials []Trial) ([]encodedTrial, error) {
	if err := checkKey("search_id", searchID); err != nil {
		return nil, err
	}
	out := make([]encodedTrial, len(trials))
	for i, t := range trials {
		if t.SearchID != "" && t.SearchID != searchID {
			return nil, fault.Bad("search_id", "trial %d belongs to search %q, not to %q", t.Number, t.SearchID, searchID)
		}
		if t.Number < 0 || int64(t.Number) > maxTrialNumber {
			return nil, fault.Bad("number", "a trial's number is from 0 to %d, not %d", int64(maxTrialNumber), t.Number)
		}
		if len(t.Samples) > MaxData {
			return nil, fault.Bad("samples", "the samples of trial %d have %d bytes: at most %d", t.Number, len(t.Samples), MaxData)
		}
		data, err := encode(t)
		if err != nil {
			return nil, err
		}
		out[i] = encodedTrial{t.Number, data, t.Samples}
	}
	return out, nil
}

// maxTrialNumber is the largest whole number up to which a float64, by which
// Redis sorts, has them all.
const maxTrialNumber = 1 << 53

// checkPage says what is wrong with a page of trials.
func checkPage(offset, limit int) error {
	if offset < 0 {
		return fault.Bad("offset", "offset is %d, less than 0", offset)
	}
	if limit < 1 {
		return fault.Bad("limit", "limit is %d, less than 1", limit)
	}
	return nil
}

func sortRecipes(all []Recipe) {
	slices.SortFunc(all, func(a, b Recipe) int {
		return cmp.Or(a.CreatedAt.Compare(b.CreatedAt), strings.Compare(a.ID, b.ID))
	})
}

func sortAliases(all []Alias) {
	slices.SortFunc(all, func(a, b Alias) int { return strings.Compare(a.Name, b.Name) })
}

func sortKeys(all []Key) {
	slices.SortFunc(all, func(a, b Key) int {
		return cmp.Or(a.CreatedAt.Compare(b.CreatedAt), strings.Compare(a.ID, b.ID))
	})
}

func sortSearches(all []Search) {
	slices.SortFunc(all, func(a, b Search) int {
		return cmp.Or(a.CreatedAt.Compare(b.CreatedAt), strings.Compare(a.ID, b.ID))
	})
}
