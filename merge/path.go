package merge

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"

	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/infer"
	"github.com/mergeway/mergeway/infer/checkpoint"
)

// MaxHops is the longest path. The paper's is one of 192 places at the most.
const MaxHops = 1024

// The bounds of a hop's scale. What is far from 1 makes the rest of the path
// deaf, to the blocks before the hop or to the embeddings.
const (
	minHopScale = 1e-4
	maxHopScale = 1e4
)

// Hop is one step of a path: a block of one of the models.
type Hop struct {
	// Model is whose block it is.
	Model string `json:"model"`
	// Layer is which of its blocks, counted from 0.
	Layer int `json:"layer"`
	// Scale is what the whole residual stream is multiplied by when it comes to the
	// block, before anything else is done with it. It may be negative; 0 stands for
	// 1, as it is.
	Scale float64 `json:"scale,omitempty"`
}

// scale is what the stream is multiplied by.
func (h Hop) scale() float64 {
	if h.Scale == 0 {
		return 1
	}
	return h.Scale
}

// scaled reports whether the stream is multiplied by anything on its way.
func (r Recipe) scaled() bool {
	return slices.ContainsFunc(r.Path, func(h Hop) bool { return h.scale() != 1 })
}

// parsePath reads the hops of a path that stands somewhere.
func parsePath(list []json.RawMessage, where string) ([]Hop, error) {
	if len(list) > MaxHops {
		return nil, tooLong(where, len(list))
	}
	var path []Hop
	for i, data := range list {
		at := fmt.Sprintf("%s[%d]", where, i)
		f, err := object(data, at, "model", "layer", "scale")
		if err != nil {
			return nil, err
		}
		for _, key := range []string{"model", "layer"} {
			if !f.has(key) {
				return nil, fault.Bad(f.path(key), "a hop needs a %s: which block of which model it is", key)
			}
		}
		var h Hop
		if err := f.read("model", &h.Model); err != nil {
			return nil, err
		}
		if err := f.read("layer", &h.Layer); err != nil {
			return nil, err
		}
		if err := f.read("scale", &h.Scale); err != nil {
			return nil, err
		}
		if f.has("scale") && h.Scale == 0 {
			return nil, fault.Bad(f.path("scale"), "scale 0 would forget all that came before the hop")
		}
		path = append(path, h)
	}
	return path, nil
}

func tooLong(where string, hops int) error {
	return fault.Bad(where, "a path of %d hops: at most %d", hops, MaxHops)
}

// validatePath is Validate for a path. What belongs to merges is refused by name.
func (r Recipe) validatePath() error {
	for _, f := range []struct {
		field string
		given bool
	}{
		{"sources", len(r.Sources) > 0}, {"parameters", len(r.Parameters) > 0}, {"normalize", r.Normalize},
		{"lambda", r.Lambda != 0 && r.Lambda != 1}, {"rescale", r.Rescale != ""}, {"consensus", r.Consensus != ""},
		{"seed", r.Seed != 0}, {"span", r.Span != ""}, {"groups", r.Groups != "" && r.Groups != WholeModel},
		{"dtype", r.DType != ""}, {"tokenizer", r.Tokenizer != nil}, {"chat_template", r.ChatTemplate != ""},
	} {
		if f.given {
			return fault.Bad(f.field, "%q merges no weights, and takes no %s: its blocks are used as they are", string(Dataflow), f.field)
		}
	}
	if r.Base == "" {
		return fault.Bad("base_model", "%q needs a base_model, which lends embeddings, final norm, head and tokenizer", string(Dataflow))
	}
	if err := CheckModel("base_model", r.Base); err != nil {
		return err
	}
	switch {
	case len(r.Path) == 0:
		return fault.Bad("path", "%q needs a path of at least one hop", string(Dataflow))
	case len(r.Path) > MaxHops:
		return tooLong("path", len(r.Path))
	}
	if err := r.validateVision(); err != nil {
		return err
	}
	models := map[string]bool{r.Base: true}
	for i, h := range r.Path {
		at := fmt.Sprintf("path[%d].", i)
		if err := CheckModel(at+"model", h.Model); err != nil {
			return err
		}
		if models[h.Model] = true; len(models) > MaxSources {
			return fault.Bad(at+"model", "a path through more than %d models", MaxSources)
		}
		if h.Layer < 0 || h.Layer >= MaxHops {
			return fault.Bad(at+"layer", "layer %d: blocks are counted from 0", h.Layer)
		}
		if s := math.Abs(h.scale()); !(s >= minHopScale && s <= maxHopScale) { // also refuses NaN
			return fault.Bad(at+"scale", "scale %v is not between %g and %g in size", h.Scale, minHopScale, maxHopScale)
		}
	}
	return nil
}

// pathOnly refuses a path beside a method that merges.
func (r Recipe) pathOnly() error {
	if len(r.Path) > 0 {
		return fault.Bad("path", "%q merges weights: only %q takes a path", string(r.Method), string(Dataflow))
	}
	return nil
}

// lay makes the model of a path: of its models' weights, none of which is copied.
func (x *Executor) lay(r Recipe, models map[string]Model) (*infer.Weights, error) {
	models = withInputs(r, models)
	configs, weights := map[string]checkpoint.Config{}, map[string]*infer.Weights{}
	for name, m := range models {
		w, resident := m.(*infer.Weights)
		if !resident {
			return nil, fault.New(fault.OutOfMemory, "the models of a path have to be on the device together, and %q is not", name)
		}
		configs[name], weights[name] = w.Config(), w
	}
	if err := CheckFit(r, configs); err != nil {
		return nil, err
	}
	hops := make([]infer.Hop, len(r.Path))
	for i, h := range r.Path {
		hops[i] = infer.Hop{Weights: weights[h.Model], Layer: h.Layer, Scale: float32(h.scale())}
	}
	return infer.NewPath(r.Config(configs), x.dev, weights[r.Base], hops)
}

// canonicalPath is the one form of a path: every scale is written out.
func (r Recipe) canonicalPath() map[string]any {
	path := make([]map[string]any, len(r.Path))
	for i, h := range r.Path {
		path[i] = map[string]any{"model": h.Model, "layer": h.Layer, "scale": h.scale()}
	}
	object := map[string]any{"method": Dataflow, "base_model": r.Base, "path": path}
	if r.Vision != "" {
		object["vision"] = r.Vision
	}
	return object
}
