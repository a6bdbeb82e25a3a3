package gateway

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mergeway/mergeway/fault"
)

// certificateFiles are where a test keeps a certificate.
type certificateFiles struct{ cert, key string }

// write puts a new certificate for this machine there, with a name to tell it by.
func (f certificateFiles) write(t *testing.T, name string) *x509.CertPool {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	require.NoError(t, err)
	encoded, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(t, err)
	cert := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	require.NoError(t, os.WriteFile(f.cert, cert, 0o600))
	require.NoError(t, os.WriteFile(f.key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: encoded}), 0o600))
	pool := x509.NewCertPool()
	require.True(t, pool.AppendCertsFromPEM(cert))
	return pool
}

func newCertificateFiles(t *testing.T) certificateFiles {
	dir := t.TempDir()
	return certificateFiles{filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")}
}

// name is that of the certificate which a new connection would get.
func (c *Certificate) name(t *testing.T) string {
	t.Helper()
	c.looked = time.Time{} // as if the last look had been long ago
	pair, err := c.get(nil)
	require.NoError(t, err)
	return pair.Leaf.Subject.CommonName
}

func TestCertificatesAreReadAgainWhenTheyChange(t *testing.T) {
	files := newCertificateFiles(t)
	files.write(t, "first")
	var log bytes.Buffer
	c, err := OpenCertificate(files.cert, files.key, slog.New(slog.NewTextHandler(&log, nil)))
	require.NoError(t, err)
	require.Equal(t, "first", c.name(t))

	files.write(t, "second")
	require.NoError(t, os.Chtimes(files.cert, time.Time{}, time.Now().Add(time.Minute))) // however coarse the file system's clock is
	require.Equal(t, "second", c.name(t))
	require.Contains(t, log.String(), "the certificate was replaced")

	before, err := os.ReadFile(files.cert)
	require.NoError(t, err)
	for _, broken := range [][]byte{nil, []byte("no PEM"), before[:len(before)/2]} {
		require.NoError(t, os.WriteFile(files.cert, broken, 0o600))
		require.Error(t, c.Reload())
		require.Equal(t, "second", c.name(t), "it stays as it was")
	}
	require.NoError(t, os.Remove(files.cert))
	require.Equal(t, "second", c.name(t))
	require.Equal(t, "second", c.name(t))
	require.LessOrEqual(t, strings.Count(log.String(), "no such file"), 1, "one failure is one line")

	files.write(t, "third")
	require.NoError(t, c.Reload(), "which SIGHUP calls")
	require.Equal(t, "third", c.name(t))
}

func TestCertificatesThatCantBeUsed(t *testing.T) {
	files, other := newCertificateFiles(t), newCertificateFiles(t)
	files.write(t, "one")
	other.write(t, "other")
	for _, c := range []certificateFiles{{"none.pem", files.key}, {files.cert, "none.pem"}, {files.cert, other.key}, {files.key, files.cert}} {
		_, err := OpenCertificate(c.cert, c.key, slog.Default())
		require.Equal(t, fault.Invalid, fault.CodeOf(err), "%v", err)
	}
}

func TestOverTLS(t *testing.T) {
	files := newCertificateFiles(t)
	pool := files.write(t, "gateway")
	cert, err := OpenCertificate(files.cert, files.key, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	b := newBench(t)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	server := b.gateway.Server(t.Context())
	server.TLSConfig = cert.Config()
	go func() { _ = server.ServeTLS(listener, "", "") }()
	t.Cleanup(func() { require.NoError(t, server.Close()) })

	for _, c := range []struct {
		name   string
		http2  bool
		config *tls.Config
		fails  string
	}{
		{"HTTP/1.1", false, &tls.Config{RootCAs: pool}, ""},
		{"HTTP/2", true, &tls.Config{RootCAs: pool}, ""},
		{"TLS 1.2", false, &tls.Config{RootCAs: pool, MaxVersion: tls.VersionTLS12}, ""},
		{"TLS 1.1", false, &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11}, "protocol version"},
		{"a stranger's certificate", false, &tls.Config{}, "certificate"},
	} {
		t.Run(c.name, func(t *testing.T) {
			transport := &http.Transport{TLSClientConfig: c.config, ForceAttemptHTTP2: c.http2}
			t.Cleanup(transport.CloseIdleConnections)
			for _, body := range []string{ask(""), ask(`"stream": true`)} {
				r, err := http.NewRequestWithContext(t.Context(), "POST", "https://"+listener.Addr().String()+chatPath, strings.NewReader(body))
				require.NoError(t, err)
				r.Header.Set("Content-Type", "application/json")
				resp, err := transport.RoundTrip(r)
				if c.fails != "" {
					require.ErrorContains(t, err, c.fails)
					return
				}
				require.NoError(t, err)
				var text bytes.Buffer
				_, err = text.ReadFrom(resp.Body)
				require.NoError(t, err)
				require.NoError(t, resp.Body.Close())
				require.Equal(t, 200, resp.StatusCode)
				require.Equal(t, c.http2, resp.ProtoMajor == 2)
				require.Contains(t, text.String(), "Hello")
			}
		})
	}
}
