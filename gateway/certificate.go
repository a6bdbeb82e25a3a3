package gateway

import (
	"crypto/tls"
	"log/slog"
	"os"
	"sync"
	"time"

	"github.com/mergeway/mergeway/fault"
)

// Certificate is a TLS certificate in two files, which may be replaced while the
// server runs: whoever renews certificates does so every few weeks.
type Certificate struct {
	certFile, keyFile string
	log               *slog.Logger

	mu      sync.Mutex
	current *tls.Certificate
	stamps  [2]stamp  // of the files that current was read from
	looked  time.Time // when the files were last looked at
	failure string    // of the latest attempt to read them, so that it is logged once
}

// stamp tells a file from what it was replaced with.
type stamp struct {
	modified time.Time
	size     int64
}

// lookEvery is how often, at most, connections make the server look at the files.
const lookEvery = time.Second

// OpenCertificate reads a certificate with its chain, and its key, from PEM files.
func OpenCertificate(certFile, keyFile string, log *slog.Logger) (*Certificate, error) {
	c := &Certificate{certFile: certFile, keyFile: keyFile, log: log}
	return c, c.Reload()
}

// Config is how a server uses the certificate.
func (c *Certificate) Config() *tls.Config {
	return &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: c.get}
}

// Reload reads the files now. If they can't be read, the certificate stays the one
// that it was.
func (c *Certificate) Reload() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.reload()
}

func (c *Certificate) reload() error {
	stamps := [2]stamp{stampOf(c.certFile), stampOf(c.keyFile)} // before reading: a change meanwhile is seen the next time
	pair, err := tls.LoadX509KeyPair(c.certFile, c.keyFile)
	if err != nil {
		return fault.Wrap(err, fault.Invalid, "the certificate %s with the key %s can't be used", c.certFile, c.keyFile)
	}
	c.current, c.stamps, c.failure = &pair, stamps, ""
	return nil
}

// get gives the certificate to a new connection, as the files have it now. They
// may be halfway through being replaced: then it is the one before.
func (c *Certificate) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if time.Since(c.looked) < lookEvery {
		return c.current, nil
	}
	c.looked = time.Now()
	if c.stamps == [2]stamp{stampOf(c.certFile), stampOf(c.keyFile)} {
		return c.current, nil
	}
	if err := c.reload(); err == nil {
		c.log.Info("the certificate was replaced", "file", c.certFile)
	} else if err.Error() != c.failure {
		c.failure = err.Error()
		c.log.Warn("the certificate stays as it was", "error", err)
	}
	return c.current, nil
}

func stampOf(path string) stamp {
	info, err := os.Stat(path)
	if err != nil {
		return stamp{}
	}
	return stamp{info.ModTime(), info.Size()}
}
