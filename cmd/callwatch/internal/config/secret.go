package config

import (
	"encoding/json"
	"log/slog"
	"strings"
)

// Secret is a text that never shows in logs, errors or dumps.
type Secret string

const redacted = "[redacted]"

// String hides the secret; "" stays "".
func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return redacted
}

// GoString hides the secret from %#v.
func (s Secret) GoString() string { return s.String() }

// LogValue hides the secret from slog.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

// MarshalJSON hides the secret.
func (s Secret) MarshalJSON() ([]byte, error) { return json.Marshal(s.String()) }

// MarshalText hides the secret from every encoder of texts.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText takes the secret.
func (s *Secret) UnmarshalText(b []byte) error {
	*s = Secret(b)
	return nil
}

// Reveal is the secret itself.
func (s Secret) Reveal() string { return string(s) }

// List separates a list of secrets at its commas: during rotation there are several.
func (s Secret) List() []string {
	var out []string
	for _, v := range strings.Split(s.Reveal(), ",") {
		if v = strings.TrimSpace(v); v != "" {
			out = append(out, v)
		}
	}
	return out
}
