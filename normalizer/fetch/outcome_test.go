package fetch_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"callwatch/normalizer"
	"callwatch/normalizer/fetch"
	"callwatch/normalizer/registry"
)

const report = `[{"call_id":"a","summary":{"callId":"a","state":"destroy"},"stats":[]}]`

func reply(status int, body string, headers ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		for i := 0; i+1 < len(headers); i += 2 {
			w.Header().Set(headers[i], headers[i+1])
		}
		w.WriteHeader(status)
		_, _ = w.Write([]byte(body))
	}
}

// zipped is a body that inflates to n bytes of JSON.
func zipped(n int) string {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	_, _ = z.Write([]byte(`"`))
	_, _ = z.Write(bytes.Repeat([]byte("0"), n-2))
	_, _ = z.Write([]byte(`"`))
	_ = z.Close()
	return b.String()
}

func TestOutcomes(t *testing.T) {
	at := newClock().t
	cases := map[string]struct {
		answer http.HandlerFunc
		want   fetch.Outcome
		until  time.Duration
		reason string
	}{
		"report":                    {answer: reply(200, report), want: fetch.Ready},
		"report, zipped":            {answer: reply(200, zipped(1000), "Content-Encoding", "gzip"), want: fetch.Ready},
		"segment":                   {answer: reply(200, strings.Replace(report, `"destroy"`, `"active"`, 1)), want: fetch.Partial},
		"unknown JSON is kept":      {answer: reply(200, `{"something":"new"}`), want: fetch.Ready},
		"empty list":                {answer: reply(200, `[]`), want: fetch.NotYet},
		"null":                      {answer: reply(200, `null`), want: fetch.NotYet},
		"error with status 200":     {answer: reply(200, `{"errors":[{"title":"not found"}]}`), want: fetch.NotYet},
		"not found":                 {answer: reply(404, `{}`), want: fetch.NotYet},
		"no content":                {answer: reply(204, ``), want: fetch.NotYet},
		"unauthorized":              {answer: reply(401, `{}`), want: fetch.Denied},
		"forbidden":                 {answer: reply(403, `{}`), want: fetch.Denied},
		"retry after seconds":       {answer: reply(429, `{}`, "Retry-After", "7"), want: fetch.Throttled, until: 7 * time.Second},
		"retry after a fraction":    {answer: reply(429, `{}`, "Retry-After", "0.5"), want: fetch.Throttled, until: 500 * time.Millisecond},
		"retry after a date":        {answer: reply(429, `{}`, "Retry-After", at.Add(time.Minute).Format(http.TimeFormat)), want: fetch.Throttled, until: time.Minute},
		"retry after a day":         {answer: reply(429, `{}`, "Retry-After", "86400"), want: fetch.Throttled, until: time.Hour},
		"retry after nonsense":      {answer: reply(429, `{}`, "Retry-After", "-NaN"), want: fetch.Throttled, until: time.Second},
		"rate limit resets in":      {answer: reply(429, `{}`, "X-RateLimit-Reset", "12"), want: fetch.Throttled, until: 12 * time.Second},
		"rate limit resets at":      {answer: reply(429, `{}`, "X-RateLimit-Reset", "1795165230"), want: fetch.Throttled, until: time.Unix(1795165230, 0).Sub(at)},
		"too many, nothing said":    {answer: reply(429, `{}`), want: fetch.Throttled, until: time.Second},
		"server error":              {answer: reply(500, `{}`), want: fetch.Down},
		"gateway timeout":           {answer: reply(504, `{}`), want: fetch.Down},
		"request timeout":           {answer: reply(408, `{}`), want: fetch.Down},
		"cut off":                   {answer: reply(200, report[:20], "Content-Length", "4000"), want: fetch.Down},
		"bad request":               {answer: reply(400, `{}`), want: fetch.Broken},
		"teapot":                    {answer: reply(418, `{}`), want: fetch.Broken},
		"redirect":                  {answer: reply(302, ``, "Location", "/elsewhere"), want: fetch.Broken},
		"html":                      {answer: reply(200, `<html>`, "Content-Type", "text/html"), want: fetch.Broken},
		"JSON called text":          {answer: reply(200, report, "Content-Type", "text/plain"), want: fetch.Broken},
		"without a type":            {answer: reply(200, report, "Content-Type", "a/b/c"), want: fetch.Broken},
		"half of it":                {answer: reply(200, report[:20]), want: fetch.Broken},
		"nothing":                   {answer: reply(200, ``), want: fetch.Broken},
		"larger than the cap":       {answer: reply(200, `"`+strings.Repeat("0", 9<<20)+`"`), want: fetch.Broken, reason: "larger"},
		"inflates beyond the cap":   {answer: reply(200, zipped(64<<20), "Content-Encoding", "gzip"), want: fetch.Broken, reason: "larger"},
		"zipped in name alone":      {answer: reply(200, report, "Content-Encoding", "gzip"), want: fetch.Down},
		"headers larger than a cap": {answer: reply(200, report, "X-Large", strings.Repeat("0", 1<<20)), want: fetch.Down},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			clock, client := answering(t, c.answer)
			a, err := client.Do(context.Background(), normalizer.Ask{Path: "/voice_sdk_call_reports/a", CallID: "a"})
			if err != nil {
				t.Fatal(err)
			}
			if a.Outcome != c.want || c.reason != "" && !strings.Contains(a.Reason, c.reason) {
				t.Fatalf("%s (%s), want %s (%s)", a.Outcome, a.Reason, c.want, c.reason)
			}
			if body := a.Outcome == fetch.Ready || a.Outcome == fetch.Partial; body != (len(a.Body) > 0) || body != (a.Reason == "") {
				t.Errorf("%s with %d bytes and reason %q", a.Outcome, len(a.Body), a.Reason)
			}
			if c.until > 0 && !a.Until.Equal(clock.now().Add(c.until)) {
				t.Errorf("until %s, want %s", a.Until, clock.now().Add(c.until))
			}
		})
	}
}

// TestNoRedirect sees that the far end of a redirect is never asked.
func TestNoRedirect(t *testing.T) {
	var asked atomic.Int32
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked.Add(1) }))
	defer other.Close()
	_, client := answering(t, reply(307, "", "Location", other.URL))
	if _, err := client.Do(context.Background(), normalizer.Ask{Path: "/x"}); err != nil {
		t.Fatal(err)
	}
	if asked.Load() != 0 {
		t.Error("the redirect was followed")
	}
}

// TestTimeout ends a request whose answer does not come, and one whose caller
// has gone: the first is an outcome, the second an error.
func TestTimeout(t *testing.T) {
	release := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-release:
		case <-r.Context().Done():
		}
	}))
	defer server.Close()
	defer close(release)
	p, _ := registry.Find("telnyx")
	c := newClock()
	client, err := fetch.New(p, normalizer.Keys{"API_KEY": {"key"}, normalizer.APIURL: {server.URL}},
		fetch.Options{Now: c.now, Timeout: 50 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	a, err := client.Do(context.Background(), normalizer.Ask{Path: "/x"})
	if err != nil || a.Outcome != fetch.Down || a.Reason != "timeout" {
		t.Errorf("%+v, %v, want down by a timeout", a, err)
	}
	gone, cancel := context.WithCancel(context.Background())
	cancel()
	if a, err := client.Do(gone, normalizer.Ask{Path: "/x"}); err == nil {
		t.Errorf("%+v for a caller that has gone, want an error", a)
	}
}

// TestPaths sends requests where they seem to lead, or not at all.
func TestPaths(t *testing.T) {
	var seen string
	_, client := answering(t, func(w http.ResponseWriter, r *http.Request) {
		seen = r.RequestURI
		reply(200, report)(w, r)
	})
	for path, want := range map[string]string{
		"/a/b%2Fc": "/a/b%2Fc", "/a/%C3%A9%3F": "/a/%C3%A9%3F", "/a/b": "/a/b",
		"a": "", "//evil/x": "", "/a/../b": "", "/a/%2e%2e/b": "", "/a?b": "", "/a#b": "", "/a\\b": "", "/%zz": "", "": "", "/./x": "",
	} {
		seen = ""
		_, err := client.Do(context.Background(), normalizer.Ask{Path: path})
		if seen != want || (err == nil) != (want != "") {
			t.Errorf("%q: asked for %q, %v, want %q", path, seen, err, want)
		}
	}
}
