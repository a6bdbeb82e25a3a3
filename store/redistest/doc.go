// Package redistest runs a real redis-server for a test: one that keeps what it
// was told, and that can be killed and started again.
package redistest
