package merge

import (
	"bytes"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/mergeway/mergeway/fault"
)

// YAML writes the recipe as mergekit reads it. [ParseYAML] reads it back to a
// recipe of the same canonical form. What mergekit has no words for stands in a
// map of its own, "mergeway", over which mergekit passes. Layer groups are
// written as gradients; layers tells how many blocks the model of a recipe has,
// and is asked only if that depends on it. The name may be empty. Inputs are
// documents of their own, before those that name them.
func (r Recipe) YAML(name string, layers func(Recipe) (int, error)) ([]byte, error) {
	if err := r.Validate(); err != nil {
		return nil, err
	}
	w := yamlWriter{value: yamlNumber}
	if err := w.documents(r, name, layers); err != nil {
		return nil, err
	}
	return w.out.Bytes(), nil
}

// document writes one recipe, whose inputs have the names of their content.
func (w *yamlWriter) document(r Recipe, name string) error {
	r = r.settled()
	w.groups = r.Groups
	if name != "" {
		w.line(0, "name: %s", yamlText(name))
	}
	if r.Method == Dataflow {
		w.line(0, "merge_method: %s", Passthrough)
	} else {
		w.line(0, "merge_method: %s", r.Method)
	}
	if r.Base != "" {
		w.line(0, "base_model: %s", yamlText(r.Base))
	}
	if r.Method == Dataflow {
		w.path(r)
		return nil
	}
	c := methods[r.Method]
	if len(r.Slices) > 0 {
		if err := w.slices(r, c); err != nil {
			return err
		}
	} else if err := w.models(r, c); err != nil {
		return err
	}
	if err := w.shared(r, c); err != nil {
		return err
	}
	w.line(0, "dtype: float32")
	w.line(0, "out_dtype: %s", r.DType)
	w.tokenizer(r.Tokenizer)
	if r.ChatTemplate != "" {
		w.line(0, "chat_template: %s", yamlText(r.ChatTemplate))
	}
	w.extension(r)
	return nil
}

// models writes what is merged as a whole.
func (w *yamlWriter) models(r Recipe, c choices) error {
	w.line(0, "models:")
	lends := r.Method == Linear
	for _, s := range r.Sources {
		lends = lends && s.Model != r.Base
	}
	if lends { // mergekit takes it for one of the models
		r.Sources = append(slices.Clone(r.Sources), Source{Model: r.Base, Weight: Numbers(0)})
	}
	for _, s := range r.Sources {
		w.line(1, "- model: %s", yamlText(s.Model))
		if err := w.own(2, s, c); err != nil {
			return err
		}
	}
	return nil
}

// own writes the parameters of a source.
func (w *yamlWriter) own(depth int, s Source, c choices) error {
	if len(c.ownNames()) > 0 {
		w.line(depth, "parameters:")
	}
	for _, p := range c.ownNames() {
		if err := w.setting(depth+1, p, s.get(c, p)); err != nil {
			return err
		}
	}
	return nil
}

// shared writes the parameters of the whole merge.
func (w *yamlWriter) shared(r Recipe, c choices) error {
	parameters := c.wholeMerge()
	if len(r.Slices) > 0 { // with each of which the others stand
		parameters = c.each()
	}
	if len(parameters) == 0 && len(c.spanNames()) == 0 {
		return nil
	}
	w.line(0, "parameters:")
	fields := map[string]Setting{lambdaName: Numbers(r.Lambda), normalizeName: Numbers(truth(r.Normalize)), rescaleName: Numbers(truth(r.Rescale != RescaleNone))}
	for _, q := range parameters {
		s := r.Parameters[q.name]
		if s.IsZero() {
			s = fields[q.name]
		}
		if err := w.parameter(1, q, c, s); err != nil {
			return err
		}
	}
	for _, p := range c.spanNames() {
		switch p {
		case "nuslerp_flatten":
			w.line(1, "nuslerp_flatten: %t", r.Span == SpanTensor)
		case "nuslerp_row_wise":
			w.line(1, "nuslerp_row_wise: %t", r.Span == SpanColumns)
		case "filter_wise":
			w.line(1, "filter_wise: %t", r.Span == SpanRows)
		}
	}
	return nil
}

// yamlWriter writes lines.
type yamlWriter struct {
	out    bytes.Buffer
	groups Grouping            // of the recipe that is being written
	layers func() (int, error) // how many blocks its models have
	value  func(float64) string
}

func (w *yamlWriter) line(depth int, format string, args ...any) {
	w.out.WriteString(strings.Repeat("  ", depth))
	fmt.Fprintf(&w.out, format, args...)
	w.out.WriteByte('\n')
}

// parameter writes a parameter of the whole merge, or of a slice.
func (w *yamlWriter) parameter(depth int, q parameter, c choices, s Setting) error {
	if q.switches {
		w.value = func(v float64) string { return strconv.FormatBool(v != 0) }
		defer func() { w.value = yamlNumber }()
	}
	return w.setting(depth, c.yamlName(q), s)
}

// setting writes one parameter, unless it is left to its default.
func (w *yamlWriter) setting(depth int, name string, s Setting) error {
	switch {
	case s.IsZero():
		return nil
	case len(s.Values) == 1:
		w.line(depth, "%s: %s", name, w.value(s.Values[0]))
		return nil
	case len(s.Values) > 1:
		layers := len(s.Values) - 2 // by blocks
		if w.groups == Halves || w.groups.run() > 1 {
			var err error
			if layers, err = w.layers(); err != nil {
				return err
			}
			if n := w.groups.Count(layers); n != len(s.Values) {
				return fault.Bad("groups", "%d values for the %d layer groups of grouping %q in a model of %d blocks", len(s.Values), n, string(w.groups), layers)
			}
		}
		s.Rules = unfoldGroups(s.Values, w.groups, layers)
	}
	if len(s.Rules) == 1 && s.Rules[0].Filter == "" {
		w.line(depth, "%s: %s", name, w.gradient(s.Rules[0].Gradient))
		return nil
	}
	w.line(depth, "%s:", name)
	for _, r := range s.Rules {
		if r.Filter == "" {
			w.line(depth+1, "- value: %s", w.gradient(r.Gradient))
			continue
		}
		w.line(depth+1, "- filter: %s", yamlText(r.Filter))
		w.line(depth+2, "value: %s", w.gradient(r.Gradient))
	}
	return nil
}

// extension writes what mergekit has no words for, if there is any of it.
func (w *yamlWriter) extension(r Recipe) {
	var lines []string
	if r.Rescale == RescaleDensity || r.Rescale == RescaleL2 {
		lines = append(lines, "rescale: "+r.Rescale)
	}
	if r.Consensus != "" {
		lines = append(lines, "consensus: "+r.Consensus)
	}
	if r.Seed != 0 {
		lines = append(lines, "seed: "+strconv.FormatUint(r.Seed, 10))
	}
	if r.Groups != WholeModel {
		lines = append(lines, "groups: "+string(r.Groups))
	}
	if r.Vision != "" {
		lines = append(lines, "vision: "+yamlText(r.Vision))
	}
	if len(lines) == 0 {
		return
	}
	w.line(0, "%s:", extensionKey)
	for _, line := range lines {
		w.line(1, "%s", line)
	}
}

// gradient writes a value, or a list of them.
func (w *yamlWriter) gradient(values []float64) string {
	if len(values) == 1 {
		return w.value(values[0])
	}
	texts := make([]string, len(values))
	for i, v := range values {
		texts[i] = w.value(v)
	}
	return "[" + strings.Join(texts, ", ") + "]"
}

// yamlNumber writes a number so that YAML 1.1, too, takes it for one: with a dot
// if it has an exponent.
func yamlNumber(v float64) string {
	text := strconv.FormatFloat(v, 'g', -1, 64)
	if mantissa, exponent, ok := strings.Cut(text, "e"); ok && !strings.Contains(mantissa, ".") {
		return mantissa + ".0e" + exponent
	}
	return text
}

// plainText is what no version of YAML takes for anything but text.
var plainText = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9._/-]*$`)

// yamlText writes text, in quotes where it may be taken for something else.
func yamlText(s string) string {
	if plainText.MatchString(s) {
		switch strings.ToLower(s) {
		case "y", "n", "yes", "no", "on", "off", "true", "false", "null":
		default:
			return s
		}
	}
	quoted, _ := marshal(s) // text always can be
	return string(quoted)
}
