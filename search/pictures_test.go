package search

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	"image/png"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/infer"
	"github.com/mergeway/mergeway/infer/chat"
	"github.com/mergeway/mergeway/infer/checkpoint"
	"github.com/mergeway/mergeway/infer/picture"
	"github.com/mergeway/mergeway/infer/tokenizer"
	"github.com/mergeway/mergeway/search/task"
)

// imageToken stands for pictures in the prompts of a seeingModel.
const imageToken = 6

// fakeSight prepares a picture as one tile, with a token for each column of pixels.
type fakeSight struct {
	id       string
	prepared *[]int // widths, one for each picture that was prepared
	err      error
}

func (s fakeSight) ID() string { return s.id }

func (s fakeSight) Config() checkpoint.VisionConfig {
	return checkpoint.VisionConfig{ImageTokenID: imageToken}
}

func (s fakeSight) Prepare(p *picture.Picture) (*picture.Prepared, error) {
	*s.prepared = append(*s.prepared, p.Width)
	return &picture.Prepared{Hash: p.Hash, Tiles: [][]float32{make([]float32, 3)}, Order: make([]int32, p.Width)}, s.err
}

// seeingModel is a wordsModel whose template writes pictures.
func seeingModel(t *testing.T) *infer.Model {
	t.Helper()
	tok, err := tokenizer.FromBytes([]byte(`{"version":"1.0","added_tokens":[{"id":6,"content":"<image>","special":true,"single_word":false,"lstrip":false,"rstrip":false,"normalized":false}],
		"pre_tokenizer":{"type":"Whitespace"},
		"model":{"type":"WordLevel","vocab":{"?":0,"search":1,"0":2,"1":3,"2":4,"answer":5,"<image>":6},"unk_token":"?"}}`))
	require.NoError(t, err)
	template, err := chat.New("{% for m in messages %}{{ m.content }} {% endfor %}", tok)
	require.NoError(t, err)
	return &infer.Model{Name: "m", Tokenizer: tok, Template: template.Seeing(imageToken)}
}

// seeingLab is a lab of one model, which sees with s; nil: it reads text alone.
func seeingLab(t *testing.T, e Engine, s sight) *CatalogLab {
	t.Helper()
	lab := NewCatalogLab(modelCatalog{&fakeCatalog{}, seeingModel(t)}, e)
	lab.sightOf = func(*infer.Model) sight { return s }
	return lab
}

// columns is a picture of so many columns.
func columns(t *testing.T, n int) []byte {
	t.Helper()
	var out bytes.Buffer
	require.NoError(t, png.Encode(&out, image.NewGray(image.Rect(0, 0, n, 1))))
	return out.Bytes()
}

// pictured is a task of some keys and test problems, with pictures that are called
// after their width.
func pictured(t *testing.T, keys, problems string, widths ...int) *task.Task {
	t.Helper()
	files := task.Files{YAML: []byte("name: t\n" + keys), Splits: map[task.Split][]byte{task.Test: []byte(problems)}, Pictures: map[string][]byte{}}
	for _, w := range widths {
		files.Pictures[fmt.Sprint(w, ".png")] = columns(t, w)
	}
	x, err := task.Loader{}.Parse(files)
	require.NoError(t, err)
	return x
}

const twoPictures = `{"id":"a","question":"search 0","image":"3.png","answer":"it"}
{"id":"b","question":"2","images":["2.png","3.png"],"answer":"it"}
{"id":"c","question":"1","answer":"it"}`

func TestACatalogLabShowsPicturesWhereTheyStand(t *testing.T) {
	x := pictured(t, "metric: exact_match\n", twoPictures, 2, 3)
	engine, prepared := &fakeEngine{replies: []string{"it", "is", "it"}}, []int{}
	lab := seeingLab(t, engine, fakeSight{"v", &prepared, nil})
	e, err := lab.EvaluateModel(t.Context(), "m", x, x.Problems(task.Test))
	require.NoError(t, err)
	require.Equal(t, []bool{true, false, true}, []bool{e.Outcomes[0].Correct, e.Outcomes[1].Correct, e.Outcomes[2].Correct})
	var prompts [][]int32
	var pictures [][]int
	for _, r := range engine.asked {
		prompts = append(prompts, r.Prompt)
		var widths []int
		for _, p := range r.Pictures {
			widths = append(widths, p.Tokens())
		}
		pictures = append(pictures, widths)
	}
	require.Equal(t, [][]int32{{6, 6, 6, 1, 2}, {6, 6, 6, 6, 6, 4}, {3}}, prompts)
	require.Equal(t, [][]int{{3}, {2, 3}, nil}, pictures)
	require.Equal(t, []int{3, 2}, prepared, "what is shown twice is prepared once")

	for range 3 {
		_, err = lab.Evaluate(t.Context(), small().average(), x, x.Problems(task.Test))
		require.NoError(t, err)
	}
	require.Equal(t, []int{3, 2}, prepared, "candidates have the vision part in common")
	lab.sightOf = func(*infer.Model) sight { return fakeSight{"w", &prepared, nil} }
	_, err = lab.EvaluateModel(t.Context(), "m", x, x.Problems(task.Test))
	require.NoError(t, err)
	require.Equal(t, []int{3, 2, 3, 2}, prepared, "another vision part wants others")
}

func TestACatalogLabKeepsAsMuchOfPicturesAsItMay(t *testing.T) {
	x := pictured(t, "metric: exact_match\n", twoPictures, 2, 3)
	prepared := []int{}
	lab := seeingLab(t, &fakeEngine{replies: []string{"it", "it", "it"}}, fakeSight{"v", &prepared, nil})
	lab.KeepPictures(4*3 + 4*2) // the narrower one, but not the other
	for range 2 {
		_, err := lab.EvaluateModel(t.Context(), "m", x, x.Problems(task.Test))
		require.NoError(t, err)
	}
	require.Equal(t, []int{3, 2, 3, 3, 3}, prepared)
}

func TestAModelThatReadsTextOnlyGetsPicturesWrong(t *testing.T) {
	x := pictured(t, "metric: exact_match\n", twoPictures, 2, 3)
	engine := &fakeEngine{replies: []string{"it"}}
	lab := seeingLab(t, engine, nil)
	e, err := lab.EvaluateModel(t.Context(), "ja", x, x.Problems(task.Test))
	require.NoError(t, err)
	wrong := task.Outcome{Failure: "this model reads text only"}
	require.Equal(t, []task.Outcome{wrong, wrong}, e.Outcomes[:2])
	require.True(t, e.Outcomes[2].Correct, "it is asked what it can read")
	require.Len(t, engine.asked, 1)

	e, err = lab.EvaluateModel(t.Context(), "ja", x, x.Problems(task.Test)[:2])
	require.NoError(t, err)
	require.Equal(t, []task.Outcome{wrong, wrong}, e.Outcomes)
	require.Len(t, engine.asked, 1, "nothing was left to ask")

	_, err = lab.Evaluate(t.Context(), small().average(), x, x.Problems(task.Test))
	require.Equal(t, fault.Unfit, fault.CodeOf(err), "a candidate that can't see is none")
	require.ErrorContains(t, err, "problem a shows a picture: this model reads text only")
	subject, err := lab.Open(t.Context(), "ja")
	require.NoError(t, err)
	defer subject.Close()
	_, err = subject.Answer(t.Context(), x, x.Problems(task.Test))
	require.ErrorIs(t, err, errBlind, "an evaluation of it says so")
}

func TestTheTableSaysWhyAllRepliesFailed(t *testing.T) {
	sample := func(failure string) task.Sample { return task.Sample{Outcome: task.Outcome{Failure: failure}} }
	for want, samples := range map[string][]task.Sample{
		"blind": {sample("blind"), sample("blind")},
		"":      {sample("blind"), sample("")},
	} {
		require.Equal(t, want, assessment{samples: samples}.note())
	}
	require.Empty(t, assessment{}.note())
	require.Empty(t, assessment{samples: []task.Sample{sample("blind"), sample("late")}}.note())
}

func TestACatalogLabWeighsChoicesBesidePictures(t *testing.T) {
	x := pictured(t, "metric: multiple_choice\n", `{"id":"a","question":"search","image":"3.png","choices":["0 1","2"],"answer":"2"}`, 3)
	prepared := []int{}
	engine := &wordEngine{}
	e, err := seeingLab(t, engine, fakeSight{"v", &prepared, nil}).EvaluateModel(t.Context(), "m", x, x.Problems(task.Test))
	require.NoError(t, err)
	require.Equal(t, [][]int32{{6, 6, 6, 1, 2, 3}, {6, 6, 6, 1, 4}}, [][]int32{engine.asked[0].Prompt, engine.asked[1].Prompt})
	require.Len(t, engine.asked[1].Pictures, 1)
	require.True(t, e.Outcomes[0].Correct, "2 costs 4 and 0 1 costs 5: what pictures cost is nobody's")
}

// countedEngine notes how many requests come together.
type countedEngine struct {
	fakeEngine
	together []int
}

func (e *countedEngine) Generate(_ context.Context, _ *infer.Model, requests []infer.Request) ([]infer.Result, error) {
	e.together = append(e.together, len(requests))
	return make([]infer.Result, len(requests)), nil
}

func TestProblemsOfPicturesAreAskedInBatches(t *testing.T) {
	var lines strings.Builder
	for i := range picturedAtOnce + 5 {
		fmt.Fprintf(&lines, `{"id":"%d","question":"search %d","image":"1.png","answer":"it"}`+"\n", i, i)
	}
	x := pictured(t, "metric: exact_match\n", lines.String(), 1)
	engine, prepared := &countedEngine{}, []int{}
	_, err := seeingLab(t, engine, fakeSight{"v", &prepared, nil}).EvaluateModel(t.Context(), "m", x, x.Problems(task.Test))
	require.NoError(t, err)
	require.Equal(t, []int{picturedAtOnce, 5}, engine.together)

	engine = &countedEngine{}
	x = pictured(t, "metric: exact_match\n", strings.ReplaceAll(lines.String(), `"image":"1.png",`, ""))
	_, err = seeingLab(t, engine, nil).EvaluateModel(t.Context(), "m", x, x.Problems(task.Test))
	require.NoError(t, err)
	require.Equal(t, []int{picturedAtOnce + 5}, engine.together, "text is asked at once, as ever")
}

func TestACatalogLabPassesOnWhatIsWrongWithAPicture(t *testing.T) {
	x := pictured(t, "metric: exact_match\n", twoPictures, 2, 3)
	tiny := errors.New("too small to see")
	prepared := []int{}
	lab := seeingLab(t, &fakeEngine{}, fakeSight{"v", &prepared, tiny})
	_, err := lab.EvaluateModel(t.Context(), "m", x, x.Problems(task.Test))
	require.ErrorIs(t, err, tiny)
	require.ErrorContains(t, err, "problem a: picture 3.png")
	cut := columns(t, 3)
	y, err := task.Loader{}.Parse(task.Files{
		YAML: []byte("name: t\nmetric: exact_match\n"), Pictures: map[string][]byte{"3.png": cut[:len(cut)-20]},
		Splits: map[task.Split][]byte{task.Test: []byte(`{"id":"a","question":"q","image":"3.png","answer":"a"}`)},
	})
	require.NoError(t, err, "its head is whole")
	_, err = seeingLab(t, &fakeEngine{}, fakeSight{"v", &prepared, nil}).EvaluateModel(t.Context(), "m", y, y.Problems(task.Test))
	require.Equal(t, fault.Invalid, fault.CodeOf(err))
	require.ErrorContains(t, err, "problem a: picture 3.png: ")
}
