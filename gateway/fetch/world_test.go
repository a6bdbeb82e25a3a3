package fetch

import (
	"context"
	"encoding/binary"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// world is an internet for tests: a name server whose answers may change, and servers
// on this machine, of which those that are named public count as such.
type world struct {
	t  *testing.T
	mu sync.Mutex

	names  map[string][]netip.Addr
	asked  int
	public map[netip.AddrPort]bool
	server net.PacketConn
}

func newWorld(t *testing.T) *world {
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	require.NoError(t, err)
	w := &world{t: t, server: conn, names: map[string][]netip.Addr{}, public: map[netip.AddrPort]bool{}}
	t.Cleanup(func() { _ = conn.Close() })
	go w.answer()
	return w
}

// point lets a name lead to addresses from now on.
func (w *world) point(name string, addresses ...string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.names[name] = nil
	for _, a := range addresses {
		w.names[name] = append(w.names[name], netip.MustParseAddr(a))
	}
}

// answer is the name server: addresses of IPv4 that are good for no time at all (RFC 1035).
func (w *world) answer() {
	packet := make([]byte, 512)
	for {
		n, from, err := w.server.ReadFrom(packet)
		if err != nil {
			return
		}
		question := append([]byte{}, packet[12:n]...)
		var labels []string
		i := 0
		for question[i] != 0 {
			labels = append(labels, string(question[i+1:i+1+int(question[i])]))
			i += 1 + int(question[i])
		}
		question = question[:i+5]
		w.mu.Lock()
		addresses, known := w.names[strings.ToLower(strings.Join(labels, "."))]
		w.asked++
		w.mu.Unlock()
		reply := append([]byte{}, packet[:2]...)
		reply = append(reply, 0x81, 0x80, 0, 1, 0, 0, 0, 0, 0, 0)
		reply = append(reply, question...)
		if !known {
			reply[3] |= 3 // there is no such name
		} else if binary.BigEndian.Uint16(question[i+1:]) == 1 {
			reply[7] = byte(len(addresses))
			for _, a := range addresses {
				reply = append(reply, 0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4)
				reply = append(reply, a.AsSlice()...)
			}
		}
		_, _ = w.server.WriteTo(reply, from)
	}
}

// serve starts a public server and gives its port.
func (w *world) serve(handler http.HandlerFunc) string {
	s := httptest.NewServer(handler)
	w.t.Cleanup(s.Close)
	return w.opened(s.Listener.Addr())
}

// opened lets an address of this machine count as public.
func (w *world) opened(a net.Addr) string {
	at := netip.MustParseAddrPort(a.String())
	w.mu.Lock()
	defer w.mu.Unlock()
	w.public[at] = true
	_, port, err := net.SplitHostPort(a.String())
	require.NoError(w.t, err)
	return port
}

// fetcher makes one that lives in this world.
func (w *world) fetcher(o Options) *Fetcher {
	f, err := New(o)
	require.NoError(w.t, err)
	really := f.open
	f.open = func(a netip.AddrPort) bool {
		w.mu.Lock()
		defer w.mu.Unlock()
		return w.public[a] || really(a)
	}
	f.dialer.Resolver = &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "udp", w.server.LocalAddr().String())
	}}
	w.t.Cleanup(f.client.CloseIdleConnections)
	return f
}

// patient are limits that tests don't reach by chance.
func patient(hosts ...string) Options {
	return Options{Hosts: hosts, HTTP: true, Timeout: time.Minute, Stall: time.Minute}
}
