package search

import (
	"bytes"
	"encoding/json"

	"github.com/mergeway/mergeway/fault"
)

// With gives the spec of a search with some of its fields changed. changes is a
// JSON object of those fields; null puts a field back to its default (RFC 7396).
// What the search has by default follows from the changed fields anew: a spec with
// twice the parameters isn't held to the population of the first.
func (s Search) With(changes []byte) (Spec, error) {
	if len(changes) > MaxSpecBytes {
		return Spec{}, fault.New(fault.TooLarge, "changes of %d bytes: at most %d", len(changes), MaxSpecBytes)
	}
	fields := map[string]json.RawMessage{}
	var patch map[string]json.RawMessage
	if len(bytes.TrimSpace(changes)) > 0 {
		if err := json.Unmarshal(changes, &patch); err != nil {
			return Spec{}, explain(err)
		}
	}
	spec, err := json.Marshal(s.undefaulted())
	if err == nil {
		err = json.Unmarshal(spec, &fields)
	}
	if err != nil {
		return Spec{}, fault.Wrap(err, fault.Internal, "write the spec of search %s as JSON", s.ID)
	}
	for name, value := range patch {
		if string(value) == "null" {
			delete(fields, name)
			continue
		}
		fields[name] = value
	}
	merged, err := json.Marshal(fields)
	if err != nil {
		return Spec{}, fault.Wrap(err, fault.Invalid, "read the changes")
	}
	return ParseSpec(merged)
}

// undefaulted is the spec without the defaults that depend on other fields.
func (s Search) undefaulted() Spec {
	spec := s.Spec
	if len(spec.Objectives) > 0 {
		spec.Task = "" // the first one's
	}
	if spec.Name == s.Spec.Task {
		spec.Name = ""
	}
	if spec.WeightRange == DefaultWeightRange() {
		spec.WeightRange = Range{}
	}
	if spec.DensityRange == DefaultDensityRange() {
		spec.DensityRange = Range{}
	}
	if k, ok := spec.Optimizer.kind(); ok && spec.Population == k.population(len(s.Parameters)) {
		spec.Population = 0
	}
	return spec
}
