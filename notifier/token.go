package notifier

import (
	"errors"
	"fmt"
	"log/slog"
	"strings"
)

// Token is a secret. However it is printed, logged or marshalled, it reads
// "[redacted]"; string(t) is the only way to its value.
type Token string

const redacted = "[redacted]"

// String is "[redacted]", or "" for no token.
func (t Token) String() string {
	if t == "" {
		return ""
	}
	return redacted
}

// Format prints the redacted form for every verb.
func (t Token) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(t.String())) }

// LogValue is the redacted form.
func (t Token) LogValue() slog.Value { return slog.StringValue(t.String()) }

// MarshalText is the redacted form.
func (t Token) MarshalText() ([]byte, error) { return []byte(t.String()), nil }

// redact takes the token out of an error's text and keeps its chain.
func (t Token) redact(err error) error {
	if err == nil || t == "" || !strings.Contains(err.Error(), string(t)) {
		return err
	}
	return &redactedError{err, strings.ReplaceAll(err.Error(), string(t), redacted)}
}

// redactedError prints text instead of what it wraps. It does not unwrap: who
// prints the chain must not find the token in it.
type redactedError struct {
	err  error
	text string
}

func (e *redactedError) Error() string { return e.text }

func (e *redactedError) Is(target error) bool { return errors.Is(e.err, target) }

func (e *redactedError) As(target any) bool { return errors.As(e.err, target) }
