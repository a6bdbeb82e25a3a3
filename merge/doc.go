// Package merge turns a recipe into a model. A [Recipe] is a small value that
// names its sources, a method and a handful of numbers; the merged weights are
// made from it on the device, whenever they are asked for, and may be dropped
// again at any time.
package merge
