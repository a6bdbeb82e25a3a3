package cli

import (
	"errors"
	"fmt"
	"time"

	"github.com/spf13/pflag"

	"github.com/mergeway/mergeway/config"
	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/gateway"
	"github.com/mergeway/mergeway/gateway/fetch"
	"github.com/mergeway/mergeway/quota"
	"github.com/mergeway/mergeway/search"
	"github.com/mergeway/mergeway/search/fleet"
)

// serveSettings are the settings of the gateway. Its flags are the one description
// of them: see package config.
type serveSettings struct {
	settings
	telemetry
	Addr           string
	TLSCert        string
	TLSKey         string
	APIKeys        list
	Keys           keyList
	OpenAccess     bool
	ClientLimits   quota.Limits
	AllowedOrigins list
	AllowedHosts   list
	PictureHosts   list
	PictureHTTP    bool
	Warm           list
	DefaultModel   string
	Exports        string
	DrainTime      time.Duration
	Limits         gateway.Limits
	WorkersOnly    bool
}

// defaultAddr is for this machine only.
const defaultAddr = "127.0.0.1:8080"

func newServeSettings() *serveSettings {
	return &serveSettings{Limits: gateway.DefaultLimits()}
}

// flags makes the flags of all settings.
func (s *serveSettings) flags() *pflag.FlagSet {
	f := pflag.NewFlagSet("serve", pflag.ContinueOnError)
	config.Section(f, "Address", func(f *pflag.FlagSet) {
		f.StringVar(&s.Addr, "addr", defaultAddr, "address to listen on")
		f.StringVar(&s.TLSCert, "tls-cert", "", "PEM file of the certificate, with its chain: serve HTTPS. It is read again when it changes, and on SIGHUP")
		f.StringVar(&s.TLSKey, "tls-key", "", "PEM file of the certificate's key")
		f.DurationVar(&s.DrainTime, "drain-timeout", 30*time.Second, "time for running requests to end at shutdown")
	})
	config.Section(f, "Access", s.bindAccess)
	s.settings.bind(f, "info")
	s.bindFleet(f)
	config.Section(f, stateSection, func(f *pflag.FlagSet) {
		f.BoolVar(&s.WorkersOnly, "workers-only", false, "leave this gateway's device to its users while there are workers (mergeway worker) that try the candidates of searches")
	})
	config.Section(f, modelsSection, func(f *pflag.FlagSet) {
		f.Var(&s.Warm, "warm", "models to load and compile for at start, separated by commas; they stay loaded")
		f.StringVar(&s.DefaultModel, "default-model", "", "whose tokenizer /tokenize and its kin use for who names no model; none: that which all sources have in common")
		f.StringVar(&s.Exports, "exports", "", "folder below which recipes' models are exported on request (none: they are not); if it is that of --models, they are models at once")
	})
	config.Section(f, "Metrics and traces", s.telemetry.bind)
	for _, part := range []struct {
		title string
		times bool
	}{{"Limits of a request", false}, {"Time limits", true}} {
		config.Section(f, part.title, func(f *pflag.FlagSet) { bindLimits(f, &s.Limits, part.times) })
	}
	return f
}

func (s *serveSettings) bindAccess(f *pflag.FlagSet) {
	f.Var(&s.APIKeys, "api-keys", "keys that may do everything, separated by commas, for a start; better given as MERGEWAY_API_KEYS. See mergeway key for keys with scopes and limits")
	config.Secret(f, "api-keys")
	f.Var(&s.Keys, "keys", "keys by their hashes, with scopes and limits, beside those that mergeway key makes; mergeway key create --for-config writes an entry")
	config.Example(f, "keys", keysExample)
	f.BoolVar(&s.OpenAccess, "open-access", false, "answer any machine while there are no keys; else only this machine is answered then")
	f.IntVar(&s.ClientLimits.Requests, "client-rpm", 0, "requests per minute of each client address while there are no keys (0: no limit)")
	f.IntVar(&s.ClientLimits.Tokens, "client-tpm", 0, "tokens per minute, likewise")
	f.IntVar(&s.ClientLimits.Concurrent, "client-concurrent", 0, "concurrent requests, likewise")
	f.Var(&s.AllowedOrigins, "allowed-origins", "web origins whose pages may use the API (CORS), separated by commas; * for all")
	f.Var(&s.PictureHosts, "picture-hosts", "hosts that pictures in requests may be fetched from, such as images.example.com or *.example.com, separated by commas; none if empty. Addresses that only this machine or its network can reach are never asked")
	f.BoolVar(&s.PictureHTTP, "picture-http", false, "fetch pictures over plain http as well, which others can read and change")
	f.Var(&s.AllowedHosts, "allowed-hosts", "names this server may be called by while it has no keys, separated by commas; * for all")
}

// bindLimits adds the gateway's limits: numbers, or times.
func bindLimits(f *pflag.FlagSet, l *gateway.Limits, times bool) {
	for _, limit := range l.Settings() {
		switch {
		case times && limit.Duration != nil:
			f.DurationVar(limit.Duration, limit.Key, *limit.Duration, limit.Help)
		case !times && limit.Number != nil:
			f.IntVar(limit.Number, limit.Key, *limit.Number, limit.Help)
		}
	}
}

// check refuses settings that make no sense, or none together, before anything
// is opened. flags tell where they came from.
func (s *serveSettings) check(flags *pflag.FlagSet) error {
	if err := s.Limits.Check(); err != nil {
		return blame(flags, err)
	}
	if _, err := fetch.New(s.fetching()); err != nil {
		return blame(flags, err)
	}
	for _, limit := range []struct {
		key   string
		value int
	}{{"client-rpm", s.ClientLimits.Requests}, {"client-tpm", s.ClientLimits.Tokens}, {"client-concurrent", s.ClientLimits.Concurrent}} {
		if limit.value < 0 || limit.value > quota.Max {
			return blame(flags, fault.Bad(limit.key, "%s is %d: it must be 0, for no limit, to %d", limit.key, limit.value, quota.Max))
		}
	}
	switch {
	case s.TLSCert != "" && s.TLSKey == "":
		return blame(flags, fault.Bad("tls-cert", "tls-cert is given without tls-key"))
	case s.TLSKey != "" && s.TLSCert == "":
		return blame(flags, fault.Bad("tls-key", "tls-key is given without tls-cert"))
	case s.DrainTime < 0:
		return blame(flags, fault.Bad("drain-timeout", "drain-timeout can't be negative"))
	case s.RedisWait < 0:
		return blame(flags, fault.Bad("redis-wait", "redis-wait can't be negative"))
	case s.WorkerTTL < fleet.MinTTL:
		return blame(flags, fault.Bad("worker-ttl", "worker-ttl is %v: at least %v", s.WorkerTTL, fleet.MinTTL))
	case s.ClaimTTL < search.MinClaimTTL:
		return blame(flags, fault.Bad("claim-ttl", "claim-ttl is %v: at least %v", s.ClaimTTL, search.MinClaimTTL))
	}
	return nil
}

// blame says where a wrong setting came from.
func blame(flags *pflag.FlagSet, err error) error {
	var f *fault.Error
	if errors.As(err, &f) && f.Param != "" {
		err = config.Blame(flags, f.Param, err)
	}
	return usageError{fmt.Errorf("%w; see mergeway serve --help", err)}
}
