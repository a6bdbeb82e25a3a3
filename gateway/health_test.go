package gateway

import (
	"context"
	"errors"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestHealthAndReadiness(t *testing.T) {
	errNoStore := errors.New("dial tcp 10.0.0.5: refused")
	parts := []Part{{Name: "store", Status: PartReady}}
	b := newBench(t, func(o *Options) { o.Parts = func(context.Context) []Part { return parts } })
	var h Health
	b.send("GET", "/healthz", "").into(t, &h)
	require.Equal(t, "ok", h.Status)
	require.Equal(t, "test", h.Version)
	r := b.send("GET", "/readyz", "")
	require.Equal(t, http.StatusOK, r.status)
	require.JSONEq(t, `{"status": "ready", "parts": [{"name": "store", "status": "ready"}]}`, r.body)

	parts = []Part{{Name: "device", Status: PartReady}, {Name: "store", Status: PartDegraded, Reason: "it is away", Since: &epoch, Err: errNoStore}}
	r = b.send("GET", "/readyz", "")
	require.Equal(t, http.StatusOK, r.status, "a balancer sends requests on")
	var degraded Readiness
	r.into(t, &degraded)
	require.Equal(t, PartDegraded, degraded.Status)
	require.Equal(t, "it is away", degraded.Parts[1].Reason)
	require.True(t, epoch.Equal(*degraded.Parts[1].Since))
	require.NotContains(t, r.body, errNoStore.Error())

	parts = append(parts, Part{Name: "disk", Status: PartFailed, Err: errNoStore})
	r = b.send("GET", "/readyz", "")
	require.Contains(t, r.requireError(t, 503, "unavailable", "").Message, "disk")
	require.NotContains(t, r.body, errNoStore.Error())
	require.Contains(t, b.log.String(), errNoStore.Error())
	require.NotEmpty(t, r.header.Get("Retry-After"))

	parts = nil
	b.gateway.Drain()
	b.send("GET", "/readyz", "").requireError(t, 503, "unavailable", "")
	b.send("POST", chatPath, ask("")).requireError(t, 503, "unavailable", "")
	require.Equal(t, http.StatusOK, b.send("GET", "/v1/models", "").status, "what needs no engine goes on")
	b.send("GET", "/healthz", "").into(t, &h)
	require.Equal(t, "draining", h.Status)
}

func TestReadinessWithoutParts(t *testing.T) {
	r := newBench(t).send("GET", "/readyz", "")
	require.Equal(t, http.StatusOK, r.status)
	require.JSONEq(t, `{"status": "ready", "parts": []}`, r.body)
}
