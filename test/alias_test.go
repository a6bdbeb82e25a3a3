package test

import (
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// An alias is moved back and forth while clients talk to it: every request is
// answered, by one of the two models and never by a mixture.
func TestAliasMovesUnderTraffic(t *testing.T) {
	s := start(t, options{})
	const question = "太郎はりんごを27個持っています。花子から35個もらいました。全部で何個ですか？"
	targets := []string{sources[0], sources[1]}
	said := map[string]string{}
	for _, target := range targets {
		said[s.ask(target, question)] = target
	}
	s.call("PUT", "/v1/aliases/moving", object{"target": targets[0]})

	var stop atomic.Bool
	var answered atomic.Int64
	var clients sync.WaitGroup
	for range 4 {
		clients.Go(func() {
			for !stop.Load() {
				text, err := s.tryAsk("moving", question)
				if !assert.NoError(t, err) {
					return
				}
				assert.Contains(t, said, text)
				answered.Add(1)
			}
		})
	}
	for i := range 20 {
		s.call("PUT", "/v1/aliases/moving", object{"target": targets[i%2]})
		seen := answered.Load()
		s.wait("a reply after the move", requestTime, func() bool { return answered.Load() > seen || t.Failed() })
	}
	stop.Store(true)
	clients.Wait()
	require.False(t, t.Failed())
}
