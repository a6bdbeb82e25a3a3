package test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Bounds for waiting, generous because a busy machine is no failure.
const (
	startTime   = 2 * time.Minute
	requestTime = 2 * time.Minute
	searchTime  = 5 * time.Minute
	stopTime    = 30 * time.Second
	pollEvery   = 50 * time.Millisecond
)

// server is one running mergeway process.
type server struct {
	t       *testing.T
	url     string
	key     string // shown with every request, if it is not empty
	client  *http.Client
	process *exec.Cmd
	exited  chan error
	log     string
}

// options are what the tests vary of `mergeway serve`.
type options struct {
	models string // default: the miniature models
	data   string // default: a fresh folder
	args   []string
	env    []string     // besides that of the tests
	client *http.Client // for a server that speaks TLS
}

// start runs `mergeway serve` on a free port and waits until it is ready. The
// process is gone when the test ends; if the test failed, its log is shown.
func start(t *testing.T, o options) *server {
	t.Helper()
	if o.models == "" {
		o.models = zooModels(t)
	}
	if o.data == "" {
		o.data = t.TempDir()
	}
	addr := freeAddress(t)
	s := &server{t: t, url: "http://" + addr, client: http.DefaultClient, exited: make(chan error, 1), log: filepath.Join(t.TempDir(), "log")}
	if o.client != nil {
		s.url, s.client = "https://"+addr, o.client
	}
	log, err := os.Create(s.log)
	require.NoError(t, err)
	defer log.Close()
	s.process = exec.Command(program, append([]string{
		"serve", "--addr", addr, "--models", o.models, "--tasks", fromRoot("zoo", "tasks"), "--data", o.data,
	}, o.args...)...)
	s.process.Env = append(os.Environ(), o.env...)
	s.process.Stdout, s.process.Stderr = log, log
	require.NoError(t, s.process.Start())
	go func() { s.exited <- s.process.Wait() }()
	t.Cleanup(func() {
		s.kill()
		if t.Failed() {
			text, _ := os.ReadFile(s.log)
			t.Logf("log of %s:\n%s", s.url, tail(string(text), 100))
		}
	})
	s.awaitReady()
	return s
}

func (s *server) awaitReady() {
	s.t.Helper()
	deadline := time.Now().Add(startTime)
	for time.Now().Before(deadline) {
		select {
		case err := <-s.exited:
			s.exited <- err
			s.t.Fatalf("mergeway ended while starting: %v", err)
		case <-time.After(pollEvery):
		}
		if reply, err := s.client.Get(s.url + "/readyz"); err == nil {
			reply.Body.Close()
			if reply.StatusCode == http.StatusOK {
				return
			}
		}
	}
	s.t.Fatal("mergeway did not become ready")
}

// kill ends the process at once, as a power cut would.
func (s *server) kill() {
	_ = s.process.Process.Signal(syscall.SIGKILL)
	err := <-s.exited
	s.exited <- err
}

// stop asks the process to end and gives its exit code.
func (s *server) stop() int {
	s.t.Helper()
	require.NoError(s.t, s.process.Process.Signal(syscall.SIGTERM))
	select {
	case err := <-s.exited:
		s.exited <- err
		return s.process.ProcessState.ExitCode()
	case <-time.After(stopTime):
		s.t.Fatal("mergeway did not stop on SIGTERM")
		return -1
	}
}

// reply is an HTTP reply, read to its end.
type reply struct {
	status int
	header http.Header
	body   []byte
}

// try makes a request. body is sent as it is if it is a string, as JSON
// otherwise; nil sends none. It may be used from any goroutine.
func (s *server) try(method, path string, body any) (reply, error) {
	ctx, cancel := context.WithTimeout(s.t.Context(), requestTime)
	defer cancel()
	var data io.Reader
	switch b := body.(type) {
	case nil:
	case string:
		data = strings.NewReader(b)
	default:
		encoded, err := json.Marshal(b)
		if err != nil {
			return reply{}, err
		}
		data = bytes.NewReader(encoded)
	}
	request, err := http.NewRequestWithContext(ctx, method, s.url+path, data)
	if err != nil {
		return reply{}, err
	}
	if body != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	if s.key != "" {
		request.Header.Set("Authorization", "Bearer "+s.key)
	}
	response, err := s.client.Do(request)
	if err != nil {
		return reply{}, err
	}
	defer response.Body.Close()
	content, err := io.ReadAll(response.Body)
	return reply{status: response.StatusCode, header: response.Header, body: content}, err
}

// send is try for requests that must get a reply, whatever it says.
func (s *server) send(method, path string, body any) reply {
	s.t.Helper()
	r, err := s.try(method, path, body)
	require.NoError(s.t, err)
	return r
}

// call is send for requests that must succeed; it gives the JSON object of the
// reply.
func (s *server) call(method, path string, body any) object {
	s.t.Helper()
	r := s.send(method, path, body)
	require.Less(s.t, r.status, 300, "%s %s: %s", method, path, r.body)
	return r.object(s.t)
}

// refusal is send for requests that must fail with a status, and in OpenAI's
// form; it gives the error's body.
func (s *server) refusal(status int, method, path string, body any) object {
	s.t.Helper()
	r := s.send(method, path, body)
	require.Equal(s.t, status, r.status, "%s %s: %s", method, path, r.body)
	refusal := r.object(s.t).object("error")
	require.NotEmpty(s.t, refusal.text("message"))
	require.NotEmpty(s.t, refusal.text("type"))
	require.NotEmpty(s.t, refusal.text("code"))
	return refusal
}

// tryAsk chats and gives the reply's text. It may be used from any goroutine.
func (s *server) tryAsk(model, question string) (string, error) {
	r, err := s.try("POST", "/v1/chat/completions", object{
		"model": model, "temperature": 0, "max_tokens": 32,
		"messages": []object{{"role": "user", "content": question}},
	})
	if err != nil {
		return "", err
	}
	var answer object
	if err := json.Unmarshal(r.body, &answer); err != nil || r.status != http.StatusOK {
		return "", fmt.Errorf("asking %s: status %d: %s", model, r.status, r.body)
	}
	return answer.list("choices")[0].object("message").text("content"), nil
}

// ask is tryAsk for questions that must get an answer.
func (s *server) ask(model, question string) string {
	s.t.Helper()
	text, err := s.tryAsk(model, question)
	require.NoError(s.t, err)
	return text
}

// wait polls until done says so.
func (s *server) wait(what string, limit time.Duration, done func() bool) {
	s.t.Helper()
	deadline := time.Now().Add(limit)
	for !done() {
		require.True(s.t, time.Now().Before(deadline), "waiting for %s took more than %v", what, limit)
		time.Sleep(pollEvery)
	}
}

// object is a JSON object as a client without our types sees it.
type object map[string]any

func (r reply) object(t *testing.T) object {
	t.Helper()
	var o object
	require.NoError(t, json.Unmarshal(r.body, &o), "%s", r.body)
	return o
}

func (o object) text(key string) string {
	text, _ := o[key].(string)
	return text
}

func (o object) number(key string) float64 {
	n, _ := o[key].(float64)
	return n
}

func (o object) object(key string) object {
	inner, _ := o[key].(map[string]any)
	return inner
}

func (o object) list(key string) []object {
	items, _ := o[key].([]any)
	list := make([]object, len(items))
	for i, item := range items {
		list[i], _ = item.(map[string]any)
	}
	return list
}

// freeAddress gives a loopback address nobody listens on.
func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	return l.Addr().String()
}

// tail gives the last lines of a text.
func tail(text string, lines int) string {
	all := strings.Split(strings.TrimRight(text, "\n"), "\n")
	if len(all) > lines {
		all = append([]string{fmt.Sprintf("(%d lines before)", len(all)-lines)}, all[len(all)-lines:]...)
	}
	return strings.Join(all, "\n")
}
