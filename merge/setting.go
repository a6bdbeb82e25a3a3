package merge

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/infer/arch"
)

// Setting says which value a parameter has in each tensor of a model: by Values
// or by Rules, not both. The zero Setting leaves it to the parameter's default.
//
// As JSON it is a number, a list of numbers (Values), or a list of rules: objects
// of a "filter" and a "value", which is a number or a list (see [Rule]).
type Setting struct {
	// Values holds one number for the whole model, or one for each layer group
	// (see [Recipe.Groups]).
	Values []float64
	// Rules are tried in order; the first whose filter fits gives the value.
	Rules []Rule
}

// Rule is the value of a parameter in some of a model's tensors. It means what
// it means in mergekit.
type Rule struct {
	// Filter is a part of the names of the tensors that the rule is for, such as
	// "mlp"; empty for all of them.
	Filter string
	// Gradient is the value: one number, or several that are spread over the
	// blocks from first to last, with straight lines between them. Tensors outside
	// of the blocks have the first.
	Gradient []float64
}

// Numbers is a setting of one number for the whole model, or of one for each
// layer group.
func Numbers(values ...float64) Setting { return Setting{Values: values} }

// IsZero reports whether nothing is set.
func (s Setting) IsZero() bool { return len(s.Values) == 0 && len(s.Rules) == 0 }

// uniform gives the value if it is the same everywhere by how it is written.
func (s Setting) uniform() (float64, bool) {
	if len(s.Rules) == 0 && len(s.Values) == 1 {
		return s.Values[0], true
	}
	return 0, false
}

// numbers lists every number in the setting.
func (s Setting) numbers() []float64 {
	all := slices.Clone(s.Values)
	for _, r := range s.Rules {
		all = append(all, r.Gradient...)
	}
	return all
}

// covers reports whether every tensor gets a value.
func (s Setting) covers() bool {
	return len(s.Values) > 0 || slices.ContainsFunc(s.Rules, func(r Rule) bool { return r.Filter == "" })
}

// place is where a tensor stands in its model, as far as settings look at it.
type place struct {
	name  string  // of the tensor
	group int     // its layer group
	depth float64 // of its block: 0 the first, 1 the last; 0 outside of the blocks
}

// newPlace finds a tensor's place in a model of so many blocks.
func newPlace(p arch.Param, g Grouping, layers int) place {
	at := place{name: p.Name, group: g.Index(p.Group, layers)}
	switch {
	case p.Group.Part != arch.Block:
	case layers > 1:
		at.depth = float64(p.Group.Block) / float64(layers-1)
	default:
		at.depth = 1
	}
	return at
}

// at gives the value in a tensor, or fallback where none is set.
func (s Setting) at(p place, fallback float64) float64 {
	for _, r := range s.Rules {
		if strings.Contains(p.name, r.Filter) {
			return r.at(p.depth)
		}
	}
	switch {
	case len(s.Values) == 1:
		return s.Values[0]
	case p.group < len(s.Values):
		return s.Values[p.group]
	}
	return fallback
}

// at gives the value at a depth.
func (r Rule) at(depth float64) float64 {
	last := len(r.Gradient) - 1
	position := depth * float64(last)
	low := int(position)
	share := position - float64(low)
	return (1-share)*r.Gradient[low] + share*r.Gradient[min(low+1, last)]
}

// normal is the setting in the one form that settings of the same meaning share.
// The fallback is what holds where nothing is set, if there is such a thing.
func (s Setting) normal(fallback *float64) Setting {
	if len(s.Rules) == 0 {
		s.Values = shorten(s.Values)
		if len(s.Values) == 0 && fallback != nil {
			s.Values = []float64{*fallback}
		}
		return s
	}
	rules := make([]Rule, 0, len(s.Rules)+1)
	for _, r := range s.Rules {
		// A name with the filter has every part of it, too: an earlier rule for
		// such a part leaves nothing for this one.
		if !slices.ContainsFunc(rules, func(earlier Rule) bool { return strings.Contains(r.Filter, earlier.Filter) }) {
			rules = append(rules, Rule{Filter: r.Filter, Gradient: shorten(r.Gradient)})
		}
	}
	if last := rules[len(rules)-1]; last.Filter != "" && fallback != nil {
		rules = append(rules, Rule{Gradient: []float64{*fallback}})
	}
	// What the rule for all others says as well need not be said before it.
	for n := len(rules); n > 1 && rules[n-1].Filter == "" && slices.Equal(rules[n-2].Gradient, rules[n-1].Gradient); n-- {
		rules = append(rules[:n-2], rules[n-1])
	}
	if len(rules) == 1 && rules[0].Filter == "" && len(rules[0].Gradient) == 1 {
		return Setting{Values: rules[0].Gradient}
	}
	return Setting{Rules: rules}
}

// shorten copies the values, one if they are all equal.
func shorten(values []float64) []float64 {
	out := make([]float64, len(values))
	equal := true
	for i, v := range values {
		out[i] = v + 0 // -0 becomes 0
		equal = equal && v == values[0]
	}
	if equal && len(out) > 1 {
		return out[:1]
	}
	return out
}

// wireRule is a [Rule] as JSON has it.
type wireRule struct {
	Filter string `json:"filter,omitempty"`
	Value  any    `json:"value"`
}

// MarshalJSON implements json.Marshaler.
func (s Setting) MarshalJSON() ([]byte, error) {
	if len(s.Rules) == 0 {
		return marshal(append([]float64{}, s.Values...))
	}
	rules := make([]wireRule, len(s.Rules))
	for i, r := range s.Rules {
		rules[i] = wireRule{Filter: r.Filter, Value: r.Gradient}
		if len(r.Gradient) == 1 {
			rules[i].Value = r.Gradient[0]
		}
	}
	return marshal(rules)
}

// marshal is json.Marshal that leaves <, > and & as they are.
func marshal(v any) ([]byte, error) {
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	err := enc.Encode(v)
	return bytes.TrimRight(out.Bytes(), "\n"), err
}

// UnmarshalJSON implements json.Unmarshaler. It is as strict as [ParseRecipe].
func (s *Setting) UnmarshalJSON(data []byte) error {
	parsed, err := parseSetting(data, "")
	if err == nil {
		*s = parsed
	}
	return err
}

// parseSetting reads a setting that stands at a path.
func parseSetting(data []byte, at string) (Setting, error) {
	data = bytes.TrimLeft(data, " \t\r\n")
	if bytes.HasPrefix(data, []byte("{")) { // one rule alone
		r, err := parseRule(data, at)
		return Setting{Rules: []Rule{r}}, err
	}
	var list []json.RawMessage
	if !bytes.HasPrefix(data, []byte("[")) || json.Unmarshal(data, &list) != nil || len(list) == 0 || list[0][0] != '{' {
		values, err := parseNumbers(data, at)
		return Setting{Values: values}, err
	}
	if len(list) > MaxRules {
		return Setting{}, fault.Bad(at, "%d rules: at most %d", len(list), MaxRules)
	}
	var s Setting
	for i, data := range list {
		r, err := parseRule(data, fmt.Sprintf("%s[%d]", at, i))
		if err != nil {
			return Setting{}, err
		}
		s.Rules = append(s.Rules, r)
	}
	return s, nil
}

// parseRule reads one rule.
func parseRule(data []byte, at string) (Rule, error) {
	f, err := object(data, at, "filter", "value")
	if err != nil {
		return Rule{}, err
	}
	var r Rule
	if err := f.read("filter", &r.Filter); err != nil {
		return Rule{}, err
	}
	if r.Filter == "*" {
		r.Filter = ""
	}
	value, ok := f.members["value"]
	if !ok {
		return Rule{}, fault.Bad(f.path("value"), "a rule needs a value: a number, or a list of numbers")
	}
	r.Gradient, err = parseNumbers(value, f.path("value"))
	return r, err
}

// parseNumbers reads a list of numbers, or a bare number as a list of one.
func parseNumbers(data []byte, at string) ([]float64, error) {
	wrong := func(err error) error {
		return &fault.Error{Code: fault.Invalid, Param: at, Message: cmp.Or(at, "a setting") + " has the wrong type or range", Err: err}
	}
	if string(data) == "null" {
		return nil, fault.Bad(at, "%s is null: leave it out to get the default", at)
	}
	if len(data) == 0 || data[0] != '[' {
		var one float64
		if err := json.Unmarshal(data, &one); err != nil {
			return nil, wrong(err)
		}
		return []float64{one}, nil
	}
	var list []*float64 // pointers, so that null is seen and refused
	if err := json.Unmarshal(data, &list); err != nil {
		return nil, wrong(err)
	}
	values := make([]float64, len(list))
	for i, v := range list {
		if v == nil {
			return nil, wrong(errors.New("null in a list of numbers"))
		}
		values[i] = *v
	}
	return values, nil
}
