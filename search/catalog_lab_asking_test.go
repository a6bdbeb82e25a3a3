package search

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mergeway/mergeway/catalog"
	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/infer"
	"github.com/mergeway/mergeway/infer/chat"
	"github.com/mergeway/mergeway/infer/tokenizer"
	"github.com/mergeway/mergeway/merge"
	"github.com/mergeway/mergeway/search/task"
)

// modelCatalog gives out leases of one model, whatever it is asked for.
type modelCatalog struct {
	*fakeCatalog
	model *infer.Model
}

func (c modelCatalog) Merge(ctx context.Context, r merge.Recipe) (*catalog.Lease, error) {
	_, err := c.fakeCatalog.Merge(ctx, r)
	return &catalog.Lease{Model: c.model}, err
}

func (c modelCatalog) Acquire(ctx context.Context, name string) (*catalog.Lease, error) {
	_, err := c.fakeCatalog.Acquire(ctx, name)
	return &catalog.Lease{Model: c.model}, err
}

// fakeEngine gives the same replies to whatever it is asked.
type fakeEngine struct {
	replies []string
	err     error
	asked   []infer.Request
	beams   []infer.BeamOptions
	model   *infer.Model
}

func (e *fakeEngine) Beam(_ context.Context, m *infer.Model, r infer.Request, o infer.BeamOptions) ([]infer.Result, error) {
	e.beams = append(e.beams, o)
	return e.Generate(context.Background(), m, []infer.Request{r})
}

func (e *fakeEngine) Generate(_ context.Context, m *infer.Model, requests []infer.Request) ([]infer.Result, error) {
	e.model, e.asked = m, append(e.asked, requests...)
	if e.err != nil {
		return nil, e.err
	}
	results := make([]infer.Result, len(e.replies))
	for i, text := range e.replies {
		results[i] = infer.Result{Text: text}
	}
	return results, nil
}

// wordsModel is a model without weights whose tokenizer knows the words of the
// task's questions.
func wordsModel(t *testing.T, template string) *infer.Model {
	t.Helper()
	tok, err := tokenizer.FromBytes([]byte(`{"version":"1.0","added_tokens":[],"pre_tokenizer":{"type":"Whitespace"},
		"model":{"type":"WordLevel","vocab":{"?":0,"search":1,"0":2,"1":3,"2":4,"answer":5},"unk_token":"?"}}`))
	require.NoError(t, err)
	tmpl, err := chat.New(template, tok)
	require.NoError(t, err)
	return &infer.Model{Name: "m", Tokenizer: tok, Template: tmpl}
}

func TestACatalogLabAsksInTheModelsOwnWordsAndScoresTheReplies(t *testing.T) {
	sums, err := task.NewLibrary(writeTask(t, t.TempDir()), task.Loader{}).Get(t.Context(), "sums")
	require.NoError(t, err)
	problems := sums.Problems(task.Search)[:3]
	for name, evaluate := range map[string]func(lab *CatalogLab) (Evaluation, error){
		"a recipe": func(lab *CatalogLab) (Evaluation, error) {
			return lab.Evaluate(t.Context(), small().average(), sums, problems)
		},
		"a model": func(lab *CatalogLab) (Evaluation, error) {
			return lab.EvaluateModel(t.Context(), "ja", sums, problems)
		},
		"a model, by its name only": func(lab *CatalogLab) (Evaluation, error) {
			score, e, err := Evaluate(t.Context(), lab, "ja", sums, task.Search, 3)
			require.Equal(t, 2, score.Correct)
			return e, err
		},
	} {
		t.Run(name, func(t *testing.T) {
			model := wordsModel(t, "{% for m in messages %}{{ m.content }} {% endfor %}answer")
			engine := &fakeEngine{replies: []string{"it is 0", "it is 7", "2"}}
			e, err := evaluate(NewCatalogLab(modelCatalog{&fakeCatalog{}, model}, engine))
			require.NoError(t, err)
			var right []bool
			for _, o := range e.Outcomes {
				right = append(right, o.Correct)
			}
			require.Equal(t, []bool{true, false, true}, right)
			require.Same(t, model, engine.model)
			var prompts [][]int32
			for _, r := range engine.asked {
				prompts = append(prompts, r.Prompt)
				require.True(t, r.Background, "users' requests go first")
				require.Equal(t, infer.Sampling{MaxTokens: sums.MaxTokens, Stop: sums.Stop}, r.Sampling, "greedy")
			}
			require.Equal(t, [][]int32{{1, 2, 5}, {1, 3, 5}, {1, 4, 5}}, prompts)
		})
	}
}

func TestACatalogLabPassesOnWhatGoesWrongWhileAsking(t *testing.T) {
	sums, err := task.NewLibrary(writeTask(t, t.TempDir()), task.Loader{}).Get(t.Context(), "sums")
	require.NoError(t, err)
	problems := sums.Problems(task.Search)[:1]

	lab := NewCatalogLab(modelCatalog{&fakeCatalog{}, wordsModel(t, "")}, &fakeEngine{})
	_, err = lab.EvaluateModel(t.Context(), "ja", sums, problems)
	require.Equal(t, fault.Invalid, fault.CodeOf(err))
	require.ErrorContains(t, err, "no chat template")

	gone := errors.New("the device is gone")
	lab = NewCatalogLab(modelCatalog{&fakeCatalog{}, wordsModel(t, "answer")}, &fakeEngine{err: gone})
	_, err = lab.EvaluateModel(t.Context(), "ja", sums, problems)
	require.ErrorIs(t, err, gone)

	_, _, err = Evaluate(t.Context(), lab, "ja", sums, "training", 0)
	require.Equal(t, fault.Invalid, fault.CodeOf(err))
}
