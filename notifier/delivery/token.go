package delivery

import (
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"regexp"
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

// Redact takes the token out of an error's text and keeps its chain: as it is, and,
// where the token is an address, in every spelling of it that the text holds.
func (t Token) Redact(err error) error {
	if err == nil || t == "" {
		return err
	}
	text := strings.ReplaceAll(err.Error(), string(t), redacted)
	if u, parsed := url.Parse(string(t)); parsed == nil && u.Host != "" {
		text = redactURLs(text)
	}
	if text == err.Error() {
		return err
	}
	return &redactedError{err, text}
}

// addresses are URLs in a text, in quotes or not.
var addresses = regexp.MustCompile(`[A-Za-z][A-Za-z0-9+.\-]*://[^\s"'<>\x60]+`)

// redactURLs leaves scheme and host of the addresses in a text: secrets are in
// their user, path, query and fragment.
func redactURLs(text string) string {
	return addresses.ReplaceAllStringFunc(text, func(address string) string {
		trimmed := strings.TrimRight(address, ".,:;)]}")
		rest := address[len(trimmed):]
		u, err := url.Parse(trimmed)
		if err != nil || u.Host == "" {
			return redacted + rest
		}
		if u.User == nil && (u.Path == "" || u.Path == "/") && u.RawQuery == "" && u.Fragment == "" {
			return address
		}
		return u.Scheme + "://" + u.Host + "/" + redacted + rest
	})
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
