package zoo

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/infer"
	"github.com/mergeway/mergeway/infer/chat"
	"github.com/mergeway/mergeway/infer/checkpoint"
	"github.com/mergeway/mergeway/infer/device/devicetest"
	"github.com/mergeway/mergeway/infer/tokenizer"

	"github.com/gomlx/compute/dtypes"
)

// trainShort trains a company for a hundredth of the time.
func trainShort(t *testing.T, ctx context.Context, company string, progress func(Progress)) (string, error) {
	t.Helper()
	dir := t.TempDir()
	return dir, Train(ctx, Options{
		Device: devicetest.Open(t), ModelsDir: filepath.Join(dir, "models"), TasksDir: filepath.Join(dir, "tasks"),
		Companies: []string{company}, Progress: progress, Shorten: 60,
	})
}

func TestTrainingLearnsAndLeavesModelsThatLoad(t *testing.T) {
	first, last := map[string]float64{}, map[string]float64{}
	steps := 0
	dir, err := trainShort(t, t.Context(), Maths, func(p Progress) {
		steps++
		require.Equal(t, steps, p.Done, "every step is told, in order")
		require.LessOrEqual(t, p.Done, p.Total)
		if p.Step == 1 {
			first[p.Member] = p.Loss
		}
		last[p.Member] = p.Loss
	})
	require.NoError(t, err)
	require.Equal(t, totalSteps(Options{Companies: []string{Maths}, Shorten: 60}), steps)
	require.Less(t, last[Base], first[Base]-1, "the base has learnt")

	var base *checkpoint.Folder
	for _, name := range Names(Maths) {
		folder, err := checkpoint.Open(filepath.Join(dir, "models", name))
		require.NoError(t, err, name)
		defer folder.Close()
		require.Equal(t, dtypes.BFloat16, folder.Config().DType)
		weights, err := infer.LoadWeights(t.Context(), devicetest.Open(t), folder, dtypes.Float32)
		require.NoError(t, err, name)
		weights.Free()
		tok, err := tokenizer.Load(folder.Dir())
		require.NoError(t, err)
		require.Equal(t, folder.Config().VocabSize, tok.VocabSize())
		template, err := chat.Load(folder.Dir(), tok)
		require.NoError(t, err)

		// What the model is asked when it serves is what it was taught to answer.
		p := drawProblem(newRand(1, "test"), Plus, Hard)
		asked, err := template.Encode([]chat.Message{{Role: "user", Content: p.Question(Japanese)}})
		require.NoError(t, err)
		l := layout{encode: func(text string) []int32 { return tok.Encode(text, false) }}
		taught, err := l.document(Sample{Prompt: p.Question(Japanese), Reply: p.Reply(Japanese)})
		require.NoError(t, err)
		require.Equal(t, taught.ids[:len(asked)], asked)
		require.True(t, taught.learn[len(asked)])
		require.False(t, taught.learn[len(asked)-1])

		if name == Base {
			base = folder
			continue
		}
		same, err := base.Digest()
		require.NoError(t, err)
		other, err := folder.Digest()
		require.NoError(t, err)
		require.NotEqual(t, same, other, name)
	}
}

func TestTrainingStopsWhenAsked(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	dir, err := trainShort(t, ctx, Maths, func(p Progress) {
		require.LessOrEqual(t, p.Done, 3)
		if p.Done == 3 {
			cancel()
		}
	})
	require.Equal(t, fault.Cancelled, fault.CodeOf(err))
	_, err = os.Stat(filepath.Join(dir, "models", Base))
	require.ErrorIs(t, err, os.ErrNotExist, "no half-trained model is left")
}
