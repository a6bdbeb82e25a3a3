// Package toolcall reads the calls of functions that models write into their
// replies. Models write text; that some of it is a call is a convention between
// a model and its chat template, and there are several.
//
// [For] tells which one a model has. A [Reader] takes a reply as it grows and
// splits it into text and calls. What it can't read as a call of a function
// that was offered is text, and stays in the reply as the model wrote it.
package toolcall
