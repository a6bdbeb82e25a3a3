package store

import (
	"context"
	"slices"
	"sync"
	"time"

	bolt "go.etcd.io/bbolt"
)

// boltClaims are the claims made through one open file.
type boltClaims struct {
	mu       sync.RWMutex // read-locked by writes of searches, from the check to the commit
	bySearch map[string]*boltClaim
}

type boltClaim struct {
	token, owner string
	until        time.Time
	wish         Wish
}

// ClaimSearch implements [Store].
func (s *Bolt) ClaimSearch(ctx context.Context, id, owner string, ttl time.Duration) (Claim, error) {
	if err := checkClaim(id, owner, ttl); err != nil {
		return Claim{}, err
	}
	claim := newClaim(id)
	return claim, s.withClaims(ctx, func(all map[string]*boltClaim) error {
		now := time.Now()
		if c := all[id]; c != nil && now.Before(c.until) {
			return claimed(id, c.owner)
		}
		all[id] = &boltClaim{token: claim.Token, owner: owner, until: now.Add(ttl)}
		return nil
	})
}

// RenewClaim implements [Store].
func (s *Bolt) RenewClaim(ctx context.Context, c Claim, ttl time.Duration) (wish Wish, err error) {
	err = s.withClaims(ctx, func(all map[string]*boltClaim) error {
		held := all[c.SearchID]
		if held == nil || held.token != c.Token {
			return ErrClaimLost
		}
		held.until, wish = time.Now().Add(ttl), held.wish
		return nil
	})
	return wish, err
}

// EndClaim implements [Store].
func (s *Bolt) EndClaim(ctx context.Context, c Claim, ended bool) error {
	return s.withClaims(ctx, func(all map[string]*boltClaim) error {
		held := all[c.SearchID]
		switch {
		case held == nil || held.token != c.Token:
			return ErrClaimLost
		case ended:
			delete(all, c.SearchID)
		default:
			held.until = time.Time{}
		}
		return nil
	})
}

// AskOf implements [Store].
func (s *Bolt) AskOf(ctx context.Context, searchID string, w Wish) error {
	if err := checkWish(w); err != nil {
		return err
	}
	return s.withClaims(ctx, func(all map[string]*boltClaim) error {
		if held := all[searchID]; held != nil && held.wish != WishCancel {
			held.wish = w
		}
		return nil
	})
}

// FreeSearches implements [Store].
func (s *Bolt) FreeSearches(ctx context.Context) ([]string, error) {
	free := []string{}
	err := s.withClaims(ctx, func(all map[string]*boltClaim) error {
		for id, c := range all {
			if !time.Now().Before(c.until) {
				free = append(free, id)
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	slices.Sort(free)
	return free, nil
}

// withClaims reads and changes the claims while no search is being written, if the
// store is open.
func (s *Bolt) withClaims(ctx context.Context, do func(bySearch map[string]*boltClaim) error) error {
	if err := s.Ping(ctx); err != nil {
		return err
	}
	s.claims.mu.Lock() // outside of any transaction: a writer may wait for readers to end
	defer s.claims.mu.Unlock()
	return do(s.claims.bySearch)
}

// updateSearch is update for writes of a search under a claim.
func (s *Bolt) updateSearch(ctx context.Context, id, token string, write func(tx *bolt.Tx) error) error {
	if token == "" {
		return s.update(ctx, write)
	}
	s.claims.mu.RLock()
	defer s.claims.mu.RUnlock()
	return s.update(ctx, func(tx *bolt.Tx) error {
		if held := s.claims.bySearch[id]; held == nil || held.token != token {
			return ErrClaimLost
		}
		return write(tx)
	})
}
