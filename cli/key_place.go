package cli

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/mergeway/mergeway/gateway"
	"github.com/mergeway/mergeway/keys"
	"github.com/mergeway/mergeway/quota"
	"github.com/mergeway/mergeway/store"
)

// keyPlace says where keys are kept: in a store, or behind a gateway.
type keyPlace struct {
	settings settings
	addr     string // of the server that has the store open
	client   client
}

func (p *keyPlace) bind(f *pflag.FlagSet) {
	p.settings.bindFile(f)
	p.settings.bindState(f)
	f.StringVar(&p.addr, "addr", defaultAddr, "where the server listens that may have --data open, and is asked then")
	p.client.bind(f)
	url := f.Lookup("url")
	url.DefValue, p.client.url = "", ""
	url.Usage = "ask this gateway, whatever the state"
}

// keyManager makes, lists and revokes keys.
type keyManager interface {
	Create(ctx context.Context, s keys.Spec) (keys.Key, string, error)
	List(ctx context.Context) ([]keys.Key, error)
	Revoke(ctx context.Context, id string) error
}

// open opens the store, or turns to the gateway: if --url asks for it, or if the
// gateway has the state file.
func (p *keyPlace) open(cmd *cobra.Command) (keyManager, func(), error) {
	if p.client.url != "" {
		return remoteKeys{p.client}, func() {}, nil
	}
	quiet := slog.New(slog.DiscardHandler)
	s, err := p.settings.openStore(cmd.Context(), quiet)
	if store.InUse(err) {
		server := client{url: "http://" + reachable(p.addr), key: p.client.key}
		fmt.Fprintf(cmd.ErrOrStderr(), "the state in %s is in use: asking the server at %s (or give --url)\n", p.settings.Data, server.url)
		return remoteKeys{server}, func() {}, nil
	}
	if err != nil {
		return nil, nil, err
	}
	ring, err := keys.Open(cmd.Context(), s, nil, quiet)
	if err != nil {
		_ = s.Close()
		return nil, nil, err
	}
	return ring, func() { _ = s.Close() }, nil
}

// reachable is an address to connect to, for one to listen on.
func reachable(listen string) string {
	addr, err := netip.ParseAddrPort(listen)
	switch {
	case err != nil && strings.HasPrefix(listen, ":"):
		return "localhost" + listen
	case err == nil && addr.Addr().IsUnspecified():
		return fmt.Sprintf("localhost:%d", addr.Port())
	}
	return listen
}

// remoteKeys manages the keys of a running gateway.
type remoteKeys struct{ client }

// Create implements keyManager.
func (r remoteKeys) Create(ctx context.Context, s keys.Spec) (keys.Key, string, error) {
	var made gateway.NewAPIKey
	if err := r.call(ctx, http.MethodPost, "/v1/keys", s, &made); err != nil {
		return keys.Key{}, "", err
	}
	return keyOf(made.APIKey), made.Secret, nil
}

// List implements keyManager.
func (r remoteKeys) List(ctx context.Context) ([]keys.Key, error) {
	var list gateway.APIKeyList
	if err := r.call(ctx, http.MethodGet, "/v1/keys", nil, &list); err != nil {
		return nil, err
	}
	all := make([]keys.Key, len(list.Data))
	for i, k := range list.Data {
		all[i] = keyOf(k)
	}
	return all, nil
}

// Revoke implements keyManager.
func (r remoteKeys) Revoke(ctx context.Context, id string) error {
	var deleted gateway.Deleted
	return r.call(ctx, http.MethodDelete, "/v1/keys/"+url.PathEscape(id), nil, &deleted)
}

// keyOf is a key as the API shows it.
func keyOf(k gateway.APIKey) keys.Key {
	out := keys.Key{
		ID: k.ID, Configured: k.Configured, CreatedAt: orZero(k.CreatedAt), UsedAt: orZero(k.UsedAt),
		Spec: keys.Spec{Name: k.Name, ExpiresAt: orZero(k.ExpiresAt), Limits: quota.Limits{
			Requests: k.Limits.Requests, Tokens: k.Limits.Tokens, Concurrent: k.Limits.Concurrent,
		}},
	}
	for _, s := range k.Scopes {
		out.Scopes = append(out.Scopes, keys.Scope(s))
	}
	return out
}

func orZero(t *time.Time) time.Time {
	if t == nil {
		return time.Time{}
	}
	return *t
}
