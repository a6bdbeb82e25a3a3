package merge

import (
	"context"
	"sync"

	"github.com/gomlx/gomlx/core/tensors"

	"github.com/mergeway/mergeway/infer/device"
)

// feed puts the tensors of a model that is not on the device there, unit by unit.
type feed struct {
	model Stored
	operand
}

// upload puts those of a unit's tensors on the device that are not there. What has
// been put there is to be freed with free, also beside an error.
func (f feed) upload(ctx context.Context, u unit) error {
	for t := u.from; t < u.to; t++ {
		if f.number(t) == notFed || f.tensors[t] != nil {
			continue
		}
		var err error
		if f.tensors[t], err = f.model.Upload(ctx, f.number(t)); err != nil {
			return err
		}
	}
	return nil
}

// look finds those of a unit's tensors that can be read where they lie, which free
// lets go of. The others are still to be uploaded.
func (f feed) look(ctx context.Context, u unit) error {
	model, ok := f.model.(Mapped)
	if !ok {
		return nil
	}
	for t := u.from; t < u.to; t++ {
		if f.number(t) == notFed {
			continue
		}
		m, ok, err := model.Map(ctx, f.number(t))
		if err != nil {
			return err
		}
		if ok {
			f.mapped[t] = m
		}
	}
	return nil
}

// free frees a unit's tensors.
func (f feed) free(u unit) {
	device.Free(f.tensors[u.from:u.to]...)
	clear(f.tensors[u.from:u.to])
	if model, ok := f.model.(Mapped); ok {
		for t := u.from; t < u.to; t++ {
			if f.mapped[t].Data != nil {
				model.Unmap(f.number(t))
			}
		}
		clear(f.mapped[u.from:u.to])
	}
}

// stream merges units one after the other. Where operands are fed, the next unit's
// tensors are read while one is merged, and one is merged while the one before it
// is used; the device then holds two units at most, of what is fed and of what is
// merged.
type stream struct {
	x       *Executor
	job     job
	order   []unit // to be merged
	ctx     context.Context
	stop    context.CancelFunc
	merged  chan mergedUnit // nil if next does all the work
	working sync.WaitGroup
}

// mergedUnit are a unit's tensors, or why there are none.
type mergedUnit struct {
	tensors []*tensors.Tensor
	err     error
}

// stream begins to merge a job's units in the given order, ahead of what is asked
// for if that saves time.
func (x *Executor) stream(ctx context.Context, j job, order []unit, ahead bool) *stream {
	s := &stream{x: x, job: j, order: order, ctx: ctx, stop: func() {}}
	if ahead && j.fed() && len(order) > 1 {
		s.ctx, s.stop = context.WithCancel(ctx)
		s.merged = make(chan mergedUnit)
		fed := make(chan error)
		s.working.Go(func() { s.feedAll(fed) })
		s.working.Go(func() { s.mergeAll(fed) })
	}
	return s
}

// next gives the tensors of the next unit. They are the caller's to free.
func (s *stream) next() ([]*tensors.Tensor, error) {
	if s.merged != nil {
		m, ok := <-s.merged
		if !ok {
			return nil, cancelled(s.ctx)
		}
		return m.tensors, m.err
	}
	u := s.order[0]
	s.order = s.order[1:]
	defer s.free(u)
	if err := s.upload(u); err != nil {
		return nil, err
	}
	return s.x.runUnit(s.ctx, s.job, u)
}

// close ends the work and frees what nobody has asked for.
func (s *stream) close() {
	s.stop()
	if s.merged != nil {
		for m := range s.merged {
			device.Free(m.tensors...)
		}
	}
	s.working.Wait()
}

// feedAll uploads unit after unit, and tells of each when somebody listens: one is
// ready while the one before it is merged.
func (s *stream) feedAll(fed chan<- error) {
	defer close(fed)
	for _, u := range s.order {
		err := s.upload(u)
		select {
		case fed <- err:
		case <-s.ctx.Done():
			s.free(u)
			return
		}
		if err != nil {
			return
		}
	}
}

// mergeAll merges what has been uploaded.
func (s *stream) mergeAll(fed <-chan error) {
	defer close(s.merged)
	for _, u := range s.order {
		err, ok := <-fed
		if !ok {
			return // cancelled
		}
		var m mergedUnit
		if m.err = err; err == nil {
			m.err = device.Try("merge", func() (err error) {
				m.tensors, err = s.x.runUnit(s.ctx, s.job, u)
				return err
			})
		}
		s.free(u)
		select {
		case s.merged <- m:
		case <-s.ctx.Done():
			device.Free(m.tensors...)
			return
		}
		if m.err != nil {
			return
		}
	}
}

// upload brings a unit's tensors of all feeds to where they are merged: to the device,
// unless the kernel can read them where they are.
func (s *stream) upload(u unit) error {
	j := s.job.parts[u.part]
	return device.Try("read weights", func() error {
		if s.x.passes(j.program) && !j.aligns(u) {
			for _, f := range j.feeds {
				if err := f.look(s.ctx, u); err != nil {
					return err
				}
			}
			if _, ok, err := s.x.readable(j, u); ok || err != nil {
				return err
			}
		}
		for _, f := range j.feeds {
			if err := f.upload(s.ctx, u); err != nil {
				return err
			}
		}
		return nil
	})
}

// free frees a unit's tensors of all feeds.
func (s *stream) free(u unit) {
	for _, f := range s.job.parts[u.part].feeds {
		f.free(u)
	}
}
