// Package test holds the integration tests: they build the mergeway binary,
// start it on the miniature models, and talk to it only as its users do, over
// HTTP, with the clients that people use, with lm-evaluation-harness and with
// curl-like requests, and by killing the process. Nothing here reaches into the
// program.
//
// `scripts/test` runs them with everything they need. Alone:
//
//	scripts/go test -v ./test/
//
// Tests whose helper is not installed are skipped then: redis-server, and the
// packages for Python that python/requirements*.txt list.
package test
