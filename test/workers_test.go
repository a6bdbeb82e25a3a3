package test

import (
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mergeway/mergeway/store/redistest"
)

// worker is one running `mergeway worker`.
type worker struct {
	t       *testing.T
	process *exec.Cmd
	exited  chan error
	log     string
}

// startWorker runs a worker on a Redis. It is gone when the test ends.
func startWorker(t *testing.T, redis, models string, args ...string) *worker {
	t.Helper()
	w := &worker{t: t, exited: make(chan error, 1), log: filepath.Join(t.TempDir(), "log")}
	log, err := os.Create(w.log)
	require.NoError(t, err)
	defer log.Close()
	w.process = exec.Command(program, append([]string{
		"worker", "--redis", redis, "--models", models, "--tasks", fromRoot("zoo", "tasks"), "--worker-ttl", "1s",
	}, args...)...)
	w.process.Stdout, w.process.Stderr = log, log
	require.NoError(t, w.process.Start())
	go func() { w.exited <- w.process.Wait() }()
	t.Cleanup(func() {
		w.signal(syscall.SIGKILL)
		err := <-w.exited
		w.exited <- err
		if t.Failed() {
			t.Logf("log of a worker:\n%s", tail(w.said(), 30))
		}
	})
	return w
}

// said is what the worker has written.
func (w *worker) said() string {
	text, err := os.ReadFile(w.log)
	require.NoError(w.t, err)
	return string(text)
}

func (w *worker) signal(s syscall.Signal) { _ = w.process.Process.Signal(s) }

// results are what trials say but for the times, which differ, and who made them.
func results(t *testing.T, trials []object) []string {
	t.Helper()
	all := make([]string, len(trials))
	for i, trial := range trials {
		all[i] = asJSON(t, []any{trial["number"], trial["generation"], trial["index"], trial["genome"], trial["recipe"], trial["fitness"], trial["outcomes"], trial["duplicate_of"], trial["failure"]})
	}
	return all
}

// The same seed finds the same: once straight, once with the gateway killed again
// and again, once on three workers of which one is killed and one is paused.
func TestASearchFindsTheSameWhateverHappens(t *testing.T) {
	spec := object{
		"name": "found", "task": "ja-math", "base": base, "sources": sources,
		"method": "task_arithmetic", "trials": 30, "population": 6, "sample_size": 12,
		"seed": 23, "validate_top": 2, "alias": "winner",
	}
	launch := func(s *server) string { return s.call("POST", "/v1/searches", spec).text("id") }

	straight := start(t, options{})
	id := launch(straight)
	want := straight.awaitSearch(id)
	wantTrials := results(t, straight.trials(id))
	require.Zero(t, straight.stop())
	requireSame := func(s *server, id string) {
		t.Helper()
		got := s.awaitSearch(id)
		require.Equal(t, wantTrials, results(t, s.trials(id)))
		require.Equal(t, asJSON(t, want["winner"]), asJSON(t, got["winner"]))
		require.Equal(t, asJSON(t, want["scores"]), asJSON(t, got["scores"]))
	}

	t.Run("the gateway is killed again and again", func(t *testing.T) {
		o := options{data: t.TempDir()}
		s := start(t, o)
		id := launch(s)
		for kills := 0; kills < 4; kills++ {
			before := len(s.trials(id))
			s.wait("more trials", searchTime, func() bool { return len(s.trials(id)) >= min(before+4, 30) })
			s.kill()
			s = start(t, o)
		}
		requireSame(s, id)
	})
	t.Run("one of three workers is killed and one is paused", func(t *testing.T) {
		redis := "redis://" + redistest.Start(t).Addr + "/0"
		s := start(t, options{args: []string{"--redis", redis, "--workers-only", "--worker-ttl", "1s"}})
		workers := []*worker{}
		for range 3 {
			workers = append(workers, startWorker(t, redis, zooModels(t)))
		}
		s.wait("three workers", startTime, func() bool { return len(s.call("GET", "/v1/workers", nil).list("data")) == 3 })
		id := launch(s)
		s.wait("a generation", searchTime, func() bool { return len(s.trials(id)) >= 6 })
		workers[0].signal(syscall.SIGKILL)
		workers[1].signal(syscall.SIGSTOP)
		s.wait("another", searchTime, func() bool { return len(s.trials(id)) >= 14 })
		workers[1].signal(syscall.SIGCONT)
		requireSame(s, id)
		require.Contains(t, workers[2].said(), "order done")
		workers[2].signal(syscall.SIGTERM)
		select {
		case err := <-workers[2].exited:
			workers[2].exited <- err
			require.NoError(t, err, "it ends well")
		case <-time.After(stopTime):
			t.Fatal("the worker did not stop on SIGTERM")
		}
	})
}

func TestAWorkerThatIsUnlikeItsGatewayDoesNotJoin(t *testing.T) {
	redis := "redis://" + redistest.Start(t).Addr + "/0"
	s := start(t, options{args: []string{"--redis", redis}})
	s.wait("the gateway knows its models", startTime, func() bool {
		w := startWorker(t, redis, onlyBase(t))
		select {
		case err := <-w.exited:
			w.exited <- err
			require.Error(t, err)
			require.Contains(t, w.said(), "has no model "+sources[0])
			return true
		case <-time.After(5 * time.Second):
			w.signal(syscall.SIGTERM)
			return false
		}
	})
	require.Empty(t, s.call("GET", "/v1/workers", nil).list("data"))
}

// onlyBase is a models folder with the base alone.
func onlyBase(t *testing.T) string {
	t.Helper()
	models := t.TempDir()
	require.NoError(t, os.CopyFS(filepath.Join(models, base), os.DirFS(filepath.Join(zooModels(t), base))))
	return models
}
