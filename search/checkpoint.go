package search

import (
	"context"
	"encoding/json"
	"log/slog"
	"slices"
	"sort"
	"time"

	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/store"
)

// Store is what searches need of a store.Store.
type Store interface {
	PutSearch(ctx context.Context, s store.Search) error
	GetSearch(ctx context.Context, id string) (store.Search, error)
	ListSearches(ctx context.Context) ([]store.Search, error)
	PutTrials(ctx context.Context, searchID, claim string, trials []store.Trial) error
	ListTrials(ctx context.Context, searchID string) ([]store.Trial, error)
	TrialSamples(ctx context.Context, searchID string, number int) ([]byte, error)
	// PutSearchWithTrials writes both or nothing.
	PutSearchWithTrials(ctx context.Context, s store.Search, trials []store.Trial) error

	ClaimSearch(ctx context.Context, id, owner string, ttl time.Duration) (store.Claim, error)
	RenewClaim(ctx context.Context, c store.Claim, ttl time.Duration) (store.Wish, error)
	EndClaim(ctx context.Context, c store.Claim, ended bool) error
	AskOf(ctx context.Context, searchID string, w store.Wish) error
	FreeSearches(ctx context.Context) ([]string, error)
}

// record is all that the store keeps of a search besides its trials: the body
// of a store.Search.
type record struct {
	Search
	// Layers is the number of blocks of the models, which fixes the space. Where a
	// path is searched they are Depths, one for each of [Spec.pathModels].
	Layers int   `json:"layers"`
	Depths []int `json:"depths,omitempty"`
	// Inputs are the models that other recipes make.
	Inputs inputs `json:"inputs,omitempty"`
	// TaskDigest is the content of the task when the search began.
	TaskDigest string `json:"task_digest"`
	// OtherDigests are those of the tasks besides the first.
	OtherDigests []string `json:"other_digests,omitempty"`
	// Optimizer has been told every finished generation and nothing else.
	Optimizer Optimizer `json:"optimizer"`
	// Milestones are the events that no trial tells.
	Milestones []Event `json:"milestones"`
}

// UnmarshalJSON reads a record. Its spec says whose state the optimizer's is; one
// that says nothing is older than the choice.
func (r *record) UnmarshalJSON(data []byte) error {
	type plain record
	wire := struct {
		*plain
		Optimizer json.RawMessage `json:"optimizer"`
	}{plain: (*plain)(r)}
	if err := json.Unmarshal(data, &wire); err != nil {
		return err
	}
	r.Spec.Optimizer = r.Spec.Optimizer.withDefaults()
	if len(wire.Optimizer) == 0 || string(wire.Optimizer) == "null" {
		return nil // the search can be looked at
	}
	var err error
	r.Optimizer, err = r.Spec.Optimizer.restore(wire.Optimizer)
	return err
}

// depths are the numbers of blocks that the space is made of.
func (r record) depths() []int {
	if len(r.Depths) > 0 {
		return r.Depths
	}
	return []int{r.Layers}
}

// replay gives all events of a search from what the store has.
func (r record) replay(trials []Trial) []Event {
	events := slices.Clone(r.Milestones)
	for _, t := range trials {
		events = append(events, t.events()...)
	}
	sort.Slice(events, func(i, j int) bool { return events[i].Number < events[j].Number })
	return events
}

// told are the trials that everybody was told of. A write that failed for us may
// have reached the store all the same; then the number of its event went to
// another one, and the trial is still to be made.
func (r record) told(trials []Trial) []Trial {
	taken := make(map[int]bool, len(r.Milestones))
	for _, e := range r.Milestones {
		taken[e.Number] = true
	}
	return slices.DeleteFunc(trials, func(t Trial) bool { return taken[t.Event] })
}

// events are what a trial tells: that it ended, and that its generation did.
func (t Trial) events() []Event {
	events := []Event{{Number: t.Event, At: t.At, Type: TrialEnded, Trial: &t}}
	if t.Ends != nil {
		events = append(events, Event{Number: t.Event + 1, At: t.At, Type: GenerationEnd, Generation: t.Ends})
	}
	return events
}

// keeper writes searches to the store and reads them back. A store that is out
// of reach makes it wait, not fail.
type keeper struct {
	store Store
	log   *slog.Logger
	now   func() time.Time
	delay time.Duration // before the first repetition; doubles up to maxDelay
	claim store.Claim   // under which a search is written
	ttl   time.Duration // how long a claim lasts that is not renewed
}

// under is a keeper that writes under a claim.
func (k keeper) under(c store.Claim) keeper {
	k.claim = c
	return k
}

// maxDelay is the longest pause between two attempts at something that is
// temporarily impossible.
const maxDelay = 5 * time.Second

// renew renews the claim. It tells what another process wants to become of the
// search.
func (k keeper) renew(ctx context.Context) (store.Wish, error) {
	return k.store.RenewClaim(ctx, k.claim, k.ttl)
}

// save writes a search, and the trials with it, in one transaction.
func (k keeper) save(ctx context.Context, r record, trials ...Trial) error {
	return k.insist(ctx, "save search "+r.ID, func() error { return k.put(ctx, r, trials...) })
}

// put is one attempt at save.
func (k keeper) put(ctx context.Context, r record, trials ...Trial) error {
	body, err := json.Marshal(r)
	if err != nil {
		return fault.Wrap(err, fault.Invalid, "write search %s as JSON", r.ID)
	}
	s := store.Search{ID: r.ID, State: string(r.State), Body: body, CreatedAt: r.CreatedAt, UpdatedAt: k.now(), Claim: k.claim.Token}
	if len(trials) == 0 {
		return k.store.PutSearch(ctx, s)
	}
	stored, err := storedTrials(r.ID, trials)
	if err != nil {
		return err
	}
	return k.store.PutSearchWithTrials(ctx, s, stored)
}

// saveTrial writes a trial of a search that is otherwise unchanged.
func (k keeper) saveTrial(ctx context.Context, id string, t Trial) error {
	stored, err := storedTrials(id, []Trial{t})
	if err != nil {
		return err
	}
	return k.insist(ctx, "save a trial of search "+id, func() error {
		return k.store.PutTrials(ctx, id, k.claim.Token, stored)
	})
}

// insist repeats a write until it succeeds, ctx ends, or the store says that
// repeating is no use.
func (k keeper) insist(ctx context.Context, what string, write func() error) error {
	return k.repeat(ctx, what, write, func(_ int, err error) bool {
		code := fault.CodeOf(err)
		return code == fault.Unavailable || code == fault.Internal || code == fault.Busy
	})
}

// repeat does something until it succeeds, ctx ends, or it isn't worth another
// attempt, in longer and longer intervals.
func (k keeper) repeat(ctx context.Context, what string, do func() error, again func(attempts int, err error) bool) error {
	delay := k.delay
	for attempts := 1; ; attempts++ {
		err := do()
		if err == nil {
			return nil
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if !again(attempts, err) {
			return err
		}
		k.log.Warn(what+": will try again", "in", delay, "error", err)
		if err := pause(ctx, delay); err != nil {
			return err
		}
		delay = min(2*delay, maxDelay)
	}
}

// pause sleeps, unless ctx ends first.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// load reads a search.
func (k keeper) load(ctx context.Context, id string) (record, error) {
	s, err := k.store.GetSearch(ctx, id)
	if err != nil {
		return record{}, err
	}
	return decodeRecord(s)
}

// trials reads the trials of a search, in the order of their numbers.
func (k keeper) trials(ctx context.Context, r record) ([]Trial, error) {
	stored, err := k.store.ListTrials(ctx, r.ID)
	if err != nil {
		return nil, err
	}
	trials := make([]Trial, len(stored))
	for i, s := range stored {
		if err := json.Unmarshal(s.Body, &trials[i]); err != nil {
			return nil, fault.Wrap(err, fault.Damaged, "trial %d of search %s", s.Number, r.ID)
		}
	}
	slices.SortFunc(trials, func(a, b Trial) int { return a.Number - b.Number })
	return r.told(trials), nil
}

// loadAll reads a search and its trials.
func (k keeper) loadAll(ctx context.Context, id string) (record, []Trial, error) {
	r, err := k.load(ctx, id)
	if err != nil {
		return record{}, nil, err
	}
	trials, err := k.trials(ctx, r)
	return r, trials, err
}

func decodeRecord(s store.Search) (record, error) {
	var r record
	if err := json.Unmarshal(s.Body, &r); err != nil {
		return record{}, fault.Wrap(err, fault.Damaged, "search %s", s.ID)
	}
	return r, nil
}

func storedTrials(id string, trials []Trial) ([]store.Trial, error) {
	stored := make([]store.Trial, len(trials))
	for i, t := range trials {
		body, err := json.Marshal(t)
		if err != nil {
			return nil, fault.Wrap(err, fault.Invalid, "write trial %d of search %s as JSON", t.Number, id)
		}
		stored[i] = store.Trial{SearchID: id, Number: t.Number, Body: body, Samples: t.samples}
	}
	return stored, nil
}
