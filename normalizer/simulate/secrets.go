package simulate

import (
	"encoding/hex"
	"fmt"
	"io"
	"slices"
	"strings"

	"callwatch/normalizer"
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
func (all Sources) Generate(random io.Reader) (Secrets, error) {
	s := Secrets{Receive: map[string]normalizer.Keys{}, Send: map[string]normalizer.Keys{}}
	var failed error
	draw := func(n int) []byte {
		b := make([]byte, n)
		if _, err := io.ReadFull(random, b); err != nil && failed == nil {
			failed = fmt.Errorf("generate secrets: %w", err)
		}
		return b
	}
	for _, src := range all {
		receive, send := normalizer.Keys{}, normalizer.Keys{}
		src.Generate(draw, receive, send)
		receive[normalizer.URLToken] = []string{hex.EncodeToString(draw(16))}
		for name, values := range receive {
			send[name] = values
		}
		s.Receive[src.Name], s.Send[src.Name] = receive, send
	}
	return s, failed
}

// Settings are the settings that a provider's senders need beside those of the
// receiver, e.g. the private half of a key pair.
func (all Sources) Settings(provider string) []normalizer.Setting {
	src, _ := all.find(provider)
	return src.Settings
}

// FromKeys takes the secrets a server is configured with, by provider name,
// those of Settings included. Sources.Sendable reports what they can sign.
func FromKeys(keys map[string]normalizer.Keys) Secrets {
	return Secrets{Receive: keys, Send: keys}
}

// Sendable says whether traffic of the provider can be made that its receiver
// accepts. The error names the variable that is missing or wrong.
func (all Sources) Sendable(s Secrets, provider string) error {
	src, ok := all.find(provider)
	if !ok {
		return fmt.Errorf("no simulated traffic for provider %q", provider)
	}
	if src.Check != nil {
		if err := src.Check(s.Send[provider]); err != nil {
			return err
		}
	}
	for _, f := range src.Forms {
		if _, _, ok := f.Proof.choose(s.Send[provider]); ok {
			return nil
		}
	}
	var names []string
	for _, f := range src.Forms {
		for _, scheme := range f.Proof {
			if name := EnvName(provider, scheme.Setting); !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
	}
	return fmt.Errorf("%s: nothing to sign with: set %s", provider, strings.Join(names, " or "))
}

func EnvName(provider, setting string) string {
	return normalizer.Provider{Name: provider}.EnvName(setting)
}
