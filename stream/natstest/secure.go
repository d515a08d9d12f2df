package natstest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nkeys"
)

// secured are the files and accounts of a cluster that asks who is there.
type secured struct {
	ca, cert, key, creds string // files
	operator             string // the operator's token
	accounts             map[string]string
	system               string // public key of the system account
}

func secureIn(dir string) (*secured, error) {
	s := &secured{
		ca: filepath.Join(dir, "ca.pem"), cert: filepath.Join(dir, "server.pem"), key: filepath.Join(dir, "server.key"),
		creds: filepath.Join(dir, "callwatch.creds"), accounts: map[string]string{},
	}
	if err := s.certify(); err != nil {
		return nil, fmt.Errorf("certificates: %w", err)
	}
	if err := s.authorize(); err != nil {
		return nil, fmt.Errorf("credentials: %w", err)
	}
	return s, nil
}

// certify makes an authority and a server's certificate for loopback.
func (s *secured) certify() error {
	caKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	ca := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test authority"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour), KeyUsage: x509.KeyUsageCertSign,
	}
	server := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "test server"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: ca.NotBefore, NotAfter: ca.NotAfter, KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	caDER, err := x509.CreateCertificate(rand.Reader, ca, ca, &caKey.PublicKey, caKey)
	if err != nil {
		return err
	}
	serverDER, err := x509.CreateCertificate(rand.Reader, server, ca, &key.PublicKey, caKey)
	if err != nil {
		return err
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	for file, block := range map[string]*pem.Block{
		s.ca: {Type: "CERTIFICATE", Bytes: caDER}, s.cert: {Type: "CERTIFICATE", Bytes: serverDER}, s.key: {Type: "PRIVATE KEY", Bytes: keyDER},
	} {
		if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
			return err
		}
	}
	return nil
}

// authorize makes an operator with two accounts, the system's and ours, and a
// user in ours.
func (s *secured) authorize() error {
	operator, operatorID, err := pair(nkeys.CreateOperator)
	if err != nil {
		return err
	}
	_, systemID, err := pair(nkeys.CreateAccount)
	if err != nil {
		return err
	}
	account, accountID, err := pair(nkeys.CreateAccount)
	if err != nil {
		return err
	}
	user, userID, err := pair(nkeys.CreateUser)
	if err != nil {
		return err
	}
	s.system = systemID
	o := jwt.NewOperatorClaims(operatorID)
	o.Name, o.SystemAccount = "test", systemID
	if s.operator, err = o.Encode(operator); err != nil {
		return err
	}
	for _, id := range []string{systemID, accountID} {
		a := jwt.NewAccountClaims(id)
		a.Name = "system"
		if id == accountID {
			a.Name = "callwatch"
			a.Limits.JetStreamLimits = jwt.JetStreamLimits{MemoryStorage: -1, DiskStorage: -1, Streams: -1, Consumer: -1}
		}
		if s.accounts[id], err = a.Encode(operator); err != nil {
			return err
		}
	}
	u := jwt.NewUserClaims(userID)
	u.Name = "callwatch"
	token, err := u.Encode(account)
	if err != nil {
		return err
	}
	seed, err := user.Seed()
	if err != nil {
		return err
	}
	creds, err := jwt.FormatUserConfig(token, seed)
	if err != nil {
		return err
	}
	return os.WriteFile(s.creds, creds, 0o600)
}

func pair(create func() (nkeys.KeyPair, error)) (nkeys.KeyPair, string, error) {
	k, err := create()
	if err != nil {
		return nil, "", err
	}
	id, err := k.PublicKey()
	return k, id, err
}

// config is the servers' part of it.
func (s *secured) config() string {
	text := fmt.Sprintf("tls { cert_file: %q, key_file: %q }\noperator: %s\nsystem_account: %s\nresolver: MEMORY\nresolver_preload {\n",
		s.cert, s.key, s.operator, s.system)
	for id, token := range s.accounts {
		text += "  " + id + ": " + token + "\n"
	}
	return text + "}\n"
}
