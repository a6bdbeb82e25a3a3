// Package store remembers recipes, aliases, keys, searches and trials, documents of
// other kinds, and for a while the responses that conversations go on from.
//
// Its one idea: a record that a method has taken is on disk. Records are plain:
// a few fields that lists are made of, and a body of JSON that belongs to the
// room that wrote it and that nobody here looks into. Two stores keep the same
// contract, which package storetest spells out as tests: [Bolt], one file on
// local disk, for which nothing has to be installed, and [Redis], for several
// processes that share their state. A [Mirror] is a Redis whose recipes and
// aliases can be read when it is out of reach.
//
// # What is promised
//
//   - A write that returned nil survives kill -9 and, in the embedded store, a
//     power cut: each commit ends with fsync. What Redis survives, its own
//     configuration says; see [Redis].
//   - [Store.PutSearchWithTrials] writes all of its records or none.
//   - Responses go when they expire, and the oldest of them when there are too many.
//   - Of writers that race, each is told the one outcome: a recipe keeps the
//     content that came first, moves of an alias form one chain, and an alias
//     never points at a recipe that is gone.
//   - A search is written by the process that has the latest [Claim] of it.
//   - Times come back in UTC, to the nanosecond. Bodies come back byte for byte,
//     if they were compact JSON.
//   - Lists are ordered by time of creation, then id; aliases by name, trials by
//     number.
//
// # How it fails
//
// With the codes of package fault: NotFound; Invalid for a record that can't be
// kept; Unavailable if the file or server is out of reach, now or because
// another process holds it; Damaged if what is there can't be read; Cancelled if
// the context ended first.
package store
