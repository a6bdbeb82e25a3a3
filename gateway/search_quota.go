package gateway

import (
	"math"
	"slices"
	"strconv"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/search"
)

const (
	// quotaWindow is the time for which a key's trials are counted.
	quotaWindow = 24 * time.Hour
	// quotaPause is when to ask again for a place that no clock frees.
	quotaPause = time.Minute
)

// launch starts a search for whoever asks, within what one key may have. Two
// requests are not counted at once, so that both can't take the last place.
func (g *Gateway) launch(c *gin.Context, spec search.Spec) (search.Search, error) {
	ctx, key := c.Request.Context(), whoAsks(c).key
	if key == "" { // the operator's, or no key at all
		return g.searches.LaunchFor(ctx, "", spec)
	}
	g.launching.Lock()
	defer g.launching.Unlock()
	all, err := g.searches.List(ctx)
	if err != nil {
		return search.Search{}, err
	}
	all = slices.DeleteFunc(all, func(s search.Search) bool { return s.Key != key })
	retry, err := g.limits.searchQuota(all, plannedTrials(spec), time.Now())
	if err != nil {
		if retry > 0 {
			c.Header("Retry-After", strconv.Itoa(int(math.Ceil(retry.Seconds()))))
		}
		return search.Search{}, err
	}
	return g.searches.LaunchFor(ctx, key, spec)
}

// searchQuota says why a key that has had some searches can't have another of so many
// trials, and when it may ask again.
func (l Limits) searchQuota(had []search.Search, trials int, now time.Time) (retry time.Duration, err error) {
	if trials > l.KeyTrials {
		return 0, fault.Bad("trials", "%d trials: a key may run %d a day", trials, l.KeyTrials)
	}
	running, spent := 0, 0
	for _, s := range had {
		if !s.State.Final() {
			running++
		}
		if s.CreatedAt.After(now.Add(-quotaWindow)) {
			spent += spentTrials(s)
		}
	}
	if running >= l.KeySearches {
		return quotaPause, fault.New(rateLimited, "this key has %d searches that have not ended: it may have %d", running, l.KeySearches)
	}
	if spent+trials <= l.KeyTrials {
		return 0, nil
	}
	// The oldest are forgotten first.
	slices.SortFunc(had, func(a, b search.Search) int { return a.CreatedAt.Compare(b.CreatedAt) })
	for _, s := range had {
		leaves := s.CreatedAt.Add(quotaWindow)
		if left := leaves.Sub(now); left > 0 {
			retry = max(left, time.Second)
			if spent -= spentTrials(s); spent+trials <= l.KeyTrials {
				break
			}
		}
	}
	return retry, &fault.Error{Code: rateLimited, Param: "trials",
		Message: "this key may run " + strconv.Itoa(l.KeyTrials) + " trials a day, and these would be more"}
}

// spentTrials is what a search counts for: what it may still try, and once it has
// ended what it has tried.
func spentTrials(s search.Search) int {
	switch {
	case s.State.Final():
		return s.Progress.Trials
	case s.Next != "": // which counts for itself
		return s.Spec.Trials
	}
	return plannedTrials(s.Spec)
}

// plannedTrials are those of a search and of all that follow it.
func plannedTrials(spec search.Spec) int {
	n := spec.WithDefaults().Trials
	for then := spec.Then; then != nil; then = then.Then {
		n += then.WithDefaults().Trials
	}
	return n
}
