package gateway

import (
	"time"

	"github.com/mergeway/mergeway/keys"
)

// KeyRequest is the body of POST /v1/keys.
type KeyRequest struct {
	Name      string     `json:"name" binding:"required" maxLength:"128" example:"ci"` // for people
	Scopes    []string   `json:"scopes" binding:"required" enums:"inference,manage,search" example:"inference"`
	ExpiresAt *time.Time `json:"expires_at,omitempty" format:"date-time"` // absent: never
	Limits    KeyLimits  `json:"limits"`
}

// KeyLimits bound a key's use; 0 is no limit.
type KeyLimits struct {
	Requests   int `json:"requests_per_minute,omitempty" minimum:"0" example:"60"`   // 0: no limit
	Tokens     int `json:"tokens_per_minute,omitempty" minimum:"0" example:"100000"` // of prompts and replies together
	Concurrent int `json:"concurrent_requests,omitempty" minimum:"0" example:"4"`    // at the same time; 0: no limit
}

// APIKey is a key as everybody but its owner knows it.
type APIKey struct {
	ID         string     `json:"id" example:"key-0123456789abcdef"`
	Object     string     `json:"object" enums:"api_key"`
	Name       string     `json:"name"`
	Scopes     []string   `json:"scopes" enums:"inference,manage,search"`
	Limits     KeyLimits  `json:"limits"`
	CreatedAt  *time.Time `json:"created_at" extensions:"x-nullable"`   // null: part of the configuration
	UsedAt     *time.Time `json:"last_used_at" extensions:"x-nullable"` // to a minute or so; null: never
	ExpiresAt  *time.Time `json:"expires_at" extensions:"x-nullable"`   // null: never
	Configured bool       `json:"configured"`                           // by the configuration, which alone can take it away
}

// NewAPIKey is the reply to POST /v1/keys.
type NewAPIKey struct {
	APIKey
	Secret string `json:"secret" example:"mw-…"` // the key itself; it is shown now and never again
}

// APIKeyList is the reply to GET /v1/keys.
type APIKeyList struct {
	Object string   `json:"object" enums:"list"`
	Data   []APIKey `json:"data"`
}

// spec says what is asked for in the terms of package keys, which checks it.
func (r KeyRequest) spec() keys.Spec {
	s := keys.Spec{Name: r.Name}
	for _, scope := range r.Scopes {
		s.Scopes = append(s.Scopes, keys.Scope(scope))
	}
	s.Limits.Requests, s.Limits.Tokens, s.Limits.Concurrent = r.Limits.Requests, r.Limits.Tokens, r.Limits.Concurrent
	if r.ExpiresAt != nil {
		s.ExpiresAt = r.ExpiresAt.UTC()
	}
	return s
}

func newAPIKey(k keys.Key) APIKey {
	out := APIKey{
		ID: k.ID, Object: "api_key", Name: k.Name, Configured: k.Configured,
		Limits:    KeyLimits{Requests: k.Limits.Requests, Tokens: k.Limits.Tokens, Concurrent: k.Limits.Concurrent},
		CreatedAt: momentOrNull(k.CreatedAt), UsedAt: momentOrNull(k.UsedAt.Truncate(time.Minute)), ExpiresAt: momentOrNull(k.ExpiresAt),
	}
	for _, scope := range k.Scopes {
		out.Scopes = append(out.Scopes, string(scope))
	}
	return out
}

// momentOrNull is a time to the second, in UTC.
func momentOrNull(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC().Truncate(time.Second)
	return &t
}
