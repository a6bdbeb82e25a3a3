// Package keys makes API keys and knows whose they are: what each may do, how
// much, and until when.
//
// Its one idea: nobody keeps a key but its owner. What is stored is a digest, the
// key itself is shown once. A [Ring] holds the digests of all keys in memory, so
// that no request waits for the store, and looks there twice a second for what
// others made or revoked; while the store is away it goes by what it knew last.
package keys
