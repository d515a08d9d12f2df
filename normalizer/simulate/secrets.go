package simulate

import (
	"crypto/ed25519"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"callwatch/normalizer"
)

// Names of settings the schemes read.
const (
	publicKey     = "PUBLIC_KEY"
	privateKey    = "SIMULATE_PRIVATE_KEY"
	signingKey    = "SIGNING_KEY"
	signingSecret = "SIGNING_SECRET"
)

// Secrets are the two halves of every provider's verification secrets, by
// provider name: what the receiver checks with and what the senders sign with.
type Secrets struct {
	Receive map[string]normalizer.Keys
	Send    map[string]normalizer.Keys
}

// redacted is how secrets print.
const redacted = "[redacted]"

// String keeps the secrets out of logs, as do GoString and MarshalText.
func (Secrets) String() string { return redacted }

// GoString is String.
func (Secrets) GoString() string { return redacted }

// MarshalText is String; the error is always nil.
func (Secrets) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// Generate makes a full set of secrets from a source of random bytes.
func Generate(random io.Reader) (Secrets, error) {
	s := Secrets{Receive: map[string]normalizer.Keys{}, Send: map[string]normalizer.Keys{}}
	var failed error
	draw := func(n int) []byte {
		b := make([]byte, n)
		if _, err := io.ReadFull(random, b); err != nil && failed == nil {
			failed = fmt.Errorf("generate secrets: %w", err)
		}
		return b
	}
	for _, src := range sources() {
		receive, send := normalizer.Keys{}, normalizer.Keys{}
		src.generate(draw, receive, send)
		receive[normalizer.URLToken] = []string{hex.EncodeToString(draw(16))}
		for name, values := range receive {
			send[name] = values
		}
		s.Receive[src.name], s.Send[src.name] = receive, send
	}
	return s, failed
}

// Settings are the settings that a provider's senders need beside those of the
// receiver, e.g. the private half of a key pair.
func Settings(provider string) []normalizer.Setting {
	for _, src := range sources() {
		if src.name == provider {
			return src.settings
		}
	}
	return nil
}

// FromKeys takes the secrets a server is configured with, by provider name,
// those of Settings included. Sendable tells what they are good for.
func FromKeys(keys map[string]normalizer.Keys) Secrets {
	return Secrets{Receive: keys, Send: keys}
}

// Sendable says whether traffic of the provider can be made that its receiver
// accepts. The error names the variable that is missing or wrong.
func (s Secrets) Sendable(provider string) error {
	src, ok := findSource(provider)
	if !ok {
		return fmt.Errorf("no simulated traffic for provider %q", provider)
	}
	if src.check != nil {
		if err := src.check(s.Send[provider]); err != nil {
			return err
		}
	}
	for _, f := range src.forms {
		if _, _, ok := f.proof.choose(s.Send[provider]); ok {
			return nil
		}
	}
	var names []string
	for _, f := range src.forms {
		for _, scheme := range f.proof {
			if name := envName(provider, scheme.setting); !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
	}
	return fmt.Errorf("%s: nothing to sign with: set %s", provider, strings.Join(names, " or "))
}

func envName(provider, setting string) string {
	return normalizer.Provider{Name: provider}.EnvName(setting)
}

// ed25519Key reads a private key: the base64 of its 32 byte seed or of all 64
// bytes.
func ed25519Key(s string) (ed25519.PrivateKey, error) {
	b, err := base64.StdEncoding.DecodeString(s)
	switch {
	case err != nil:
		return nil, errors.New("not base64")
	case len(b) == ed25519.SeedSize:
		return ed25519.NewKeyFromSeed(b), nil
	case len(b) == ed25519.PrivateKeySize:
		return ed25519.PrivateKey(b), nil
	default:
		return nil, fmt.Errorf("%d bytes, want %d", len(b), ed25519.SeedSize)
	}
}
