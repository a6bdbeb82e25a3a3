package search

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"slices"
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
	spec, err := parseSpec(data, MaxStages)
	if err != nil {
		return Spec{}, err
	}
	spec = spec.WithDefaults()
	if err := spec.Validate(); err != nil {
		return Spec{}, err
	}
	return spec, nil
}

// parseSpec reads a spec, and those that follow it, as far as to stages of them.
func parseSpec(data []byte, stages int) (Spec, error) {
	if stages == 0 {
		return Spec{}, fault.Bad("", "a search of more than %d stages", MaxStages)
	}
	type plain Spec
	var wire struct {
		plain
		// These hide plain's: arrays would take lists of any length, and
		// recipes have their own parser.
		WeightRange  []*float64      `json:"weight_range"`
		DensityRange []*float64      `json:"density_range"`
		Ranges       json.RawMessage `json:"ranges"`
		Path         json.RawMessage `json:"path"`
		Start        json.RawMessage `json:"start"`
		Then         json.RawMessage `json:"then"`
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
	if err := errors.Join(
		readRange("weight_range", wire.WeightRange, &spec.WeightRange),
		readRange("density_range", wire.DensityRange, &spec.DensityRange),
	); err != nil {
		return Spec{}, err
	}
	var err error
	if spec.Ranges, err = parseRanges(wire.Ranges); err != nil {
		return Spec{}, within("ranges", err)
	}
	if spec.Path, err = parsePath(wire.Path); err != nil {
		return Spec{}, within("path", err)
	}
	if len(wire.Start) > 0 && string(wire.Start) != "null" {
		r, err := merge.ParseRecipe(wire.Start)
		if err != nil {
			return Spec{}, within("start", err)
		}
		spec.Start = &r
	}
	if len(wire.Then) > 0 && string(wire.Then) != "null" {
		then, err := parseSpec(wire.Then, stages-1)
		if err != nil {
			return Spec{}, within("then", err)
		}
		spec.Then = &then
	}
	return spec, nil
}

// ParseOptimizerOptions reads the options of an optimizer from JSON, strictly.
func ParseOptimizerOptions(data []byte) (OptimizerOptions, error) {
	return parseField[OptimizerOptions](data)
}

// ParseRacing reads a Racing from JSON, strictly.
func ParseRacing(data []byte) (*Racing, error) { return parseField[*Racing](data) }

// ParseObjectives reads a list of objectives from JSON, strictly.
func ParseObjectives(data []byte) ([]Objective, error) { return parseField[[]Objective](data) }

// parseField reads the value of a field.
func parseField[T any](data []byte) (T, error) {
	var v T
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(&v); err != nil {
		return v, explain(err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return v, fault.New(fault.Invalid, "something follows the JSON value")
	}
	return v, nil
}

// parsePath reads a PathSpec, if there is one.
func parsePath(data json.RawMessage) (*PathSpec, error) {
	if len(data) == 0 || string(data) == "null" {
		return nil, nil
	}
	type plain PathSpec
	var wire struct {
		plain
		ScaleRange []*float64 `json:"scale_range"`
	}
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(&wire); err != nil {
		return nil, explain(err)
	}
	p := PathSpec(wire.plain)
	return &p, readRange("scale_range", wire.ScaleRange, &p.ScaleRange)
}

// parseRanges reads Ranges, if there are some.
func parseRanges(data json.RawMessage) (Ranges, error) {
	if len(data) == 0 || string(data) == "null" {
		return nil, nil
	}
	members, err := parseField[map[string]json.RawMessage](data)
	if err != nil {
		return nil, err
	}
	if len(members) > maxRanges {
		return nil, fault.Bad("", "%d ranges: at most %d", len(members), maxRanges)
	}
	ranges := Ranges{}
	for _, name := range slices.Sorted(maps.Keys(members)) {
		if ranges[name], err = parseParameterRange(members[name]); err != nil {
			return nil, within(name, err)
		}
	}
	if len(ranges) == 0 {
		return nil, nil
	}
	return ranges, nil
}

// ParseRanges reads ranges from JSON, strictly.
func ParseRanges(data []byte) (Ranges, error) { return parseRanges(data) }

// parseParameterRange reads one of Ranges: a list of two numbers, or an object.
func parseParameterRange(data json.RawMessage) (ParameterRange, error) {
	var p ParameterRange
	if bytes.HasPrefix(data, []byte("[")) {
		list, err := parseField[[]*float64](data)
		if err != nil {
			return p, fault.Bad("", "a range is a list of two numbers")
		}
		return p, readRange("", list, &p.Range)
	}
	type plain ParameterRange
	wire, err := parseField[struct {
		plain
		Range []*float64 `json:"range"`
	}](data)
	if err != nil {
		return p, err
	}
	if wire.Range == nil {
		return p, fault.Bad("range", "a parameter needs a range")
	}
	p = ParameterRange(wire.plain)
	return p, readRange("range", wire.Range, &p.Range)
}

// readRange takes a list of two numbers, if there is one.
func readRange(param string, list []*float64, into *Range) error {
	switch {
	case list == nil:
		return nil
	case len(list) != 2 || list[0] == nil || list[1] == nil:
		return fault.Bad(param, "%s is a list of two numbers", cmp.Or(param, "a range"))
	}
	*into = Range{*list[0], *list[1]}
	return nil
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
