package search

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mergeway/mergeway/fault"
)

// late is a publication that takes until the context has ended, and is made all
// the same.
func late(started chan struct{}) func(context.Context) error {
	return func(ctx context.Context) error {
		close(started)
		<-ctx.Done()
		return nil
	}
}

func TestASearchWhoseWinnerIsPublishedIsDoneAndNotCancelled(t *testing.T) {
	w := newWorld(t)
	started := make(chan struct{})
	w.lab.publishing = late(started)
	id := w.launch(t, small())
	await(t, started)
	require.Equal(t, fault.Conflict, fault.CodeOf(w.Cancel(patient(t), id)))
	s := w.done(t, id)
	require.Equal(t, "recipe-of-better", s.Winner.Model)
	events := w.listen(t, id, 0)
	requireGapless(t, events, 1)
	require.Equal(t, Published, events[len(events)-2].Type)
}

func TestAStopDoesNotPublishTwice(t *testing.T) {
	w := newWorld(t)
	started := make(chan struct{})
	w.lab.publishing = late(started)
	id := w.launch(t, small())
	await(t, started)
	w = w.reopen(t)
	w.done(t, id)
	require.Len(t, w.lab.publications(), 1)
}

func TestAPublicationThatIsCancelledIsNone(t *testing.T) {
	w := newWorld(t)
	started := make(chan struct{})
	w.lab.publishing = func(ctx context.Context) error {
		close(started)
		<-ctx.Done()
		return ctx.Err()
	}
	id := w.launch(t, small())
	await(t, started)
	require.NoError(t, w.Cancel(patient(t), id))
	s := w.finish(t, id)
	require.Equal(t, Cancelled, s.State)
	require.Empty(t, s.Winner.Model)
}

func TestGraceOutlivesItsContextAndNoMore(t *testing.T) {
	ctx, end := context.WithCancelCause(t.Context())
	short, cancel := grace(ctx, time.Millisecond)
	defer cancel()
	long, leave := grace(ctx, time.Hour)
	require.NoError(t, short.Err())
	end(errStopped)
	await(t, short.Done())
	require.ErrorIs(t, context.Cause(short), errStopped)
	require.NoError(t, long.Err())
	leave()
	require.Error(t, long.Err())
}
