// Package observe makes what the rooms report visible from outside: counts and
// times as Prometheus metrics, requests as OpenTelemetry traces.
//
// The one idea: rooms know nothing of either. Each declares a small Observer that
// it calls, or has counts that can be read; [Metrics] is all of these observers in
// one, and reads the counts when it is scraped. Metrics are called as vLLM calls
// them where vLLM has them, with the prefix "mergeway:", so that its dashboards
// need one replacement.
//
// Start with [NewMetrics]; [OpenTracing] is for traces.
package observe
