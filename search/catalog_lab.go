package search

import (
	"context"
	"errors"
	"time"

	"github.com/mergeway/mergeway/catalog"
	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/infer"
	"github.com/mergeway/mergeway/infer/checkpoint"
	"github.com/mergeway/mergeway/merge"
	"github.com/mergeway/mergeway/search/task"
	"github.com/mergeway/mergeway/store"
)

// Catalog is what a CatalogLab needs of a catalog.Catalog.
type Catalog interface {
	Fit(ctx context.Context, r merge.Recipe) (checkpoint.Config, error)
	Merge(ctx context.Context, r merge.Recipe) (*catalog.Lease, error)
	Acquire(ctx context.Context, name string) (*catalog.Lease, error)
	Expand(ctx context.Context, r merge.Recipe) (merge.Recipe, error)
	PutRecipe(ctx context.Context, name string, r merge.Recipe) (store.Recipe, error)
	CheckAlias(ctx context.Context, alias string) error
	SetAlias(ctx context.Context, alias, target string, only ...catalog.Condition) (store.Alias, error)
}

// Engine is what a CatalogLab needs of an infer.Engine.
type Engine interface {
	Generate(ctx context.Context, m *infer.Model, rs []infer.Request) ([]infer.Result, error)
	Beam(ctx context.Context, m *infer.Model, r infer.Request, o infer.BeamOptions) ([]infer.Result, error)
}

// CatalogLab is the Lab that merges and asks on the device.
type CatalogLab struct {
	catalog Catalog
	engine  Engine
	album   album
	sightOf func(m *infer.Model) sight // nil if it reads text alone
}

var _ Lab = (*CatalogLab)(nil)

// NewCatalogLab makes a Lab of a catalog and an engine.
func NewCatalogLab(c Catalog, e Engine) *CatalogLab {
	return &CatalogLab{catalog: c, engine: e, album: newAlbum(DefaultPictureBytes), sightOf: sightOf}
}

// KeepPictures says how many bytes of the pictures of tasks are kept as models see
// them, instead of [DefaultPictureBytes]. It is for the beginning.
func (l *CatalogLab) KeepPictures(bytes int) { l.album = newAlbum(bytes) }

// Width implements [Lab]: one device, one candidate.
func (l *CatalogLab) Width(context.Context) int { return 1 }

// Fit implements [Lab].
func (l *CatalogLab) Fit(ctx context.Context, r merge.Recipe) (layers int, err error) {
	config, err := l.catalog.Fit(ctx, r)
	return config.NumHiddenLayers, err
}

// Expand implements [Lab].
func (l *CatalogLab) Expand(ctx context.Context, r merge.Recipe) (merge.Recipe, error) {
	return l.catalog.Expand(ctx, r)
}

// CheckAlias implements [Lab].
func (l *CatalogLab) CheckAlias(ctx context.Context, alias string) error {
	err := l.catalog.CheckAlias(ctx, alias)
	var f *fault.Error
	if errors.As(err, &f) && (f.Code == fault.Conflict || f.Code == fault.Invalid) {
		return &fault.Error{Code: f.Code, Param: "alias", Message: f.Message, Err: f.Err}
	}
	return err
}

// Evaluate implements [Lab].
func (l *CatalogLab) Evaluate(ctx context.Context, r merge.Recipe, t *task.Task, problems []task.Problem) (Evaluation, error) {
	began := time.Now()
	return l.ask(ctx, began, func() (*catalog.Lease, error) { return l.catalog.Merge(ctx, r) }, func(l *CatalogLab, m *infer.Model) ([]task.Outcome, error) {
		return l.answer(ctx, m, t, problems)
	})
}

// EvaluateModel implements [Lab]. A model that reads text alone gets wrong what is
// about pictures: it may be a source of a model that sees, and is compared with it.
func (l *CatalogLab) EvaluateModel(ctx context.Context, name string, t *task.Task, problems []task.Problem) (Evaluation, error) {
	began := time.Now()
	return l.ask(ctx, began, func() (*catalog.Lease, error) { return l.catalog.Acquire(ctx, name) }, func(l *CatalogLab, m *infer.Model) ([]task.Outcome, error) {
		return l.answerBlind(ctx, m, t, problems)
	})
}

// ask gets hold of a model and lets it answer, with a lab that counts tokens.
func (l *CatalogLab) ask(ctx context.Context, began time.Time, get func() (*catalog.Lease, error), answer func(l *CatalogLab, m *infer.Model) ([]task.Outcome, error)) (Evaluation, error) {
	lease, err := get()
	if err != nil {
		return Evaluation{}, err
	}
	defer lease.Release()
	e := Evaluation{Merge: time.Since(began)}
	began = time.Now()
	counting, lab := &countingEngine{Engine: l.engine}, *l
	lab.engine = counting
	if e.Outcomes, err = answer(&lab, lease.Model); err != nil {
		return Evaluation{}, err
	}
	e.Tokens = counting.tokens
	e.Answer = time.Since(began)
	return e, nil
}

// Publish implements [Lab]. The winner is merged before its alias is moved, so
// that the alias never stands for a model that isn't there yet.
func (l *CatalogLab) Publish(ctx context.Context, name string, r merge.Recipe, alias string) (string, error) {
	stored, err := l.catalog.PutRecipe(ctx, name, r)
	if err != nil {
		return "", err
	}
	lease, err := l.catalog.Acquire(ctx, stored.ID)
	if err != nil {
		return "", err
	}
	defer lease.Release()
	if alias != "" {
		if _, err := l.catalog.SetAlias(ctx, alias, stored.ID); err != nil {
			return "", err
		}
	}
	return stored.ID, nil
}
