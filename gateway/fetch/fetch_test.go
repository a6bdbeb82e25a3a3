package fetch

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mergeway/mergeway/fault"
)

// refused fetches what can't be, and checks the reason.
func refused(t *testing.T, f *Fetcher, address, reason string) {
	t.Helper()
	_, err := f.Fetch(t.Context(), address)
	require.Error(t, err, address)
	require.Equal(t, fault.Invalid, fault.CodeOf(err), address)
	var e *fault.Error
	require.True(t, errors.As(err, &e))
	require.Contains(t, e.Message, reason, address)
	require.NotContains(t, e.Message, "127.0.0", "nothing is told of the network inside")
}

func TestAFileIsFetched(t *testing.T) {
	w := newWorld(t)
	w.point("images.example.com", "127.0.0.1")
	w.point("cdn.images.example.com", "127.0.0.1")
	headers := make(chan http.Header, 10)
	port := w.serve(func(rw http.ResponseWriter, r *http.Request) {
		headers <- r.Header
		switch r.URL.Path {
		case "/a.png":
			_, _ = rw.Write([]byte("a picture"))
		case "/moved":
			rw.Header().Set("Set-Cookie", "id=1")
			http.Redirect(rw, r, "http://CDN.images.example.com.:"+r.URL.Query().Get("port")+"/a.png#part", http.StatusFound)
		case "/endless":
			_, _ = rw.Write(bytes.Repeat([]byte("x"), 10))
			rw.(http.Flusher).Flush() // no length is known
		}
	})
	t.Setenv("HTTP_PROXY", "http://127.0.0.1:1")
	f := w.fetcher(patient("images.example.com:"+port, "*.images.example.com:"+port))
	for _, path := range []string{"/a.png", "/a.png#fragment", "/moved?port=" + port} {
		got, err := f.Fetch(t.Context(), "http://Images.example.com:"+port+path)
		require.NoError(t, err, path)
		require.Equal(t, "a picture", string(got))
	}
	got, err := f.Fetch(t.Context(), "http://images.example.com:"+port+"/endless")
	require.NoError(t, err)
	require.Len(t, got, 10)
	close(headers)
	for h := range headers {
		require.Empty(t, h.Get("Referer"))
		require.Empty(t, h.Get("Cookie"))
		require.Empty(t, h.Get("Authorization"))
		require.Equal(t, "identity", h.Get("Accept-Encoding"))
	}
}

func TestOverTLS(t *testing.T) {
	w := newWorld(t)
	w.point("example.com", "127.0.0.1")
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) { _, _ = rw.Write([]byte("a picture")) }))
	s.Config.ErrorLog = nil
	s.StartTLS()
	t.Cleanup(s.Close)
	port := w.opened(s.Listener.Addr())
	o := patient("example.com:" + port)
	o.HTTP = false
	f := w.fetcher(o)
	refused(t, f, "https://example.com:"+port+"/", "certificate")
	refused(t, f, "http://example.com:"+port+"/", "https only")

	roots := x509.NewCertPool()
	roots.AddCert(s.Certificate())
	f.client.Transport.(*http.Transport).TLSClientConfig = &tls.Config{RootCAs: roots}
	got, err := f.Fetch(t.Context(), "https://example.com:"+port+"/")
	require.NoError(t, err)
	require.Equal(t, "a picture", string(got))
}

func TestAddressesThatAreNeverAsked(t *testing.T) {
	w := newWorld(t)
	f := w.fetcher(patient("images.example.com", "*.cdn.example", "127.0.0.1", "[::1]", "localhost", "odd.example:8080"))
	for address, reason := range map[string]string{
		"ftp://images.example.com/":        "begins with https",
		"file:///etc/passwd":               "begins with https",
		"//images.example.com/a":           "begins with https",
		"":                                 "begins with https",
		"https:images.example.com":         "no host",
		"https://":                         "no host",
		"https://user@images.example.com/": "user or password",
		"https://user:secret@images.example.com/":                 "user or password",
		"https://images.example.com:8443/":                        "does not fetch from",
		"https://elsewhere.example/":                              "does not fetch from",
		"https://images.example.com.elsewhere.example/":           "does not fetch from",
		"https://cdn.example/":                                    "does not fetch from",
		"https://acdn.example/":                                   "does not fetch from",
		"https://odd.example/":                                    "does not fetch from",
		"https://2130706433/":                                     "does not fetch from",
		"https://0x7f.1/":                                         "does not fetch from",
		"https://%31/":                                            "no URL",
		"https://a b/":                                            "no URL",
		"https://images.example.com/" + strings.Repeat("a", 8192): "more than 8192 bytes",
		"http://127.0.0.1/":                                       "no public address", // listed, and closed for all that
		"http://[::1]/":                                           "no public address",
		"http://nowhere.cdn.example/":                             "not known",
	} {
		refused(t, f, address, reason)
	}
	refused(t, w.fetcher(patient()), "https://images.example.com/", "fetches no pictures")
}

func TestANameThatLeadsInsideIsNotFollowed(t *testing.T) {
	w := newWorld(t)
	touched := make(chan string, 10)
	inside := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { touched <- r.URL.Path }))
	t.Cleanup(inside.Close)
	insidePort := inside.URL[strings.LastIndex(inside.URL, ":")+1:]
	var port string
	port = w.serve(func(rw http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/loopback":
			http.Redirect(rw, r, inside.URL+"/secret", http.StatusFound)
		case "/listed":
			http.Redirect(rw, r, "http://inside.example:"+insidePort+"/secret", http.StatusTemporaryRedirect)
		case "/file":
			http.Redirect(rw, r, "file:///etc/passwd", http.StatusFound)
		case "/password":
			http.Redirect(rw, r, "http://a:b@images.example:"+port+"/", http.StatusFound)
		case "/flip": // the next look-up of the same name gives another address
			w.point("images.example", "127.0.0.66")
			http.Redirect(rw, r, "http://images.example:"+port+"/", http.StatusFound)
		case "/far":
			http.Redirect(rw, r, "http://images.example:"+port+"/"+strings.Repeat("a", 9000), http.StatusFound)
		case "/round":
			http.Redirect(rw, r, "/round", http.StatusFound)
		}
	})
	w.point("images.example", "127.0.0.1")
	w.point("inside.example", "127.0.0.1")
	w.point("metadata.example", "169.254.169.254", "10.0.0.1", "100.64.1.1")
	f := w.fetcher(patient("images.example:"+port, "inside.example:"+insidePort, "127.0.0.1:"+insidePort, "metadata.example"))
	at := "http://images.example:" + port
	refused(t, f, "http://inside.example:"+insidePort+"/secret", "no public address")
	refused(t, f, "http://metadata.example/latest", "no public address")
	refused(t, f, at+"/loopback", "no public address")
	refused(t, f, at+"/listed", "no public address")
	refused(t, f, at+"/file", "redirects elsewhere")
	refused(t, f, at+"/password", "user or password")
	refused(t, f, at+"/far", "of more than 8192 bytes")
	refused(t, f, at+"/round", "more than 3 times")
	refused(t, f, at+"/flip", "no public address")
	refused(t, f, at+"/", "no public address") // it still leads there
	require.Empty(t, touched)
	w.point("images.example", "127.0.0.66", "127.0.0.1") // one of several is public
	got, err := f.Fetch(t.Context(), at+"/")
	require.NoError(t, err)
	require.Empty(t, got)

	o := patient("images.example:" + port)
	o.Redirects = -1
	refused(t, w.fetcher(o), at+"/round", "more than 0 times")
}

func TestWhatAServerSendsHasLimits(t *testing.T) {
	w := newWorld(t)
	w.point("images.example", "127.0.0.1")
	quit := make(chan struct{})
	port := w.serve(func(rw http.ResponseWriter, r *http.Request) {
		flush := rw.(http.Flusher).Flush
		switch r.URL.Path {
		case "/said": // its length says that it is too long
			rw.Header().Set("Content-Length", "2000")
			_, _ = rw.Write(make([]byte, 2000))
		case "/unsaid":
			for range 100 {
				_, _ = rw.Write(make([]byte, 1000))
				flush()
			}
		case "/short":
			rw.Header().Set("Content-Length", "500")
			_, _ = rw.Write(make([]byte, 100))
		case "/zipped":
			rw.Header().Set("Content-Encoding", "gzip")
			z := gzip.NewWriter(rw)
			_, _ = z.Write(make([]byte, 1<<20))
			_ = z.Close()
		case "/missing":
			http.NotFound(rw, r)
		case "/headers":
			for i := range 100 {
				rw.Header().Set(fmt.Sprintf("X-%d", i), strings.Repeat("a", 1000))
			}
		case "/silent":
			_, _ = rw.Write([]byte("a"))
			flush()
			<-quit
		case "/mute":
			<-quit
		case "/trickle":
			for {
				_, err := rw.Write([]byte("a"))
				flush()
				select {
				case <-quit:
					return
				case <-time.After(5 * time.Millisecond):
				}
				if err != nil {
					return
				}
			}
		}
	})
	t.Cleanup(func() { close(quit) }) // before the server is closed, which waits for its handlers
	at := "http://images.example:" + port
	o := patient("images.example:" + port)
	o.Bytes, o.HeaderBytes = 1000, 10_000
	f := w.fetcher(o)
	refused(t, f, at+"/said", "more than 1000 bytes")
	refused(t, f, at+"/unsaid", "more than 1000 bytes")
	refused(t, f, at+"/short", "can't be fetched")
	refused(t, f, at+"/zipped", "compresses it")
	refused(t, f, at+"/missing", "status 404")
	refused(t, f, at+"/headers", "can't be fetched")
	_, err := f.Fetch(t.Context(), at+"/headers")
	require.ErrorContains(t, err, "headers exceeded 10000 bytes")

	o.Stall = 50 * time.Millisecond
	refused(t, w.fetcher(o), at+"/silent", "said nothing for 50ms")
	refused(t, w.fetcher(o), at+"/mute", "said nothing for 50ms")
	o.Stall, o.Timeout, o.Bytes = time.Minute, 100*time.Millisecond, 1<<20
	refused(t, w.fetcher(o), at+"/trickle", "within 100ms")

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = f.Fetch(ctx, at+"/mute")
	require.Equal(t, fault.Cancelled, fault.CodeOf(err))
}

func TestHeadersWithoutEndAreNotReadOn(t *testing.T) {
	w := newWorld(t)
	w.point("images.example", "127.0.0.1")
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = listener.Close() })
	port := w.opened(listener.Addr())
	gone := make(chan error, 1)
	go func() {
		c, err := listener.Accept()
		if err != nil {
			gone <- err
			return
		}
		_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\n")
		for err == nil {
			_, err = io.WriteString(c, "X-Header: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n")
		}
		gone <- c.Close()
	}()
	refused(t, w.fetcher(patient("images.example:"+port)), "http://images.example:"+port+"/", "can't be fetched")
	require.NoError(t, <-gone)
}

func TestHostsAreNames(t *testing.T) {
	for _, h := range []string{"", "*", "*.", "*.com", "*.127.0.0.1", "https://images.example", "images.example/a", "a@images.example", "images.example:", "images.example:port", "a.*.example", "a b"} {
		_, err := New(Options{Hosts: []string{h}})
		require.Equal(t, fault.Invalid, fault.CodeOf(err), h)
	}
	for _, o := range []Options{{Bytes: -1}, {HeaderBytes: -1}, {URLBytes: -1}, {Timeout: -1}, {Stall: -1}} {
		_, err := New(o)
		require.Equal(t, fault.Invalid, fault.CodeOf(err))
	}
}
