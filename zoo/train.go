package zoo

import (
	"context"
	"path/filepath"

	"github.com/gomlx/compute/dtypes/bfloat16"
	"github.com/gomlx/gomlx/core/tensors"

	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/infer/checkpoint"
	"github.com/mergeway/mergeway/infer/device"
	"github.com/mergeway/mergeway/infer/tokenizer"
)

// Progress says how far training is.
type Progress struct {
	Member      string // who is being trained
	Step, Steps int    // of this member; Step counts from 1
	Done, Total int    // steps of the whole cast
	Loss        float64
}

// Options are what [Train] needs.
type Options struct {
	Device    *device.Device
	ModelsDir string // gets a folder for each member of the cast
	TasksDir  string // gets a folder for each task
	// Progress, if set, is called after every step.
	Progress func(Progress)
	// Shorten divides the length of every training, for tests. 0 means 1.
	Shorten int
}

// Train makes the whole zoo from nothing but fixed seeds: the tasks, then the
// cast, base first. Folders of the same name are overwritten file by file.
func Train(ctx context.Context, o Options) error {
	if err := WriteTasks(o.TasksDir); err != nil {
		return err
	}
	v := castVocabulary()
	tokenizerJSON, err := v.tokenizerJSON()
	if err != nil {
		return fault.Wrap(err, fault.Internal, "render the tokenizer")
	}
	tok, err := tokenizer.FromBytes(tokenizerJSON)
	if err != nil {
		return err
	}
	_, kept := drawSplits()
	s := school{
		options: o, kept: kept, config: castConfig(),
		encode: func(text string) []int32 { return tok.Encode(text, false) },
		total:  totalSteps(o),
	}
	s.config.VocabSize = len(v.tokens)
	raised := map[string][]*tensors.Tensor{}
	defer func() {
		for _, weights := range raised {
			device.Free(weights...)
		}
	}()
	for _, m := range cast {
		weights, err := s.raise(ctx, m, raised[m.From])
		if err != nil {
			return fault.Wrap(err, fault.CodeOf(err), "train %s", m.Name)
		}
		raised[m.Name] = weights
		if err := writeModel(filepath.Join(o.ModelsDir, m.Name), s.config, weights, v); err != nil {
			return err
		}
	}
	return nil
}

// school is what all trainings share.
type school struct {
	options     Options
	kept        keys // problems that no training text may touch
	config      checkpoint.Config
	encode      encoder
	done, total int
}

// raise trains one member, from the given weights or, if there are none, from
// scratch. It gives weights that bfloat16 holds, which is how they are stored:
// a fine-tune starts from the base as everybody else will see it.
func (s *school) raise(ctx context.Context, m member, from []*tensors.Tensor) ([]*tensors.Tensor, error) {
	if from == nil {
		from = initialWeights(s.config, m.seed)
		defer device.Free(from...)
	}
	t, err := newTrainer(s.options.Device, s.config, from, batchRows, batchLength)
	if err != nil {
		return nil, err
	}
	reader := newReader(m.diet, s.kept, m.seed)
	p := &packer{rows: batchRows, length: batchLength, next: func() document { return reader.next().document(s.encode) }}
	schedule := m.schedule.shortened(s.options.Shorten)
	for step := range schedule.Steps {
		if err := ctx.Err(); err != nil {
			device.Free(t.finish()...)
			return nil, fault.Wrap(err, fault.Cancelled, "training stopped")
		}
		loss, err := t.learn(p.fill(), schedule.at(step))
		if err != nil {
			return nil, err
		}
		s.done++
		if s.options.Progress != nil {
			s.options.Progress(Progress{
				Member: m.Name, Step: step + 1, Steps: schedule.Steps,
				Done: s.done, Total: s.total, Loss: float64(loss),
			})
		}
	}
	weights := t.finish()
	defer device.Free(weights...)
	return rounded(weights)
}

// rounded copies weights to the host, rounded to what bfloat16 holds.
func rounded(weights []*tensors.Tensor) ([]*tensors.Tensor, error) {
	out := make([]*tensors.Tensor, len(weights))
	for i, w := range weights {
		values, err := tensors.CopyFlatData[float32](w)
		if err != nil {
			return nil, fault.Wrap(err, fault.Internal, "read trained weights from the device")
		}
		for j, v := range values {
			values[j] = bfloat16.FromFloat32(v).Float32()
		}
		out[i] = tensors.FromFlatDataAndDimensions(values, w.Shape().Dimensions...)
	}
	return out, nil
}

// totalSteps is the number of steps that the whole cast takes.
func totalSteps(o Options) int {
	total := 0
	for _, m := range cast {
		total += m.schedule.shortened(o.Shorten).Steps
	}
	return total
}
