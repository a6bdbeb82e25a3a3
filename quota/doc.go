// Package quota holds callers to their limits: requests a minute, tokens a
// minute, and requests at once.
//
// Its one idea: a rate is a bucket. It holds a minute's worth, fills steadily,
// and whoever finds nothing in it has to wait; what is found out only afterwards,
// the tokens of a reply, is taken out afterwards, and the bucket may go below
// zero. [Local] keeps buckets in memory; [Shared] keeps the same buckets in Redis,
// so that several gateways count together, and goes on alone while Redis is away:
// a server that answers too much for a while is better than one that does not
// answer.
package quota
