package test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// selfSigned writes a certificate for this machine and its key, and gives what
// believes it and nothing else.
func selfSigned(t *testing.T, certFile, keyFile string) *x509.CertPool {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: "mergeway"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	require.NoError(t, err)
	encoded, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(t, err)
	cert := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	require.NoError(t, os.WriteFile(certFile, cert, 0o600))
	require.NoError(t, os.WriteFile(keyFile, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: encoded}), 0o600))
	pool := x509.NewCertPool()
	require.True(t, pool.AppendCertsFromPEM(cert))
	return pool
}

// believing is a client that believes these certificates. Each of its requests
// has a connection of its own, so that it sees the one of now.
func believing(pool *x509.CertPool) *http.Client {
	return &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}, DisableKeepAlives: true}}
}

func TestServerSpeaksTLS(t *testing.T) {
	dir := t.TempDir()
	cert, key := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	old := believing(selfSigned(t, cert, key))
	s := start(t, options{client: old, args: []string{"--tls-cert", cert, "--tls-key", key}})
	require.NotEmpty(t, s.ask(base, "3+4"))
	_, err := http.Get(s.url + "/healthz")
	require.Error(t, err, "nobody else believes it")

	renewed := believing(selfSigned(t, cert, key))
	require.NoError(t, s.process.Process.Signal(syscall.SIGHUP))
	s.client = renewed
	s.wait("the new certificate", requestTime, func() bool { _, err := s.try("GET", "/healthz", nil); return err == nil })
	require.NotEmpty(t, s.ask(base, "3+4"))
	s.client = old
	_, err = s.try("GET", "/healthz", nil)
	require.Error(t, err)
	require.Zero(t, s.stop())
}

func TestCertificatesThatCantBeUsedStopTheServerAtOnce(t *testing.T) {
	dir := t.TempDir()
	cert, key := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	selfSigned(t, cert, key)
	for _, args := range [][]string{
		{"--tls-cert", cert}, {"--tls-key", key}, {"--tls-cert", key, "--tls-key", cert}, {"--tls-cert", cert, "--tls-key", filepath.Join(dir, "none.pem")},
	} {
		code, _, errs := command(t, nil, append([]string{"serve", "--addr", "127.0.0.1:0", "--models", zooModels(t), "--data", t.TempDir()}, args...)...)
		require.Equal(t, 2, code, "%v: %s", args, errs)
		require.Regexp(t, "tls-cert|tls-key|certificate", errs)
	}
}
