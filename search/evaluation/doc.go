// Package evaluation scores models on tasks in the background: one model, one
// split, a score with its interval and the verdict on each reply. Evaluations are
// kept in the store; one that runs is shown as far as it is, by whichever process
// on the same store is asked.
package evaluation
