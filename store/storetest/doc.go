// Package storetest is what package store promises, spelt out as tests. Every
// store runs the same ones: see [Run].
package storetest
