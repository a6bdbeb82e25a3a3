// Package cli is the wiring: each command of the mergeway binary is one small
// file that opens the rooms it needs and connects them. No decision about
// models, merging or searching is taken here. Start at [Main], then read
// rooms.go (what every command shares) and serve.go (the gateway).
package cli
