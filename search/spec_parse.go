package search

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strings"

	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/merge"
)

// MaxSpecBytes is the longest spec that [ParseSpec] reads.
const MaxSpecBytes = 1 << 20

// ParseSpec reads a spec from JSON, fills in defaults and validates it. Unknown
// keys are refused: a misspelt budget must not become an unlimited one.
func ParseSpec(data []byte) (Spec, error) {
	if len(data) > MaxSpecBytes {
		return Spec{}, fault.New(fault.TooLarge, "a search of %d bytes: at most %d", len(data), MaxSpecBytes)
	}
	type plain Spec
	var wire struct {
		plain
		Start json.RawMessage `json:"start"` // hides plain's: recipes have their own parser
	}
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(&wire); err != nil {
		return Spec{}, explain(err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return Spec{}, fault.New(fault.Invalid, "something follows the JSON object")
	}
	spec := Spec(wire.plain)
	if len(wire.Start) > 0 && string(wire.Start) != "null" {
		r, err := merge.ParseRecipe(wire.Start)
		if err != nil {
			var e *fault.Error
			if errors.As(err, &e) {
				return Spec{}, &fault.Error{Code: e.Code, Param: strings.TrimSuffix("start."+e.Param, "."), Message: e.Message, Err: e.Err}
			}
			return Spec{}, err
		}
		spec.Start = &r
	}
	spec = spec.WithDefaults()
	return spec, spec.Validate()
}

// explain turns a JSON error into one that names the field.
func explain(err error) error {
	var wrong *json.UnmarshalTypeError
	if errors.As(err, &wrong) {
		field := strings.TrimPrefix(wrong.Field, "plain.")
		return fault.Bad(field, "%s: a JSON %s doesn't belong here", field, wrong.Value)
	}
	if name, ok := strings.CutPrefix(err.Error(), "json: unknown field "); ok {
		name = strings.Trim(name, `"`)
		return fault.Bad(name, "a search has no field %q", name)
	}
	return fault.Wrap(err, fault.Invalid, "a search is a JSON object")
}
