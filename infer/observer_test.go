package infer

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// hears is an Observer that adds up.
type hears struct {
	waits  map[bool][]time.Duration // by background
	worked map[bool]time.Duration
}

func (h *hears) Began(background bool, waited time.Duration) {
	h.waits[background] = append(h.waits[background], waited)
}

func (h *hears) Worked(background bool, took time.Duration) { h.worked[background] += took }

// Each request's wait is told once, also if it has to give way and begin again,
// and all the time that the device works belongs to somebody.
func TestObserverHearsOfWaitsAndWork(t *testing.T) {
	h := &hears{waits: map[bool][]time.Duration{}, worked: map[bool]time.Duration{}}
	b := newBench(t, 3500, Options{Slots: 16, Observer: h})
	began := b.device.clock
	m := b.model("m", fakeWeights(1, 4096))
	var all []*asked
	for i := range 18 {
		r := plain(tokensFrom(i, 30), 150)
		r.Background = i == 17
		all = append(all, b.ask(m, r))
	}
	b.run(all...)
	for _, a := range all {
		require.NoError(t, a.last.Err)
	}
	require.Len(t, h.waits[false], 17)
	require.Len(t, h.waits[true], 1)
	require.Zero(t, h.waits[false][0])
	require.Positive(t, h.waits[false][16], "there are sixteen slots: it had to wait")
	require.Equal(t, b.device.clock.Sub(began), h.worked[false]+h.worked[true])
	require.Positive(t, h.worked[true])
	require.Positive(t, b.Stats().Preemptions, "nobody had to give way: the test tests less than it says")
}
