// Package delivery has what calls to receivers share: the HTTP client, the secrets that
// must not be printed, and what the result of one call means for its message. It decides
// nothing about messages and imports nothing of callwatch.
package delivery

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// DefaultTimeout is that of one call to a receiver.
const DefaultTimeout = 10 * time.Second

// maxAnswer is the size of the longest answer that is read, in bytes. A page of 200
// messages of Slack's history is far below.
const maxAnswer = 16 << 20

// HTTPClient returns the HTTP client for receivers. It follows no redirect, which
// would carry a secret elsewhere, and reading an answer of more than 16 MiB fails.
func HTTPClient(timeout time.Duration) *http.Client {
	return &http.Client{
		Timeout:       timeout,
		Transport:     boundedAnswers{http.DefaultTransport},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// boundedAnswers makes reading an answer fail where it is too long.
type boundedAnswers struct{ http.RoundTripper }

func (b boundedAnswers) RoundTrip(r *http.Request) (*http.Response, error) {
	res, err := b.RoundTripper.RoundTrip(r)
	if err == nil {
		res.Body = http.MaxBytesReader(nil, res.Body, maxAnswer)
	}
	return res, err
}

// Protocol says which answers 2xx mean that a message was taken. A proxy or a login
// page answers 2xx as well.
type Protocol int

const (
	// AnyAnswer takes every 2xx: Standard Webhooks ask for no more.
	AnyAnswer Protocol = iota
	// API takes a 2xx that is no web page. Alertmanager's API (POST /api/v2/alerts)
	// answers 200 without a body, compatible servers answer JSON, Slack's response URLs
	// text or JSON.
	API
	// SlackWebhook takes the text ok, as Slack's incoming webhooks answer.
	SlackWebhook
)

// PostJSON posts body and returns an error for any answer but success, as the protocol
// has it. No error contains the address, which may hold a secret.
func PostJSON(ctx context.Context, web *http.Client, url Token, p Protocol, body []byte, extra http.Header) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, string(url), bytes.NewReader(body))
	if err != nil {
		return url.Redact(fmt.Errorf("post: %w", err))
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "callwatch")
	for k, v := range extra {
		req.Header[k] = v
	}
	res, err := web.Do(req)
	if err != nil {
		return url.Redact(err)
	}
	defer func() { _ = res.Body.Close() }()
	text, cut := io.ReadAll(io.LimitReader(res.Body, 300))
	if res.StatusCode/100 == 2 {
		return url.Redact(p.check(res, text, cut))
	}
	return url.Redact(&statusError{code: res.StatusCode, after: retryAfter(res.Header), text: strings.ToValidUTF8(string(text), "\uFFFD")})
}

// check reports why an answer 2xx is no success. text is the beginning of the body, cut
// the error of reading it.
func (p Protocol) check(res *http.Response, text []byte, cut error) error {
	_, page := contentType(res, text)
	switch {
	case p == SlackWebhook && cut != nil:
		return cut
	case p == SlackWebhook && !saysOK(text):
		return Unexpected(res, text, `"ok"`)
	case p == API && page:
		return Unexpected(res, text, "an answer of the API")
	default:
		return nil
	}
}

// saysOK reports whether an incoming webhook says that it took the message: Slack by "ok",
// stand-ins for it also by an object that says so.
func saysOK(text []byte) bool {
	if strings.EqualFold(string(bytes.TrimSpace(text)), "ok") {
		return true
	}
	var says struct {
		OK, Success bool
		Result      string
	}
	return json.Unmarshal(text, &says) == nil && (says.OK || says.Success || says.Result == "success")
}

// Unexpected says what was answered instead of what the protocol wants. Whether the
// message was taken is unclear.
func Unexpected(res *http.Response, text []byte, want string) *Failure {
	got, page := contentType(res, text)
	switch plain := strings.TrimSpace(string(text)); {
	case plain == "":
		got = "nothing"
	case !page && len(plain) <= 80 && utf8.ValidString(plain):
		got = plain
	}
	says := fmt.Sprintf("answered %d with %s instead of %s", res.StatusCode, got, want)
	if page {
		says += ": a proxy or login page is between"
	}
	return &Failure{Outcome: Unclear, Err: errors.New(says)}
}

// contentType is what an answer says it is, or looks like, and whether that is a web page.
func contentType(res *http.Response, text []byte) (kind string, page bool) {
	kind, _, _ = mime.ParseMediaType(res.Header.Get("Content-Type")) // "" for none
	seen, _, _ := mime.ParseMediaType(http.DetectContentType(text))
	if kind == "" || seen == "text/html" {
		kind = seen
	}
	return kind, kind == "text/html" || kind == "application/xhtml+xml"
}

// statusError is an HTTP answer that is no success.
type statusError struct {
	code  int
	after time.Duration // Retry-After, 0 for none
	text  string        // the beginning of the body
}

func (e *statusError) Error() string {
	if e.text == "" {
		return fmt.Sprintf("answered %d", e.code)
	}
	return fmt.Sprintf("answered %d: %s", e.code, e.text)
}

// outcome of an answer: what may pass by itself is tried again.
func (e *statusError) outcome() (Outcome, time.Duration) {
	switch {
	case e.code == http.StatusTooManyRequests, e.after > 0:
		return Limited, min(max(e.after, LeastWait), MostWait)
	case e.code >= 500, e.code == http.StatusRequestTimeout, e.code == http.StatusTooEarly:
		return Unclear, 0
	case e.code == http.StatusBadRequest, e.code == http.StatusRequestEntityTooLarge, e.code == http.StatusUnprocessableEntity:
		return BadContent, 0
	default: // a redirect among them: the address is wrong
		return BadChannel, 0
	}
}

// retryAfter reads the header's number of seconds; 0 for none.
func retryAfter(h http.Header) time.Duration {
	seconds, err := strconv.Atoi(h.Get("Retry-After"))
	if err != nil || seconds < 0 {
		return 0
	}
	return time.Duration(min(seconds, 3600)) * time.Second
}
