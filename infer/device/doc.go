// Package device opens the one thing that computes: a PJRT client, through
// GoMLX's XLA backend. Everything above it sees a [Device] and never a plugin,
// a path or an environment variable. It is also where GoMLX's way of failing
// ends: graph building panics, and [Try] turns the panic into an error.
package device
