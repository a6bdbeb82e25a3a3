// Package devicetest gives the tests of one binary one device to share:
// starting XLA takes longer than most tests.
package devicetest
