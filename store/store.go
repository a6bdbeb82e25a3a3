package store

import (
	"context"
	"time"
)

// Store is all that can be asked of a store. Rooms declare the few methods that
// they use as interfaces of their own; this one is for the code that opens a
// store and for the contract test. Every method is safe for concurrent use.
type Store interface {
	// PutRecipe keeps a recipe, unless there is one with its id: an id never
	// changes meaning. It gives the one that is kept.
	PutRecipe(ctx context.Context, r Recipe) (kept Recipe, err error)
	// GetRecipe gives a recipe by its id.
	GetRecipe(ctx context.Context, id string) (Recipe, error)
	// ListRecipes gives all recipes, the oldest first.
	ListRecipes(ctx context.Context) ([]Recipe, error)
	// DeleteRecipe forgets a recipe. As long as an alias points at it, that is a
	// fault.Conflict that names the alias.
	DeleteRecipe(ctx context.Context, id string) error

	// PutAlias makes an alias, or moves it: the target it had goes to the end
	// of its history, of which the latest [MaxAliasHistory] are kept. Moving
	// it to where it points already changes nothing. The alias as it is then
	// is returned. Moves made at the same time, by whomever, happen one after
	// the other, and each is decided on what the one before it left; a recipe
	// can't go while an alias is moved to it.
	PutAlias(ctx context.Context, name string, move Move, at time.Time) (Alias, error)
	// GetAlias gives an alias by its name.
	GetAlias(ctx context.Context, name string) (Alias, error)
	// ListAliases gives all aliases, by name.
	ListAliases(ctx context.Context) ([]Alias, error)
	// DeleteAlias forgets an alias and its history.
	DeleteAlias(ctx context.Context, name string) error

	// PutKey keeps the record of an API key, in place of the one with the same
	// id if there is one.
	PutKey(ctx context.Context, k Key) error
	// ListKeys gives all keys, the oldest first.
	ListKeys(ctx context.Context) ([]Key, error)
	// TouchKey notes that a key was used: its UsedAt becomes at, unless it is
	// later already.
	TouchKey(ctx context.Context, id string, at time.Time) error
	// DeleteKey forgets a key.
	DeleteKey(ctx context.Context, id string) error

	// PutSearch keeps the record of a search, in place of the one with the
	// same id if there is one. With a claim that isn't the search's, it fails
	// with [ErrClaimLost]; so do the other writes of searches.
	PutSearch(ctx context.Context, s Search) error
	// PutSearchWithTrials is PutSearch and PutTrials in one: both happen, or
	// neither. It is how a search makes a checkpoint.
	PutSearchWithTrials(ctx context.Context, s Search, trials []Trial) error
	// GetSearch gives the record of a search.
	GetSearch(ctx context.Context, id string) (Search, error)
	// ListSearches gives all searches, the oldest first.
	ListSearches(ctx context.Context) ([]Search, error)

	// PutTrials keeps trials of a search that is there: all of them, or none.
	// claim is the token of the claim under which they are written; empty:
	// whoever runs the search.
	PutTrials(ctx context.Context, searchID, claim string, trials []Trial) error
	// ListTrials gives all trials of a search, by number.
	ListTrials(ctx context.Context, searchID string) ([]Trial, error)
	// PageTrials gives some trials of a search, by number: it skips offset of
	// them and gives at most limit. total is how many there are.
	PageTrials(ctx context.Context, searchID string, offset, limit int) (page []Trial, total int, err error)

	// TrialSamples gives the samples of a trial; nil if it has none.
	TrialSamples(ctx context.Context, searchID string, number int) ([]byte, error)

	// ClaimSearch makes a claim of a search, which need not be stored yet: for
	// ttl from now nobody else gets one. While another's lasts, that is a
	// fault.Conflict that names its owner.
	ClaimSearch(ctx context.Context, id, owner string, ttl time.Duration) (Claim, error)
	// RenewClaim makes a claim last for ttl from now. It tells what somebody wants
	// to become of the search.
	RenewClaim(ctx context.Context, c Claim, ttl time.Duration) (Wish, error)
	// EndClaim lets go of a claim. If the search has ended or rests, nobody needs
	// another; otherwise it is free for the next one to take.
	EndClaim(ctx context.Context, c Claim, ended bool) error
	// AskOf lets whoever has the claim of a search know, at the next renewal, what
	// is to become of it.
	AskOf(ctx context.Context, searchID string, w Wish) error
	// FreeSearches gives the ids of searches that had a claim and haven't ended,
	// and that nobody has a claim of now.
	FreeSearches(ctx context.Context) ([]string, error)

	// PutResponse keeps a response until it expires, in place of the one with the
	// same id if there is one. At most so many are kept: the oldest go first.
	PutResponse(ctx context.Context, r Response, most int) error
	// GetResponse gives a response that has not expired.
	GetResponse(ctx context.Context, id string) (Response, error)
	// DeleteResponse forgets a response.
	DeleteResponse(ctx context.Context, id string) error

	// CreateDocument keeps a document, unless there is one of its kind and id:
	// that is a fault.Conflict.
	CreateDocument(ctx context.Context, d Document) error
	// PutDocument keeps a document, in place of the one of its kind and id if there
	// is one.
	PutDocument(ctx context.Context, d Document) error
	// GetDocument gives a document without its data.
	GetDocument(ctx context.Context, kind, id string) (Document, error)
	// DocumentData gives the data of a document; nil if it has none.
	DocumentData(ctx context.Context, kind, id string) ([]byte, error)
	// ListDocuments gives all documents of a kind without their data, the oldest
	// first.
	ListDocuments(ctx context.Context, kind string) ([]Document, error)
	// DeleteDocument forgets a document and its data.
	DeleteDocument(ctx context.Context, kind, id string) error

	// Ping says whether the store can be reached.
	Ping(ctx context.Context) error
	// Close lets go of the file or the connections. Methods called afterwards
	// fail with fault.Unavailable. A second Close does nothing.
	Close() error
}
