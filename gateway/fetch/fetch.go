package fetch

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"syscall"
	"time"

	"github.com/mergeway/mergeway/fault"
)

// Options say from where files are fetched, and how much of them. Zero limits are the
// defaults.
type Options struct {
	Hosts       []string      // names such as images.example.com or *.example.com, with a port unless it is the scheme's own; none: nothing is fetched
	HTTP        bool          // over plain http as well, which others can read and change
	Bytes       int           // of one file; default: 20 MiB
	HeaderBytes int           // of the headers of one answer; default: 64 KiB
	URLBytes    int           // of an address, a redirect's included; default: 8 KiB
	Redirects   int           // that are followed; default: 3; less than 0: none
	Timeout     time.Duration // for all of it, redirects included; default: 10 s
	Stall       time.Duration // without a byte of the answer; default: 3 s
}

// withDefaults fills in the limits.
func (o Options) withDefaults() Options {
	for _, n := range []struct {
		field     *int
		otherwise int
	}{{&o.Bytes, 20 << 20}, {&o.HeaderBytes, 64 << 10}, {&o.URLBytes, 8 << 10}, {&o.Redirects, 3}} {
		if *n.field == 0 {
			*n.field = n.otherwise
		}
	}
	if o.Timeout == 0 {
		o.Timeout = 10 * time.Second
	}
	if o.Stall == 0 {
		o.Stall = 3 * time.Second
	}
	return o
}

// Fetcher fetches from the hosts that it was given. It is safe for concurrent use,
// and holds no connection between two files.
type Fetcher struct {
	options Options
	hosts   []pattern
	client  *http.Client
	dialer  net.Dialer

	open func(netip.AddrPort) bool // which addresses may be connected to
}

// New makes a fetcher. Nothing is fetched or resolved yet.
func New(o Options) (*Fetcher, error) {
	o = o.withDefaults()
	if o.Bytes < 0 || o.HeaderBytes < 0 || o.URLBytes < 0 || o.Timeout < 0 || o.Stall < 0 {
		return nil, fault.Bad("limits", "the limits of fetching are positive numbers")
	}
	hosts, err := parseHosts(o.Hosts)
	if err != nil {
		return nil, err
	}
	f := &Fetcher{options: o, hosts: hosts, open: func(a netip.AddrPort) bool { return public(a.Addr()) }}
	f.dialer = net.Dialer{Timeout: o.Stall, Control: f.control}
	f.client = &http.Client{
		// Everything that a default would take from the environment, or keep, is off.
		Transport: &http.Transport{
			DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
				return f.dialer.DialContext(ctx, network, address)
			},
			DisableKeepAlives:      true, // each file is a connection, and each connection is checked
			DisableCompression:     true,
			TLSHandshakeTimeout:    o.Stall,
			ResponseHeaderTimeout:  o.Stall,
			MaxResponseHeaderBytes: int64(o.HeaderBytes),
		},
		CheckRedirect: f.redirect,
	}
	return f, nil
}

// errClosed says that a name led where nothing is fetched from. Where exactly, the
// client isn't told: names of networks inside are nobody's business.
var errClosed = errors.New("not a public address")

// control looks at the address of a connection, after its name was resolved and
// before it is made.
func (f *Fetcher) control(_, address string, _ syscall.RawConn) error {
	a, err := netip.ParseAddrPort(address)
	if err != nil || !f.open(a) {
		return errClosed
	}
	return nil
}

// redirect decides whether one is followed.
func (f *Fetcher) redirect(to *http.Request, before []*http.Request) error {
	if len(before) > max(0, f.options.Redirects) {
		return fault.New(fault.Invalid, "the address redirects more than %d times", max(0, f.options.Redirects))
	}
	if len(to.URL.String()) > f.options.URLBytes {
		return fault.New(fault.Invalid, "the address redirects to one of more than %d bytes", f.options.URLBytes)
	}
	to.Header.Del("Referer")
	if err := f.check(to.URL); err != nil {
		return fault.New(fault.Invalid, "the address redirects elsewhere: %v", err)
	}
	return nil
}

var (
	errSlow    = errors.New("the file took too long")
	errStalled = errors.New("the server fell silent")
)

// Fetch gets the file at an address. Errors are [fault.Invalid], or [fault.Cancelled]
// if the caller went away.
func (f *Fetcher) Fetch(ctx context.Context, address string) ([]byte, error) {
	if len(address) > f.options.URLBytes {
		return nil, fault.New(fault.Invalid, "the address has more than %d bytes", f.options.URLBytes)
	}
	u, err := url.Parse(address)
	if err != nil {
		return nil, fault.New(fault.Invalid, "the address is no URL")
	}
	u.Fragment, u.RawFragment = "", ""
	if len(f.hosts) == 0 {
		return nil, fault.New(fault.Invalid, "this server fetches no pictures: send it as a data URI, data:image/png;base64,…")
	}
	if err := f.check(u); err != nil {
		return nil, err
	}
	limited, cancel := context.WithTimeoutCause(ctx, f.options.Timeout, errSlow)
	defer cancel()
	limited, stop := context.WithCancelCause(limited)
	defer stop(nil)
	data, err := f.get(limited, stop, u)
	if err != nil {
		return nil, f.explain(ctx, limited, err)
	}
	return data, nil
}

func (f *Fetcher) get(ctx context.Context, stop context.CancelCauseFunc, u *url.URL) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return nil, err
	}
	request.Header.Set("Accept", "image/png, image/jpeg, image/webp, image/gif")
	request.Header.Set("Accept-Encoding", "identity")
	request.Header.Set("User-Agent", "mergeway")
	answer, err := f.client.Do(request)
	if err != nil {
		return nil, err
	}
	defer func() { _ = answer.Body.Close() }()
	coding := answer.Header.Get("Content-Encoding")
	switch {
	case answer.StatusCode != http.StatusOK:
		return nil, fault.New(fault.Invalid, "the server of the picture answers with status %d", answer.StatusCode)
	case coding != "" && coding != "identity":
		return nil, fault.New(fault.Invalid, "the server of the picture compresses it, which is not understood")
	case answer.ContentLength > int64(f.options.Bytes):
		return nil, f.tooLarge()
	}
	return f.read(answer.Body, stop)
}

// read reads a body, as long as its bytes keep coming.
func (f *Fetcher) read(body io.Reader, stop context.CancelCauseFunc) ([]byte, error) {
	silence := time.AfterFunc(f.options.Stall, func() { stop(errStalled) })
	defer silence.Stop()
	var data []byte
	part := make([]byte, 32<<10)
	for {
		n, err := body.Read(part)
		if len(data)+n > f.options.Bytes {
			return nil, f.tooLarge()
		}
		data = append(data, part[:n]...)
		if err == io.EOF {
			return data, nil
		}
		if err != nil {
			return nil, err
		}
		silence.Reset(f.options.Stall)
	}
}

func (f *Fetcher) tooLarge() error {
	return fault.New(fault.Invalid, "the picture has more than %d bytes", f.options.Bytes)
}

// explain says what went wrong, in words that tell nothing about the network that
// the server is in.
func (f *Fetcher) explain(ctx, limited context.Context, err error) error {
	var known *fault.Error
	var timeout net.Error
	var unknown *net.DNSError
	var untrusted *tls.CertificateVerificationError
	switch cause := context.Cause(limited); {
	case ctx.Err() != nil:
		return fault.Wrap(ctx.Err(), fault.Cancelled, "the picture was not fetched yet")
	case errors.As(err, &known):
		return known
	case errors.Is(err, errClosed):
		return fault.New(fault.Invalid, "the host of the address has no public address")
	case errors.Is(cause, errSlow):
		return fault.New(fault.Invalid, "the picture could not be fetched within %v", f.options.Timeout)
	case errors.Is(cause, errStalled), errors.As(err, &timeout) && timeout.Timeout():
		return fault.New(fault.Invalid, "the server of the picture said nothing for %v", f.options.Stall)
	case errors.As(err, &unknown):
		return fault.New(fault.Invalid, "the host of the address is not known")
	case errors.As(err, &untrusted):
		return fault.New(fault.Invalid, "the certificate of the picture's server is not valid")
	}
	return fault.Wrap(err, fault.Invalid, "the picture can't be fetched: its server can't be reached, or does not speak HTTP as it should")
}
