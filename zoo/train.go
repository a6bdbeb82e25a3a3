package zoo

import (
	"context"
	"slices"

	"github.com/gomlx/compute/dtypes/bfloat16"
	"github.com/gomlx/gomlx/core/tensors"

	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/infer/device"
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
	ModelsDir string   // gets a folder for each member of the cast
	TasksDir  string   // gets a folder for each task
	Companies []string // who is trained, of Companies(); nil: all
	// Progress, if set, is called after every step.
	Progress func(Progress)
	// Shorten divides the length of every training, for tests. 0 means 1.
	Shorten int
}

// Train makes the zoo from nothing but fixed seeds: the tasks, then the companies,
// base first. Folders of the same name are overwritten file by file.
func Train(ctx context.Context, o Options) error {
	if err := WriteTasks(o.TasksDir); err != nil {
		return err
	}
	_, kept := drawSplits()
	s := school{options: o, kept: kept, total: totalSteps(o)}
	for _, c := range companies() {
		if !o.trains(c) {
			continue
		}
		if err := s.train(ctx, c); err != nil {
			return err
		}
	}
	return nil
}

// trains tells whether a company is to be trained.
func (o Options) trains(c company) bool {
	return o.Companies == nil || slices.Contains(o.Companies, c.Name)
}

// school is what all trainings share.
type school struct {
	options     Options
	kept        keys // problems that no training text may touch
	done, total int
}

// train makes a company.
func (s *school) train(ctx context.Context, c company) error {
	class, err := newClass(s, c)
	if err != nil {
		return err
	}
	raised := map[string][]*tensors.Tensor{}
	defer func() {
		for _, weights := range raised {
			device.Free(weights...)
		}
	}()
	for _, m := range c.members {
		weights, err := class.raise(ctx, m, raised[m.From])
		if err != nil {
			return fault.Wrap(err, fault.CodeOf(err), "train %s", m.Name)
		}
		raised[m.Name] = weights
		if err := class.write(m, weights); err != nil {
			return err
		}
	}
	return nil
}

// raise trains one member, from the given weights or, if there are none, from
// scratch. It gives weights that bfloat16 holds, which is how they are stored:
// a fine-tune starts from the base as everybody else will see it.
func (c *class) raise(ctx context.Context, m member, from []*tensors.Tensor) ([]*tensors.Tensor, error) {
	s, l, length := c.school, c.lesson(m), c.rowOf(m)
	if from == nil {
		from = initialWeights(l.config, m.seed)
		defer device.Free(from...)
	}
	if l.sight != nil {
		begun := l.begin(from, m.seed)
		defer device.Free(begun...)
		from = begun
	}
	t, err := newTrainer(s.options.Device, l, from, c.rows, length)
	if err != nil {
		return nil, err
	}
	reader := newReader(m.diet, s.kept, m.seed)
	p := &packer{rows: c.rows, length: length, alone: c.alone, view: l.sight.view(), next: func() (document, error) { return c.layout.document(reader.next()) }}
	schedule := m.schedule.shortened(s.options.Shorten)
	for step := range schedule.Steps {
		if err := ctx.Err(); err != nil {
			device.Free(t.finish()...)
			return nil, fault.Wrap(err, fault.Cancelled, "training stopped")
		}
		b, err := p.fill()
		if err != nil {
			return nil, err
		}
		loss, err := t.learn(b, schedule.at(step))
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

// totalSteps is the number of steps that all take who are trained.
func totalSteps(o Options) int {
	total := 0
	for _, c := range companies() {
		for _, m := range c.members {
			if o.trains(c) {
				total += m.schedule.shortened(o.Shorten).Steps
			}
		}
	}
	return total
}
