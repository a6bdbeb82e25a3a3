package store

import (
	"crypto/rand"
	"time"

	"github.com/mergeway/mergeway/fault"
)

// Claim is the right to run a search and to write what comes of it. It lasts for
// a while and has to be renewed; a process that died, or hangs for too long,
// loses it to the next that asks. Its token fences what the search writes: once
// another claim was made, writes under this one are refused, however late they
// come.
type Claim struct {
	SearchID string
	Token    string // no two claims have the same
}

// Wish is what somebody wants to become of a search that another process runs.
type Wish string

// The wishes. A wish to cancel is not undone by a later one to pause.
const (
	NoWish     Wish = ""
	WishCancel Wish = "cancel" // end it for good
	WishPause  Wish = "pause"  // let it rest until somebody resumes it
)

// checkWish says what is wrong with a wish.
func checkWish(w Wish) error {
	if w != WishCancel && w != WishPause {
		return fault.Bad("wish", "unknown wish %q: it is %s or %s", string(w), WishCancel, WishPause)
	}
	return nil
}

// ErrClaimLost says that a claim was renewed, ended, or written under after
// somebody else had made another, or after the store had lost it.
var ErrClaimLost = fault.New(fault.Conflict, "the search was taken over by another process")

// newClaim makes a claim that nobody else has.
func newClaim(searchID string) Claim { return Claim{SearchID: searchID, Token: rand.Text()} }

// checkClaim says what is wrong with what a claim is to be made of.
func checkClaim(searchID, owner string, ttl time.Duration) error {
	if err := checkKey("id", searchID); err != nil {
		return err
	}
	if err := checkKey("owner", owner); err != nil {
		return err
	}
	if ttl < time.Millisecond {
		return fault.Bad("ttl", "a claim lasts at least a millisecond, not %v", ttl)
	}
	return nil
}

// claimed is the answer to who wants a search that another one has.
func claimed(searchID, owner string) error {
	return fault.New(fault.Conflict, "search %s is run by %s", searchID, owner)
}
