package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"callwatch/cmd/callwatch/internal/cli"
	"callwatch/cmd/callwatch/internal/config"
)

// authority signs certificates and leaves its own, and theirs, in a folder.
type authority struct {
	t    *testing.T
	dir  string
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	a := &authority{t: t, dir: t.TempDir()}
	a.cert, a.key = a.issue("ca", &x509.Certificate{
		Subject: pkix.Name{CommonName: "authority of the test"}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	})
	return a
}

// issue makes NAME.pem and NAME.key, signed by the authority, or by itself for the first.
func (a *authority) issue(name string, of *x509.Certificate) (*x509.Certificate, *ecdsa.PrivateKey) {
	a.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.t.Fatal(err)
	}
	of.SerialNumber, of.NotBefore, of.NotAfter = big.NewInt(time.Now().UnixNano()), time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	parent, signer := a.cert, a.key
	if parent == nil {
		parent, signer = of, key
	}
	der, err := x509.CreateCertificate(rand.Reader, of, parent, key.Public(), signer)
	if err != nil {
		a.t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		a.t.Fatal(err)
	}
	for file, block := range map[string]*pem.Block{name + ".pem": {Type: "CERTIFICATE", Bytes: der}, name + ".key": {Type: "PRIVATE KEY", Bytes: private}} {
		if err := os.WriteFile(a.file(file), pem.EncodeToMemory(block), 0o600); err != nil {
			a.t.Fatal(err)
		}
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		a.t.Fatal(err)
	}
	return cert, key
}

func (a *authority) file(name string) string { return filepath.Join(a.dir, name) }

// Commands talk to a callwatch with a certificate: on its machine by the file of the
// certificate, whatever name it is for, elsewhere by the authority that signed it.
func TestCommandsOverTLS(t *testing.T) {
	t.Parallel()
	ca := newAuthority(t)
	ca.issue("server", &x509.Certificate{DNSNames: []string{"localhost", "callwatch.example.com"}})
	ca.issue("other", &x509.Certificate{DNSNames: []string{"localhost"}})
	cfg := defaultConfig()
	cfg.DataDir, cfg.Listen, cfg.AdminToken = t.TempDir(), "127.0.0.1:0", adminToken
	cfg.TLS = config.TLS{Cert: ca.file("server.pem"), Key: ca.file("server.key")}
	a, err := newApp(t.Context(), cfg, serving, testLogger(t))
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	ended := make(chan error, 1)
	go func() { ended <- a.run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	address := a.server.Addr().String()
	_, port, _ := strings.Cut(address, ":")
	here := func(cert string) []string {
		return []string{"CALLWATCH_LISTEN=" + address, "CALLWATCH_TOKEN=" + adminToken, "CALLWATCH_TLS_CERT=" + ca.file(cert+".pem"), "CALLWATCH_TLS_KEY=" + ca.file(cert+".key")}
	}
	eventually(t, "the commands of this machine reach it", func() bool {
		_, _, code := says(t, here("server"), nil, "healthcheck")
		return code == cli.ExitFine
	})
	if out, errs, code := says(t, here("server"), nil, "incidents", "ls"); code != cli.ExitFine {
		t.Errorf("incidents ls: exit %d, %s%s", code, out, errs)
	}
	if _, errs, code := says(t, here("other"), nil, "healthcheck"); code != cli.ExitRuntime || !strings.Contains(errs, "another certificate") {
		t.Errorf("a server with another certificate: exit %d, %s", code, errs)
	}
	for name, test := range map[string]struct {
		url, roots string
		want       string
	}{
		"the authority":      {"https://localhost:" + port, ca.file("ca.pem"), ""},
		"another authority":  {"https://localhost:" + port, newAuthority(t).file("ca.pem"), "certificate"},
		"a name that is not": {"https://127.0.0.1:" + port, ca.file("ca.pem"), "certificate"},
		"without TLS":        {"http://localhost:" + port, ca.file("ca.pem"), "status 400"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := child(t, "healthcheck", "--url", test.url)
			c.Env = append(os.Environ(), "CALLWATCH_TEST_RUN=1", "SSL_CERT_FILE="+test.roots, "SSL_CERT_DIR=/nowhere")
			out, err := c.CombinedOutput()
			if test.want == "" && (err != nil || string(out) != "ready\n") || test.want != "" && (err == nil || !strings.Contains(string(out), test.want)) {
				t.Errorf("it says %q, %v; want %q", out, err, test.want)
			}
		})
	}
}
