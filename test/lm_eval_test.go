package test

import (
	"bufio"
	"cmp"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
)

// problems is how many of a task's problems the harness asks, and mergeway eval.
const problems = 50

func TestLMEvaluationHarness(t *testing.T) {
	python := lmEvalPython(t)
	models := exactModels(t)
	s := start(t, options{models: models})
	merged := s.call("POST", "/v1/recipes", blended()).text("id")
	right := evaluated(t, models)
	require.Greater(t, right, 0.1)
	require.Less(t, right, 0.9)

	t.Run("loglikelihoods and replies of a source", func(t *testing.T) {
		run := lmEval(t, python, s, harness{kind: "local-completions", model: scored, tasks: "loglikelihood_source,math_completions"})
		require.Contains(t, run.log, "Using remote tokenizer", "it found the tokenizer's endpoints")
		checkScores(t, run, "loglikelihood_source", readEnded(t, "source"))
		require.InDelta(t, right, run.results.object("math_completions").number("exact_match,last_number"), 1e-9)
		require.Len(t, run.samples(t, "math_completions"), problems)
	})
	t.Run("loglikelihoods of a merge, in batches, several at a time", func(t *testing.T) {
		run := lmEval(t, python, s, harness{kind: "local-completions", model: merged, tasks: "loglikelihood_merged", batch: 8, more: ",num_concurrent=3"})
		checkScores(t, run, "loglikelihood_merged", readEnded(t, "merged"))
	})
	t.Run("replies as a chat", func(t *testing.T) {
		run := lmEval(t, python, s, harness{kind: "local-chat-completions", model: scored, tasks: "math_chat", chat: true, more: ",num_concurrent=4"})
		require.InDelta(t, right, run.results.object("math_chat").number("exact_match,last_number"), 1e-9)
		require.Len(t, run.samples(t, "math_chat"), problems)
	})
}

// With models of different tokenizers the harness, which names none where it asks
// for tokens, needs a default; and where there are keys it needs one.
func TestLMEvaluationHarnessWithAKeyAndADefaultModel(t *testing.T) {
	python := lmEvalPython(t)
	models := exactModels(t)
	editJSON(t, filepath.Join(models, base, "tokenizer_config.json"), func(config object) { config["eos_token"] = "<unk>" })
	s := start(t, options{models: models})
	require.Equal(t, "model", s.refusal(400, "GET", "/tokenizer_info", nil).text("param"), "it can't be guessed whose")
	require.Equal(t, scored, s.call("GET", "/tokenizer_info?model="+scored, nil).text("model"))

	s = start(t, options{models: models, args: []string{"--api-keys", "open-sesame", "--default-model", scored}})
	s.refusal(401, "GET", "/tokenizer_info", nil)
	const few = 5
	run := lmEval(t, python, s, harness{
		kind: "local-completions", model: scored, tasks: "loglikelihood_source", limit: few, key: "open-sesame", more: ",auth_token=open-sesame",
	})
	require.Contains(t, run.log, "Using remote tokenizer")
	checkScores(t, run, "loglikelihood_source", readEnded(t, "source")[:few])
}

// harness says how lm-evaluation-harness is run.
type harness struct {
	kind, model, tasks string
	chat               bool
	batch, limit       int    // 1 and problems if 0
	more               string // model arguments
	key                string
}

// harnessRun is what came of it.
type harnessRun struct {
	log     string
	results object // by task
	folder  string
}

func lmEval(t *testing.T, python func(args ...string) *exec.Cmd, s *server, h harness) harnessRun {
	t.Helper()
	out := t.TempDir()
	route := "/v1/completions"
	args := []string{"-m", "lm_eval", "run", "--model", h.kind, "--tasks", h.tasks, "--include_path", fromRoot("test", "lm_eval"),
		"--limit", strconv.Itoa(cmp.Or(h.limit, problems)), "--batch_size", strconv.Itoa(cmp.Or(h.batch, 1)), "--output_path", out, "--log_samples"}
	if h.chat {
		route = "/v1/chat/completions"
		args = append(args, "--apply_chat_template")
	}
	args = append(args, "--model_args", fmt.Sprintf("model=%s,base_url=%s%s%s", h.model, s.url, route, h.more))
	run := python(args...)
	run.Dir = fromRoot() // the tasks name their data from there
	run.Env = append(run.Env, "OPENAI_API_KEY="+h.key, "HF_HOME="+t.TempDir(), "HF_HUB_OFFLINE=1", "HF_DATASETS_OFFLINE=1")
	log, err := run.CombinedOutput()
	require.NoError(t, err, "%s", log)
	files, err := filepath.Glob(filepath.Join(out, "*", "results_*.json"))
	require.NoError(t, err)
	require.Len(t, files, 1, "%s", log)
	data, err := os.ReadFile(files[0])
	require.NoError(t, err)
	var all object
	require.NoError(t, json.Unmarshal(data, &all))
	return harnessRun{log: string(log), results: all.object("results"), folder: filepath.Dir(files[0])}
}

// samples gives what the harness noted of each document of a task, in their order.
func (r harnessRun) samples(t *testing.T, task string) []object {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(r.folder, "samples_"+task+"_*.jsonl"))
	require.NoError(t, err)
	require.Len(t, files, 1)
	file, err := os.Open(files[0])
	require.NoError(t, err)
	defer file.Close()
	var all []object
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var sample object
		require.NoError(t, json.Unmarshal(lines.Bytes(), &sample))
		require.EqualValues(t, len(all), sample.number("doc_id"))
		all = append(all, sample)
	}
	return all
}

// checkScores holds the harness's loglikelihoods against those of transformers.
func checkScores(t *testing.T, run harnessRun, task string, want []ended) {
	t.Helper()
	samples := run.samples(t, task)
	require.Len(t, samples, len(want))
	greedy := 0
	for i, sample := range samples {
		var got [][2]string // a loglikelihood, and "True" for a greedy one
		data, err := json.Marshal(sample["filtered_resps"])
		require.NoError(t, err)
		require.NoError(t, json.Unmarshal(data, &got))
		value, err := strconv.ParseFloat(got[0][0], 64)
		require.NoError(t, err)
		require.InDelta(t, want[i].Loglikelihood, value, agrees, "%q after %q", want[i].Continuation, want[i].Context)
		require.Equal(t, want[i].Greedy, got[0][1] == "True", "%q after %q", want[i].Continuation, want[i].Context)
		if want[i].Greedy {
			greedy++
		}
	}
	require.InDelta(t, float64(greedy)/float64(len(want)), run.results.object(task).number("acc,none"), 1e-9)
}

// row is a line of mergeway eval's table: the model, correct, its error and
// interval, the problems, the numbers that were right.
var row = regexp.MustCompile(`(?m)^` + scored + ` +\S+ +\S+ +\S+ +(\d+) +(\S+)`)

// evaluated is the share of problems that mergeway eval counts as right.
func evaluated(t *testing.T, models string) float64 {
	t.Helper()
	out, err := exec.Command(program, "eval", "--models", models, "--tasks", fromRoot("zoo", "tasks"), "--data", t.TempDir(),
		"--task", "en-math", "--limit", strconv.Itoa(problems), scored).CombinedOutput()
	require.NoError(t, err, "%s", out)
	found := row.FindSubmatch(out)
	require.NotNil(t, found, "%s", out)
	require.Equal(t, strconv.Itoa(problems), string(found[1]))
	percent, err := strconv.ParseFloat(string(found[2]), 64)
	require.NoError(t, err)
	return percent / 100 // exact: 50 problems are 2 % each
}

// lmEvalPython gives a way to run Python with lm-evaluation-harness, or skips the
// test where it is not installed.
func lmEvalPython(t *testing.T) func(args ...string) *exec.Cmd {
	t.Helper()
	return pythonWith(t, "lm_eval", "MERGEWAY_REQUIRE_LM_EVAL", "import lm_eval.api.task, lm_eval.models.api_models, aiohttp, tenacity")
}
