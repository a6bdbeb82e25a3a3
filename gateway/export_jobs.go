package gateway

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"slices"
	"sync"
	"time"

	"github.com/mergeway/mergeway/fault"
)

// exportJobs are the exports of this process: those that run, and the latest of
// those that have ended.
type exportJobs struct {
	limit int // running
	kept  int // ended

	mu  sync.Mutex
	all []*exportJob // the oldest first
}

// exportJob is an export and what can be done about it.
type exportJob struct {
	Export
	dir    string
	cancel context.CancelCauseFunc
	ended  chan struct{} // closed when it has
}

// newExportID draws the id of an export.
func newExportID() string {
	var id [8]byte
	_, _ = rand.Read(id[:]) // it never fails
	return "export-" + hex.EncodeToString(id[:])
}

// begin notes an export that runs from now on, and gives the context that it runs
// in, unless as many run as may.
func (j *exportJobs) begin(ctx context.Context, e Export, dir string) (context.Context, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	running := 0
	for _, other := range j.all {
		if other.ID == e.ID {
			return nil, fault.New(fault.Conflict, "export %s is known already", e.ID)
		}
		if other.State == ExportRunning {
			running++
		}
	}
	if running >= j.limit {
		return nil, fault.New(fault.Busy, "%d exports are running, which is as many as may: GET /v1/exports tells how far they are", running)
	}
	ctx, cancel := context.WithCancelCause(ctx)
	j.all = append(j.all, &exportJob{Export: e, dir: dir, cancel: cancel, ended: make(chan struct{})})
	return ctx, nil
}

// progress notes how many bytes of an export are written.
func (j *exportJobs) progress(id string, written, total int64) {
	j.change(id, func(e *exportJob) { e.Bytes, e.TotalBytes = written, total })
}

// end notes that an export is over, and forgets the oldest that are.
func (j *exportJobs) end(id string, state ExportState, problem *ErrorBody) {
	j.change(id, func(e *exportJob) {
		e.State, e.Error, e.Finished = state, problem, time.Now().Unix()
		e.cancel(nil) // nobody is left to hear of it
		close(e.ended)
	})
	j.mu.Lock()
	defer j.mu.Unlock()
	ended := 0
	for i := len(j.all) - 1; i >= 0; i-- {
		if j.all[i].State == ExportRunning {
			continue
		}
		if ended++; ended > j.kept {
			j.all = slices.Delete(j.all, i, i+1)
		}
	}
}

// cancelled notes that what a failed export has left is gone.
func (j *exportJobs) cancelled(id string) {
	j.change(id, func(e *exportJob) { e.State = ExportCancelled })
}

func (j *exportJobs) change(id string, change func(*exportJob)) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, e := range j.all {
		if e.ID == id {
			change(e)
		}
	}
}

// get gives one export as it is now.
func (j *exportJobs) get(id string) (exportJob, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, e := range j.all {
		if e.ID == id {
			return *e, nil
		}
	}
	return exportJob{}, fault.New(fault.NotFound, "there is no export %q", clip(id, 80))
}

// list gives all exports, the latest first.
func (j *exportJobs) list() []Export {
	j.mu.Lock()
	defer j.mu.Unlock()
	list := make([]Export, 0, len(j.all))
	for _, e := range slices.Backward(j.all) {
		list = append(list, e.Export)
	}
	return list
}
