// Package cube is what optimizers over the unit cube have in common: what they start
// from, and what they are told of.
package cube
