// Package fleet spreads the trials of searches over many machines. Redis is the
// only thing they share: a recipe goes out, a few hundred bytes, and the verdict
// on each problem comes back; weights stay where they are, for every worker holds
// the sources itself.
//
// [Lab] is the end of a gateway: a search.Lab that lets workers try candidates as
// long as there are any, and its own device too. [Worker] is the other end. An
// [order] is carried by an asynq queue. What asynq does not know is told by keys
// beside it: which members are alive, who has taken an order, and what came of it.
//
// An order's id is made of what it asks. So the same question has one answer,
// whoever asks it again and however often it was tried: a worker that was thought
// lost and wakes up can only say the same as the one that took its place.
package fleet
