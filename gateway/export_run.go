package gateway

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"path/filepath"

	"github.com/mergeway/mergeway/catalog"
	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/merge"
)

// errExportCancelled is why an export's context ends that somebody has cancelled.
var errExportCancelled = errors.New("the export was cancelled")

// exportNote is what an export keeps beside what it has written, for the process
// that goes on with it.
type exportNote struct {
	ID      string `json:"id"`
	Recipe  string `json:"recipe"`
	Folder  string `json:"folder"`
	Force   bool   `json:"force"`
	Created int64  `json:"created"`
}

// beginExport begins an export, which goes on in the background.
func (g *Gateway) beginExport(e Export, dir string, force bool, scores []merge.CardScore) error {
	note, err := json.Marshal(exportNote{e.ID, e.Recipe, e.Folder, force, e.Created})
	if err != nil {
		return fault.Wrap(err, fault.Internal, "describe an export")
	}
	ctx, err := g.exports.begin(context.Background(), e, dir)
	if err != nil {
		return err
	}
	go g.runExport(ctx, e, catalog.ExportOptions{
		Dir: dir, Replace: force, Scores: scores, Note: note,
		Progress: func(written, total int64) { g.exports.progress(e.ID, written, total) },
	})
	return nil
}

// runExport does the work of an export, until it ends, is cancelled, or the server
// ends.
func (g *Gateway) runExport(ctx context.Context, e Export, o catalog.ExportOptions) {
	ctx, suspend := context.WithCancelCause(ctx)
	defer suspend(nil)
	defer context.AfterFunc(g.drained, func() { suspend(merge.ErrSuspended) })()
	err := safely(func() error { return g.catalog.Export(ctx, e.Recipe, o) })
	log := g.log.With("export", e.ID, "recipe", e.Recipe, "folder", o.Dir)
	switch cause := context.Cause(ctx); {
	case err == nil:
		log.Info("model exported")
		g.exports.end(e.ID, ExportCompleted, nil)
	case errors.Is(cause, errExportCancelled):
		log.Info("an export was cancelled")
		g.tidy(log, merge.DiscardExport(o.Dir))
		g.exports.end(e.ID, ExportCancelled, nil)
	case errors.Is(cause, merge.ErrSuspended):
		log.Warn("an export was cut off; it goes on at the next start")
		_, reply := explain(errDraining(), e.ID)
		g.exports.end(e.ID, ExportSuspended, &reply.Error)
	default:
		log.Error("an export failed", "error", err)
		g.tidy(log, merge.LeaveExport(o.Dir))
		_, reply := explain(err, e.ID)
		g.exports.end(e.ID, ExportFailed, &reply.Error)
	}
}

// tidy notes what could not be put away after an export.
func (g *Gateway) tidy(log *slog.Logger, err error) {
	if err != nil {
		log.Warn("what an export has written could not be put away", "error", err)
	}
}

// ContinueExports goes on with the exports that this server, or one with the same
// folder for them, was at work on when it ended. To be called once, at the start.
func (g *Gateway) ContinueExports(ctx context.Context) error {
	if g.exportsDir == "" {
		return nil
	}
	left, err := merge.LeftExports(g.exportsDir)
	if err != nil {
		return err
	}
	for _, l := range left {
		var note exportNote
		if err := json.Unmarshal(l.Note, &note); err != nil || note.Folder != filepath.Base(l.Dir) {
			g.log.Warn("what an export has left can't be understood", "folder", l.Dir)
			continue
		}
		if err := g.continueExport(ctx, note, l.Dir); err != nil {
			g.log.Warn("an export that was cut off does not go on", "export", note.ID, "folder", l.Dir, "error", err)
		}
	}
	return nil
}

// continueExport goes on with one.
func (g *Gateway) continueExport(ctx context.Context, note exportNote, dir string) error {
	stored, err := g.catalog.GetRecipe(ctx, note.Recipe)
	if fault.CodeOf(err) == fault.NotFound {
		return errors.Join(err, merge.DiscardExport(dir))
	}
	if err != nil {
		return err
	}
	scores, err := g.exportScores(ctx, stored)
	if err != nil {
		return err
	}
	return g.beginExport(Export{
		ID: note.ID, Object: "export", Recipe: stored.ID, Folder: note.Folder, State: ExportRunning, Created: note.Created,
	}, dir, note.Force, scores)
}
