package search

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/infer"
	"github.com/mergeway/mergeway/search/task"
)

// taskOf is a task of some keys and test problems.
func taskOf(t *testing.T, keys, problems string) *task.Task {
	t.Helper()
	x, err := task.Loader{}.Parse(task.Files{YAML: []byte("name: t\n" + keys), Splits: map[task.Split][]byte{task.Test: []byte(problems)}})
	require.NoError(t, err)
	return x
}

// wordEngine finds each token as likely as its id says.
type wordEngine struct {
	fakeEngine
	short bool // gives too few log probabilities
}

func (e *wordEngine) Generate(_ context.Context, _ *infer.Model, requests []infer.Request) ([]infer.Result, error) {
	e.asked = append(e.asked, requests...)
	results := make([]infer.Result, len(requests))
	for i, r := range requests {
		for j, id := range r.Prompt {
			results[i].PromptLogprobs = append(results[i].PromptLogprobs, infer.TokenLogprob{ID: id, Logprob: -float32(id), Known: j > 0})
		}
		if e.short {
			results[i].PromptLogprobs = results[i].PromptLogprobs[1:]
		}
	}
	return results, nil
}

const weighed = `{"id":"a","question":"search","choices":["0 1","2"],"answer":"2"}
{"id":"b","question":"search 0","choices":["1","0 0","answer"],"answer":"answer"}`

func TestACatalogLabWeighsChoices(t *testing.T) {
	for name, c := range map[string]struct {
		keys, template string
		prompts        [][]int32
	}{
		"in a conversation": {"metric: multiple_choice\n", "{% for m in messages %}{{ m.content }} {% endfor %}",
			[][]int32{{1, 2, 3}, {1, 4}, {1, 2, 3}, {1, 2, 2, 2}, {1, 2, 5}}},
		"in a text": {"metric: multiple_choice\nformat: text\nprompt: '{question} '\n", "",
			[][]int32{{1, 2, 3}, {1, 4}, {1, 2, 3}, {1, 2, 2, 2}, {1, 2, 5}}},
	} {
		t.Run(name, func(t *testing.T) {
			engine := &wordEngine{}
			x := taskOf(t, c.keys, weighed)
			lab := NewCatalogLab(modelCatalog{&fakeCatalog{}, wordsModel(t, c.template)}, engine)
			e, err := lab.EvaluateModel(t.Context(), "ja", x, x.Problems(task.Test))
			require.NoError(t, err)
			var prompts [][]int32
			for _, r := range engine.asked {
				prompts = append(prompts, r.Prompt)
				require.True(t, r.Background && r.PromptLogprobs && r.NoReply)
			}
			require.Equal(t, c.prompts, prompts)
			// "0 1" costs 2+3, "2" costs 4; "1" costs 3, "0 0" 2+2, "answer" 5.
			require.Equal(t, []string{"2", "1"}, []string{e.Outcomes[0].Extracted, e.Outcomes[1].Extracted})
			require.Equal(t, []bool{true, false}, []bool{e.Outcomes[0].Correct, e.Outcomes[1].Correct})
		})
	}
}

func TestACatalogLabRefusesWhatItCantWeigh(t *testing.T) {
	x := taskOf(t, "metric: multiple_choice\nformat: text\n", `{"id":"a","question":"q","choices":[" ","2"],"answer":"2"}`)
	lab := NewCatalogLab(modelCatalog{&fakeCatalog{}, wordsModel(t, "")}, &wordEngine{})
	_, err := lab.EvaluateModel(t.Context(), "ja", x, x.Problems(task.Test))
	require.ErrorContains(t, err, "problem a")
	require.ErrorContains(t, err, "adds no token")
	require.Equal(t, fault.Invalid, fault.CodeOf(err))

	y := taskOf(t, "metric: multiple_choice\nformat: text\nprompt: '{question} '\n", weighed)
	lab = NewCatalogLab(modelCatalog{&fakeCatalog{}, wordsModel(t, "")}, &wordEngine{short: true})
	_, err = lab.EvaluateModel(t.Context(), "ja", y, y.Problems(task.Test))
	require.Equal(t, fault.Internal, fault.CodeOf(err))
}

func TestACatalogLabDecodesAsTheTaskSays(t *testing.T) {
	x := taskOf(t, "metric: exact_match\nformat: text\nbeams: 5\nlength_penalty: 0.5\nrepetition_penalty: 1.5\nmax_tokens: 9\nstop: [x]\n",
		`{"id":"a","question":"search","answer":"it"}`+"\n"+`{"id":"b","question":"2","answer":"it"}`)
	engine := &fakeEngine{replies: []string{"it", "worse"}}
	lab := NewCatalogLab(modelCatalog{&fakeCatalog{}, wordsModel(t, "")}, engine)
	e, err := lab.EvaluateModel(t.Context(), "ja", x, x.Problems(task.Test))
	require.NoError(t, err)
	require.True(t, e.Outcomes[0].Correct && e.Outcomes[1].Correct)
	require.Equal(t, []infer.BeamOptions{{Width: 5, LengthPenalty: 0.5}, {Width: 5, LengthPenalty: 0.5}}, engine.beams)
	for i, prompt := range [][]int32{{1}, {4}} {
		require.Equal(t, infer.Request{
			Prompt: prompt, Background: true, Continues: true,
			Sampling: infer.Sampling{MaxTokens: 9, Stop: []string{"x"}, RepetitionPenalty: 1.5},
		}, engine.asked[i])
	}
}
