// Package task is what a search is scored on: problems with known answers, and
// the rule that says whether a reply is right. A task is a folder: task.yaml
// describes it, and search.jsonl, validation.jsonl and test.jsonl hold problems
// that have no question in common.
package task
