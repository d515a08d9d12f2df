package simulate

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"callwatch/normalizer"
)

// Expect says what a receiver should make of a request.
type Expect string

const (
	Normalized Expect = "normalized"  // one event or several
	Ignored    Expect = "ignored"     // a kind that is acknowledged, without events
	DeadLetter Expect = "dead letter" // verified, stored, but not understood
	Refused    Expect = "refused"     // its signature is wrong
)

// Request is one webhook before it is signed.
type Request struct {
	At       time.Duration // when to send it, since the start of the traffic
	Provider string
	Kind     string // what the provider calls it: "call.hangup"
	CallID   string // as in the body, "" where it names none
	Method   string
	Path     string // with query, without the URL token
	Header   http.Header
	Body     []byte
	Note     string // what is told, in a few words
	Bad      bool   // belongs to a call something is wrong with
	Expect   Expect

	scheme Scheme
	key    string
	keys   normalizer.Keys
	age    time.Duration // since the first attempt, for a retry
}

// String names the request in logs, without key and body.
func (r Request) String() string { return r.Provider + " " + r.Note }

// GoString is String.
func (r Request) GoString() string { return r.String() }

// Target is where requests go.
type Target struct {
	URL       string // scheme and host, path prefix if any
	PublicURL string // as the providers know it, where that differs from URL
}

// Sign makes the HTTP request, with a signature as of now. A request that is to
// be refused gets a signature of other bytes, or another token.
func (r *Request) Sign(ctx context.Context, to Target, now time.Time) (*http.Request, error) {
	path, public := r.Path, to.PublicURL
	if public == "" {
		public = to.URL
	}
	header, body := r.Header.Clone(), r.Body
	if r.scheme.Sign == nil {
		path = withToken(path, r.token())
	} else {
		if r.Expect == Refused {
			body = append(slices.Clone(body), ' ')
		}
		if r.scheme.Resends {
			now = now.Add(-r.age)
		}
		d := Draft{URL: join(public, path), Header: header, Body: body, Now: now, Keys: r.keys}
		if r.Expect == Refused {
			d.URL += "/elsewhere" // schemes for forms do not cover every byte of the body
		}
		if err := r.scheme.Sign(r.key, &d); err != nil {
			return nil, fmt.Errorf("sign %s %s with %s: %w", r.Provider, r.Kind, EnvName(r.Provider, r.scheme.Setting), err)
		}
	}
	req, err := http.NewRequestWithContext(ctx, r.Method, join(to.URL, path), bytes.NewReader(r.Body))
	if err != nil {
		return nil, fmt.Errorf("make %s %s: %w", r.Provider, r.Kind, err)
	}
	req.Header = header
	return req, nil
}

func (r *Request) token() string {
	if r.Expect == Refused {
		return r.key + "0"
	}
	return r.key
}

// withToken puts the token between path and query.
func withToken(path, token string) string {
	path, query, found := strings.Cut(path, "?")
	path += "/" + token
	if found {
		path += "?" + query
	}
	return path
}

func join(base, path string) string { return strings.TrimRight(base, "/") + path }

// again is a retry of the request, the same bytes some time later.
func (r *Request) again(after time.Duration) Request {
	c := *r
	c.At += after
	c.age = after
	c.Note = "retry: " + r.Note
	return c
}

// forged is the request as somebody without the key would send it.
func (r *Request) forged() Request {
	c := *r
	c.Expect, c.Note = Refused, "forged: "+r.Note
	return c
}

// prove completes the request with the scheme it will be signed by; false where
// there is no key.
func (r *Request) prove(p Proof, keys normalizer.Keys) bool {
	var ok bool
	r.scheme, r.key, ok = p.choose(keys)
	r.keys = keys
	r.digest()
	return ok
}

// digest puts the digest of the body into the path where the scheme has it there.
func (r *Request) digest() {
	if !r.scheme.DigestInURL || r.Header.Get("Content-Type") == FormType {
		return
	}
	path, _, _ := strings.Cut(r.Path, "?")
	r.Path = fmt.Sprintf("%s?bodySHA256=%x", path, sha256.Sum256(r.Body))
}

// withoutURL takes the URL out of an HTTP error: it may carry the token.
func withoutURL(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		return u.Err
	}
	return err
}
