// Package task is what models are scored on: problems with known answers, the way
// to ask them, and the metric that says how good a reply is. A task is a folder:
// task.yaml describes it, and search.jsonl, validation.jsonl and test.jsonl, or
// some of them, hold problems that have no question in common.
//
// Each metric is a file, metric_*.go, and a row of the table in metric.go.
package task
