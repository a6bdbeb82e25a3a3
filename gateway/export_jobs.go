package gateway

import (
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
	all []*Export // the oldest first
}

// begin notes a new export, unless as many run as may.
func (j *exportJobs) begin(recipe, folder string) (Export, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	running := 0
	for _, e := range j.all {
		if e.State == ExportRunning {
			running++
		}
	}
	if running >= j.limit {
		return Export{}, fault.New(fault.Busy, "%d exports are running, which is as many as may: GET /v1/exports tells how far they are", running)
	}
	var id [8]byte
	_, _ = rand.Read(id[:]) // it never fails
	e := &Export{
		ID: "export-" + hex.EncodeToString(id[:]), Object: "export", Recipe: recipe, Folder: folder,
		State: ExportRunning, Created: time.Now().Unix(),
	}
	j.all = append(j.all, e)
	return *e, nil
}

// progress notes how many bytes of an export are written.
func (j *exportJobs) progress(id string, written, total int64) {
	j.change(id, func(e *Export) { e.Bytes, e.TotalBytes = written, total })
}

// end notes that an export is over, and forgets the oldest that are.
func (j *exportJobs) end(id string, state ExportState, problem *ErrorBody) {
	j.change(id, func(e *Export) { e.State, e.Error, e.Finished = state, problem, time.Now().Unix() })
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

func (j *exportJobs) change(id string, change func(*Export)) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, e := range j.all {
		if e.ID == id {
			change(e)
		}
	}
}

// get gives one export as it is now.
func (j *exportJobs) get(id string) (Export, error) {
	for _, e := range j.list() {
		if e.ID == id {
			return e, nil
		}
	}
	return Export{}, fault.New(fault.NotFound, "there is no export %q", clip(id, 80))
}

// list gives all exports, the latest first.
func (j *exportJobs) list() []Export {
	j.mu.Lock()
	defer j.mu.Unlock()
	list := make([]Export, 0, len(j.all))
	for _, e := range slices.Backward(j.all) {
		list = append(list, *e)
	}
	return list
}
