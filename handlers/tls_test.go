package handlers_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"callwatch/handlers"
)

// writeCertificate makes a certificate of its own authority in the files.
func writeCertificate(t *testing.T, f handlers.Certificate, name string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	of := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	cert, err := x509.CreateCertificate(rand.Reader, of, of, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for file, block := range map[string]*pem.Block{f.Cert: {Type: "CERTIFICATE", Bytes: cert}, f.Key: {Type: "PRIVATE KEY", Bytes: private}} {
		if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// TestTLS: the listener speaks https, shows a new certificate once its files have changed,
// and keeps the old one while they do not belong together.
func TestTLS(t *testing.T) {
	dir := t.TempDir()
	files := handlers.Certificate{Cert: filepath.Join(dir, "cert.pem"), Key: filepath.Join(dir, "key.pem")}
	writeCertificate(t, files, "first.example")
	c := team(newOffice(t))
	c.TLS = files
	address := listen(t, c).Addr().String()
	shown := func() string {
		t.Helper()
		client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}} //nolint:gosec // its own
		res, err := client.Get("https://" + address + "/livez")                                                                             //nolint:noctx // loopback
		if err != nil {
			t.Fatal(err)
		}
		defer closing(res.Body)
		if res.StatusCode != http.StatusOK || res.Proto != "HTTP/1.1" {
			t.Errorf("answered %s by %s", res.Status, res.Proto)
		}
		return res.TLS.PeerCertificates[0].DNSNames[0]
	}
	await := func(want string) {
		t.Helper()
		for begun := time.Now(); shown() != want; time.Sleep(100 * time.Millisecond) {
			if time.Since(begun) > 10*time.Second {
				t.Fatalf("it shows %s, not %s", shown(), want)
			}
		}
	}
	await("first.example")
	if err := os.WriteFile(files.Cert, []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
	time.Sleep(1100 * time.Millisecond)
	await("first.example")
	writeCertificate(t, files, "second.example")
	await("second.example")
	if _, err := handlers.Listen("127.0.0.1:0", handlers.Config{TLS: handlers.Certificate{Cert: files.Cert, Key: files.Cert}}); err == nil {
		t.Error("a certificate without its key is taken")
	}
}
