// Package formats makes tasks of data sets as they are published: a file in the
// format of its publisher, and a task.yaml that asks its questions in the usual
// way. Each format is a file.
package formats
