package cli

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/mergeway/mergeway/gateway"
)

// openTLS reads the certificate, if there is one, and reads it again whenever
// SIGHUP comes, until ctx ends.
func (s *serveSettings) openTLS(ctx context.Context, log *slog.Logger) (*gateway.Certificate, error) {
	if s.TLSCert == "" {
		return nil, nil
	}
	cert, err := gateway.OpenCertificate(s.TLSCert, s.TLSKey, log)
	if err != nil {
		return nil, err
	}
	hangUps := make(chan os.Signal, 1)
	signal.Notify(hangUps, syscall.SIGHUP)
	go func() {
		defer signal.Stop(hangUps)
		for {
			select {
			case <-ctx.Done():
				return
			case <-hangUps:
				if err := cert.Reload(); err != nil {
					log.Warn("the certificate stays as it was", "error", err)
					continue
				}
				log.Info("the certificate was read again", "file", s.TLSCert)
			}
		}
	}()
	return cert, nil
}

// serveOn serves until the listener is closed, over TLS if there is a certificate.
func serveOn(server *http.Server, listener net.Listener, cert *gateway.Certificate) error {
	if cert == nil {
		return server.Serve(listener)
	}
	server.TLSConfig = cert.Config()
	return server.ServeTLS(listener, "", "")
}

// urlOf is how a server is reached.
func urlOf(listener net.Listener, cert *gateway.Certificate) string {
	if cert != nil {
		return "https://" + listener.Addr().String()
	}
	return "http://" + listener.Addr().String()
}

// isLoopback tells whether only this machine can connect to an address.
func isLoopback(a net.Addr) bool {
	addr, err := netip.ParseAddrPort(a.String())
	return err == nil && addr.Addr().Unmap().IsLoopback() && !strings.HasPrefix(a.String(), "0.0.0.0")
}
