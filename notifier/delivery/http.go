// Package delivery has what calls to receivers share: the HTTP client, the secrets that
// must not be printed, and what the result of one call means for its message. It decides
// nothing about messages and imports nothing of callwatch.
package delivery

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
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

// PostJSON posts body and returns an error for any answer but success. No error
// contains the address, which may hold a secret.
func PostJSON(ctx context.Context, web *http.Client, url Token, body []byte, extra http.Header) error {
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
	text, _ := io.ReadAll(io.LimitReader(res.Body, 300)) // best effort: the status decides
	if res.StatusCode/100 == 2 {
		return nil
	}
	return url.Redact(&statusError{code: res.StatusCode, after: retryAfter(res.Header), text: strings.ToValidUTF8(string(text), "\uFFFD")})
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
