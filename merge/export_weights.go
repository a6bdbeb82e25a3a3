package merge

import (
	"context"
	"slices"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	"golang.org/x/sys/unix"

	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/infer"
	"github.com/mergeway/mergeway/infer/checkpoint"
	"github.com/mergeway/mergeway/infer/device"
)

// tensorSource gives the tensors of a model that is to be written.
type tensorSource interface {
	// bytesOf gives a tensor's bytes, little-endian and row-major, in the dtype of
	// the files. They stay until the next call.
	bytesOf(name string) ([]byte, error)
	close()
}

// exportWeights writes the files of weights that are not there yet. The tensors
// hold numbers of the files' dtype already, perhaps in a wider one, so that
// narrowing them is exact.
func exportWeights(ctx context.Context, to *exportPlace, shards []checkpoint.Shard, o ExportOptions, open func(wanted []string) tensorSource) error {
	var written, total int64
	var wanted []string
	var missing []checkpoint.Shard
	for _, s := range shards {
		total += bytesOfAll(s.Tensors)
		if _, there := to.state.Files[s.Name]; there {
			written += bytesOfAll(s.Tensors)
			continue
		}
		missing = append(missing, s)
		for _, t := range s.Tensors {
			wanted = append(wanted, t.Name)
		}
	}
	if err := enoughDisk(to.making, total-written); err != nil {
		return err
	}
	report := func() {
		if o.Progress != nil {
			o.Progress(written, total)
		}
	}
	report()
	if len(missing) > 0 {
		from := open(wanted)
		defer from.close()
		for _, s := range missing {
			sum, err := checkpoint.WriteShard(to.making, s, func(info checkpoint.TensorInfo) ([]byte, error) {
				if err := cancelled(ctx); err != nil {
					return nil, err
				}
				report() // of the tensors before this one
				data, err := from.bytesOf(info.Name)
				if err != nil {
					return nil, fault.Wrap(err, fault.CodeOf(err), "tensor %q", info.Name)
				}
				written += info.StoredBytes()
				return data, nil
			})
			if err != nil {
				return unavailable(err, "write the weights")
			}
			report()
			if err := to.wrote(s.Name, sum); err != nil {
				return err
			}
		}
	}
	return unavailable(checkpoint.WriteIndex(to.making, shards), "write the weights")
}

// enoughDisk refuses what can't be written for want of room.
func enoughDisk(dir string, bytes int64) error {
	var fs unix.Statfs_t
	if err := unix.Statfs(dir, &fs); err != nil {
		return nil // it will be seen
	}
	if left := int64(fs.Bavail) * fs.Bsize; left < bytes {
		return fault.New(fault.Unavailable, "the disk is full: %d bytes of weights are to be written, and %d are left", bytes, left)
	}
	return nil
}

// residentTensors are those of weights on the device, read one by one, so that no
// more than one is in host memory.
type residentTensors struct {
	x       *Executor
	weights *infer.Weights
	dtype   dtypes.DType
	last    reading
}

func (s *residentTensors) bytesOf(name string) (data []byte, err error) {
	s.last.free()
	s.last, data, err = s.x.read(s.weights.Tensor(name), s.dtype)
	return data, err
}

func (s *residentTensors) close() { s.last.free() }

// mergedTensors are those of a merge that is done while they are asked for.
type mergedTensors struct {
	x       *Executor
	job     job
	dtype   dtypes.DType
	units   []unit // to be merged, in the order in which they are needed
	stream  *stream
	wanted  map[string]bool
	waiting map[string]*tensors.Tensor // merged and still to be asked for
	whole   *tensors.Tensor            // the one that last was read from
	last    reading
	reused  *reused // nil: what has been read is freed
}

// mergedTensors begins to merge the units that the wanted tensors are in.
func (x *Executor) mergedTensors(ctx context.Context, j job, wanted []string, dtype dtypes.DType, ahead bool) *mergedTensors {
	s := &mergedTensors{x: x, job: j, dtype: dtype, wanted: map[string]bool{}, waiting: map[string]*tensors.Tensor{}}
	of := map[string]int{}
	for i, u := range j.units {
		for _, p := range j.params(u) {
			of[p.Name] = i
		}
	}
	merged := map[int]bool{}
	for _, name := range wanted {
		s.wanted[name] = true
		if i := of[name]; !merged[i] {
			merged[i] = true
			s.units = append(s.units, j.units[i])
		}
	}
	if !slices.ContainsFunc(j.parts, func(p partJob) bool { return !x.passes(p.program) }) {
		s.reused = &reused{}
		for i := range j.parts {
			j.parts[i].reused = s.reused
		}
	}
	s.stream = x.stream(ctx, j, s.units, ahead)
	return s
}

func (s *mergedTensors) bytesOf(name string) (data []byte, err error) {
	s.free()
	for s.waiting[name] == nil {
		if len(s.units) == 0 {
			return nil, fault.New(fault.Internal, "nothing gives it")
		}
		out, err := s.stream.next()
		if err != nil {
			return nil, err
		}
		for i, p := range s.job.params(s.units[0]) {
			if s.wanted[p.Name] {
				s.waiting[p.Name] = out[i]
			} else {
				device.Free(out[i])
			}
		}
		s.units = s.units[1:]
	}
	s.whole = s.waiting[name]
	delete(s.waiting, name)
	s.last, data, err = s.x.read(s.whole, s.dtype)
	return data, err
}

// free frees the tensor that was read last.
func (s *mergedTensors) free() {
	s.last.free()
	if s.reused != nil && s.whole != nil {
		s.reused.put(s.whole)
	} else {
		device.Free(s.whole)
	}
	s.last, s.whole = reading{}, nil
}

func (s *mergedTensors) close() {
	s.stream.close()
	s.free()
	for _, t := range s.waiting {
		device.Free(t)
	}
	if s.reused != nil {
		s.reused.close()
	}
}

// reading is what has to be freed when a tensor has been read.
type reading struct{ tensors []*tensors.Tensor }

func (r reading) free() { device.Free(r.tensors...) }

// read gives a tensor's bytes in a dtype, which stay until the reading is freed.
func (x *Executor) read(t *tensors.Tensor, dtype dtypes.DType) (r reading, data []byte, err error) {
	defer func() {
		if err != nil {
			r.free()
			r = reading{}
		}
	}()
	if t.DType() != dtype {
		type narrowing struct{ to dtypes.DType }
		out, err := x.programs.run(narrowing{dtype}, func(in []*graph.Node) []*graph.Node {
			return []*graph.Node{graph.ConvertDType(in[0], dtype)}
		}, []any{t})
		if err != nil {
			return r, nil, err
		}
		r.tensors = append(r.tensors, out...)
		t = out[0]
	} else if !x.dev.IsCPU() {
		// Not through ConstBytes of the tensor itself: that would leave a copy of it
		// in host memory for as long as it lives.
		if t, err = t.LocalClone(); err != nil {
			return r, nil, fault.Wrap(err, fault.Internal, "read from the device")
		}
		r.tensors = append(r.tensors, t)
	}
	if err = t.ConstBytes(func(raw []byte) { data = raw }); err != nil {
		return r, nil, fault.Wrap(err, fault.Internal, "read from the device")
	}
	return r, data, nil
}
