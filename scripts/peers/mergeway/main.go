// Command mergeway measures the engine for scripts/bench engine, through the
// public API of package infer, and writes the figures as JSON: what
// scripts/peers/vllm_figures.py does with vLLM.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	"github.com/gomlx/gomlx/core/graph"

	"github.com/mergeway/mergeway/infer"
	"github.com/mergeway/mergeway/infer/checkpoint"
	"github.com/mergeway/mergeway/infer/device"
	"github.com/mergeway/mergeway/infer/tokenizer"
)

func main() {
	dir := flag.String("model", "", "the folder that model.py wrote")
	out := flag.String("out", "", "the file that the figures are written to")
	reply := flag.Int("reply", 64, "tokens of a reply")
	rounds := flag.Int("rounds", 3, "how often each figure is taken")
	greedyPrompts := flag.Int("greedy-prompts", 8, "prompts whose greedy replies are written")
	greedyTokens := flag.Int("greedy-tokens", 32, "tokens of these replies")
	flag.Parse()
	if err := run(*dir, *out, *reply, *rounds, *greedyPrompts, *greedyTokens); err != nil {
		fmt.Fprintln(os.Stderr, "mergeway:", err)
		os.Exit(1)
	}
}

// figures is what every engine's measurement writes: seconds of each round.
type figures struct {
	Engine  string               `json:"engine"`
	Seconds map[string][]float64 `json:"seconds"`
	Greedy  [][]int              `json:"greedy"`
	// Of this engine alone:
	Background   map[string][]float64 `json:"background"`    // as a search's requests
	DType        string               `json:"dtype"`         // the engine computes in it
	GEMMGFLOPS   float64              `json:"gemm_gflops"`   // the largest product of a prompt, alone
	Compilations int64                `json:"compilations"`  // programs compiled in all
	LateCompiles int64                `json:"late_compiles"` // of these, while measuring; ought to be 0
}

func run(dir, path string, reply, rounds, greedyPrompts, greedyTokens int) error {
	dev, err := device.Open(device.Options{})
	if err != nil {
		return err
	}
	defer dev.Close()
	model, err := load(dev, dir)
	if err != nil {
		return err
	}
	defer model.Weights.Free()
	prompts, err := readPrompts(filepath.Join(dir, "prompts.txt"))
	if err != nil {
		return err
	}
	out := figures{Engine: "mergeway", DType: model.Weights.DType().String()}
	if out.GEMMGFLOPS, err = gemm(dev, model.Weights); err != nil {
		return err
	}

	engine := infer.NewEngine(dev, infer.Options{Slots: len(prompts) - 1})
	defer engine.Close()
	m := &meter{engine: engine, model: model}
	measure := func(background bool) (map[string][]float64, error) {
		return m.measure(prompts, reply, rounds, background)
	}
	if out.Seconds, err = measure(false); err != nil {
		return err
	}
	if out.Background, err = measure(true); err != nil {
		return err
	}
	if out.Greedy, err = m.greedy(prompts[1:1+greedyPrompts], greedyTokens); err != nil {
		return err
	}
	out.Compilations, out.LateCompiles = engine.Compilations(), m.late
	data, err := json.Marshal(out)
	if err != nil {
		return err
	}
	return checkpoint.WriteBytes(path, append(data, '\n'))
}

func load(dev *device.Device, dir string) (*infer.Model, error) {
	folder, err := checkpoint.Open(dir)
	if err != nil {
		return nil, err
	}
	defer folder.Close()
	weights, err := infer.LoadWeights(context.Background(), dev, folder, dtypes.InvalidDType)
	if err != nil {
		return nil, err
	}
	tok, err := tokenizer.Load(dir)
	if err != nil {
		weights.Free()
		return nil, err
	}
	return &infer.Model{Name: "synthetic", Weights: weights, Tokenizer: tok}, nil
}

// readPrompts reads token ids, one prompt a line.
func readPrompts(path string) ([][]int32, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	var out [][]int32
	lines := bufio.NewScanner(file)
	for lines.Scan() {
		var prompt []int32
		for _, word := range strings.Fields(lines.Text()) {
			id, err := strconv.ParseInt(word, 10, 32)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", path, err)
			}
			prompt = append(prompt, int32(id))
		}
		out = append(out, prompt)
	}
	return out, lines.Err()
}

// meter measures one model on one engine.
type meter struct {
	engine *infer.Engine
	model  *infer.Model
	calls  int32
	late   int64
}

// measure takes the seconds of the five calls that every engine is asked for;
// report.py makes figures of them. A first round warms up and doesn't count.
func (m *meter) measure(prompts [][]int32, reply, rounds int, background bool) (map[string][]float64, error) {
	seconds := map[string][]float64{}
	compiled := int64(0)
	for round := range rounds + 1 {
		if round == 1 {
			compiled = m.engine.Compilations()
		}
		for _, c := range []struct {
			name    string
			prompts [][]int32
			tokens  int
		}{
			{"long", prompts[:1], 1},
			{"one_first", prompts[1:2], 1}, {"one", prompts[1:2], reply},
			{"many_first", prompts[1:], 1}, {"many", prompts[1:], reply},
		} {
			began := time.Now()
			if _, err := m.generate(m.fresh(c.prompts), c.tokens, background); err != nil {
				return nil, fmt.Errorf("%s: %w", c.name, err)
			}
			if round > 0 {
				seconds[c.name] = append(seconds[c.name], time.Since(began).Seconds())
			}
		}
	}
	m.late += m.engine.Compilations() - compiled
	return seconds, nil
}

// fresh changes the prompts, differently at each call: nothing that was computed
// for an earlier call can be used again.
func (m *meter) fresh(prompts [][]int32) [][]int32 {
	m.calls++
	vocabulary := int32(m.model.Weights.Config().VocabSize)
	out := make([][]int32, len(prompts))
	for i, prompt := range prompts {
		out[i] = slices.Clone(prompt)
		for j, id := range prompt {
			out[i][j] = 3 + (id-3+1009*m.calls)%(vocabulary-3)
		}
	}
	return out
}

func (m *meter) generate(prompts [][]int32, tokens int, background bool) ([]infer.Result, error) {
	requests := make([]infer.Request, len(prompts))
	for i, prompt := range prompts {
		requests[i] = infer.Request{
			Prompt: prompt, Background: background,
			Sampling: infer.Sampling{MaxTokens: tokens, IgnoreEOS: true},
		}
	}
	results, err := m.engine.Generate(context.Background(), m.model, requests)
	if err != nil {
		return nil, err
	}
	for i, r := range results {
		if r.CompletionTokens != tokens {
			return nil, fmt.Errorf("reply %d has %d tokens, asked for %d", i, r.CompletionTokens, tokens)
		}
	}
	return results, nil
}

// greedy gives the token ids of greedy replies, one prompt at a time. The model's
// tokens are the words w0, w1, …
func (m *meter) greedy(prompts [][]int32, tokens int) ([][]int, error) {
	word := regexp.MustCompile(`w(\d+)`)
	var out [][]int
	for _, prompt := range prompts {
		results, err := m.generate([][]int32{prompt}, tokens, false)
		if err != nil {
			return nil, err
		}
		var ids []int
		for _, match := range word.FindAllStringSubmatch(results[0].Text, -1) {
			id, err := strconv.Atoi(match[1])
			if err != nil {
				return nil, err
			}
			ids = append(ids, id)
		}
		out = append(out, ids)
	}
	return out, nil
}

// gemm measures the product of 512 rows with a weight of the feed-forward net, on
// the same backend and in the same dtype: 10^9 operations a second, the best of 10.
func gemm(dev *device.Device, w *infer.Weights) (float64, error) {
	const rows = 512
	weight := w.Tensor("model.layers.0.mlp.gate_proj.weight")
	outer, inner := weight.Shape().Dim(0), weight.Shape().Dim(1)
	x, err := graph.CallOnce(dev.Backend(), func(g *graph.Graph) *graph.Node {
		return graph.OnePlus(graph.Zeros(g, shapes.Make(w.DType(), rows, inner)))
	})
	if err != nil {
		return 0, err
	}
	defer device.Free(x)
	product, err := graph.NewExec(dev.Backend(), func(x, weight *graph.Node) *graph.Node {
		return graph.Dot(x, weight).WithAccumulatorDType(x.DType()).General([]int{1}, nil, []int{1}, nil)
	})
	if err != nil {
		return 0, err
	}
	defer product.Finalize()
	best := 0.0
	for range 11 {
		began := time.Now()
		out, err := product.Call(x, weight)
		if err != nil {
			return 0, err
		}
		// Results come when they are ready: one value of them is waited for.
		err = out[0].ConstFlatData(func(any) {})
		seconds := time.Since(began).Seconds()
		device.Free(out...)
		if err != nil {
			return 0, err
		}
		best = max(best, 2*rows*float64(outer)*float64(inner)/seconds/1e9)
	}
	return best, nil
}
