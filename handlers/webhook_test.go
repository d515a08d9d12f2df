package handlers_test

import (
	"bytes"
	"compress/gzip"
	"compress/zlib"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"callwatch/handlers"
	"callwatch/normalizer"
)

func basic(password string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte("any:"+password))
}

func gzipped(t testing.TB, body string) string {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := io.WriteString(w, body); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func deflated(t testing.TB, body string) string {
	t.Helper()
	var b bytes.Buffer
	w := zlib.NewWriter(&b)
	if _, err := io.WriteString(w, body); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// TestAnswers is the contract: what each kind of request is answered, and under
// which name it is counted.
func TestAnswers(t *testing.T) {
	const limit = 1000
	store := new(memory)
	seen := newOutcomes()
	base := serve(t, handlers.Config{
		Store: store.store, Limits: handlers.Limits{Body: limit},
		Observe: func(o handlers.Observation) { seen.seen <- o },
	})
	hook := base + "/webhooks/signing"
	good := signed(hook, jsonBody)
	large := strings.Repeat("x", limit+1)
	token := url.PathEscape(urlToken)
	jsonType := map[string]string{"Content-Type": "application/json"}

	for _, tc := range []struct {
		name, method, url, body string
		header                  map[string]string
		status                  int
		outcome                 handlers.Outcome // "" where the webhook handler is not reached
	}{
		{"signed", "POST", hook, jsonBody, good, 200, handlers.Accepted},
		{"signed with a query", "POST", hook + "?a=1&b=%20", jsonBody, signed(hook+"?a=1&b=%20", jsonBody), 200, handlers.Accepted},
		{"signed, charset given", "POST", hook, jsonBody, with(good, "Content-Type", "application/json; charset=utf-8"), 200, handlers.Accepted},
		{"signed cloudevent", "POST", hook, jsonBody, with(good, "Content-Type", "application/cloudevents+json"), 200, handlers.Accepted},
		{"signed form", "POST", hook, "a=1", with(signed(hook, "a=1"), "Content-Type", "application/x-www-form-urlencoded"), 200, handlers.Accepted},
		{"signed, empty", "POST", hook, "", signed(hook, ""), 200, handlers.Accepted},
		{"signed, not JSON at all", "POST", hook, "{", signed(hook, "{"), 200, handlers.Accepted},
		{"retired key", "POST", hook, jsonBody, with(good, "X-Sig", sign("retired", hook, jsonBody)), 200, handlers.Accepted},
		{"token in the path", "POST", base + "/webhooks/tokened/" + token, jsonBody, jsonType, 200, handlers.Accepted},
		{"token as password", "POST", base + "/webhooks/tokened", jsonBody, with(jsonType, "Authorization", basic(urlToken)), 200, handlers.Accepted},
		{"token instead of signature", "POST", hook + "/" + token, jsonBody, jsonType, 200, handlers.Accepted},
		{"gzip", "POST", hook, gzipped(t, jsonBody), with(good, "Content-Encoding", "gzip"), 200, handlers.Accepted},
		{"deflate", "POST", hook, deflated(t, jsonBody), with(good, "Content-Encoding", "Deflate"), 200, handlers.Accepted},
		{"as large as allowed", "POST", hook, large[1:], signed(hook, large[1:]), 200, handlers.Accepted},

		{"unsigned", "POST", hook, jsonBody, jsonType, 401, handlers.BadSignature},
		{"wrong signature", "POST", hook, jsonBody, with(good, "X-Sig", sign(secret, hook, "other")), 401, handlers.BadSignature},
		{"unknown key", "POST", hook, jsonBody, with(good, "X-Sig", sign("guess", hook, jsonBody)), 401, handlers.BadSignature},
		{"signed for another URL", "POST", hook + "?x=1", jsonBody, good, 401, handlers.BadSignature},
		{"stale", "POST", hook, jsonBody, with(good, "X-Old", "1"), 401, handlers.Stale},
		{"wrong token in the path", "POST", base + "/webhooks/tokened/guess", jsonBody, jsonType, 401, handlers.BadSignature},
		{"wrong token with a slash", "POST", base + "/webhooks/tokened/a/b", jsonBody, jsonType, 401, handlers.BadSignature},
		{"wrong password", "POST", base + "/webhooks/tokened", jsonBody, with(jsonType, "Authorization", basic("guess")), 401, handlers.BadSignature},
		{"no token", "POST", base + "/webhooks/tokened", jsonBody, jsonType, 401, handlers.BadSignature},

		{"nothing configured", "POST", base + "/webhooks/off", jsonBody, jsonType, 403, handlers.ProviderOff},
		{"unknown provider", "POST", base + "/webhooks/nobody", jsonBody, jsonType, 404, handlers.UnknownProvider},
		{"no provider", "POST", base + "/webhooks", jsonBody, jsonType, 404, ""},
		{"empty token in the path", "POST", base + "/webhooks/tokened/", jsonBody, jsonType, 401, handlers.BadSignature}, // the same webhook as without the slash
		{"get", "GET", hook, "", nil, 405, ""},
		{"head", "HEAD", hook, "", nil, 405, ""},
		{"put", "PUT", hook, jsonBody, good, 405, ""},
		{"options", "OPTIONS", hook + "/" + token, "", nil, 405, ""},
		{"invented method", "BREW", hook, "", nil, 405, ""},
		{"too large", "POST", hook, large, signed(hook, large), 413, handlers.TooLarge},
		{"inflates too large", "POST", hook, gzipped(t, large), with(signed(hook, large), "Content-Encoding", "gzip"), 413, handlers.TooLarge},
		{"text", "POST", hook, jsonBody, with(good, "Content-Type", "text/plain"), 415, handlers.BadType},
		{"xml that ends like json", "POST", hook, jsonBody, with(good, "Content-Type", "text/x+json"), 415, handlers.BadType},
		{"type that cannot be read", "POST", hook, jsonBody, with(good, "Content-Type", ";;;"), 415, handlers.BadType},
		{"zstd", "POST", hook, jsonBody, with(good, "Content-Encoding", "zstd"), 415, handlers.BadEncoding},
		{"gzip twice", "POST", hook, gzipped(t, jsonBody), with(good, "Content-Encoding", "gzip, gzip"), 415, handlers.BadEncoding},
		{"not gzip", "POST", hook, jsonBody, with(good, "Content-Encoding", "gzip"), 415, handlers.BadEncoding},
		{"cut gzip", "POST", hook, gzipped(t, jsonBody)[:20], with(good, "Content-Encoding", "gzip"), 415, handlers.BadEncoding},
	} {
		t.Run(tc.name, func(t *testing.T) {
			before := len(store.all())
			got := send(t, tc.method, tc.url, tc.body, tc.header)
			if got.status != tc.status {
				t.Fatalf("status %d, want %d: %s", got.status, tc.status, got.body)
			}
			if tc.outcome != "" {
				if o := seen.next(t); o.Outcome != tc.outcome {
					t.Errorf("counted as %s, want %s", o.Outcome, tc.outcome)
				}
			}
			after := store.all()
			if tc.status == 200 {
				if len(after) != before+1 {
					t.Fatalf("%d stored, want one more than %d", len(after), before)
				}
				if want := `{"status":"accepted","id":"raw-` + itoa(len(after)) + `"}`; strings.TrimSpace(got.body) != want {
					t.Errorf("answered %s, want %s", got.body, want)
				}
				return
			}
			if len(after) != before {
				t.Error("stored although refused")
			}
			checkProblem(t, tc.method, got)
			if tc.status == 405 && got.header.Get("Allow") != "POST" {
				t.Errorf("Allow: %q", got.header.Get("Allow"))
			}
			if tc.status == 401 && got.header.Get("WWW-Authenticate") == "" {
				t.Error("401 without a challenge")
			}
		})
	}
}

func itoa(n int) string { b, _ := json.Marshal(n); return string(b) }

// checkProblem wants an RFC 9457 body that repeats nothing of the request.
func checkProblem(t *testing.T, method string, got answer) {
	t.Helper()
	if ct := got.header.Get("Content-Type"); ct != "application/problem+json" {
		t.Errorf("content type %q", ct)
	}
	if method == "HEAD" {
		return
	}
	var p struct {
		Type, Title, Detail string
		Status              int
	}
	if err := json.Unmarshal([]byte(got.body), &p); err != nil {
		t.Fatal(err)
	}
	if p.Type != "about:blank" || p.Title == "" || p.Detail == "" || p.Status != got.status {
		t.Errorf("problem %+v", p)
	}
	for _, input := range []string{"nobody", "c-1", "guess", "text/plain", "zstd"} {
		if strings.Contains(got.body, input) {
			t.Errorf("answer repeats %q: %s", input, got.body)
		}
	}
}

// TestSameAnswer: a forger cannot tell an old signature from a wrong one, nor a
// provider with a key from one with a token.
func TestSameAnswer(t *testing.T) {
	base := serve(t, handlers.Config{})
	hook := base + "/webhooks/signing"
	wrong := send(t, "POST", hook, jsonBody, with(signed(hook, jsonBody), "X-Sig", "00"))
	stale := send(t, "POST", hook, jsonBody, with(signed(hook, jsonBody), "X-Old", "1"))
	token := send(t, "POST", base+"/webhooks/tokened/x", jsonBody, signed(hook, jsonBody))
	for name, got := range map[string]answer{"stale": stale, "token": token} {
		for _, h := range []string{"X-Request-Id", "Date"} {
			got.header.Del(h)
			wrong.header.Del(h)
		}
		if got.status != 401 || got.body != wrong.body {
			t.Errorf("%s: %d %s, wrong signature: %d %s", name, got.status, got.body, wrong.status, wrong.body)
		}
		if diff := cmp.Diff(wrong.header, got.header); diff != "" {
			t.Errorf("%s: headers differ: %s", name, diff)
		}
	}
}

// TestStoredBody: the bytes as sent, the type, the headers the provider asked
// for and no others.
func TestStoredBody(t *testing.T) {
	store := new(memory)
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	base := serve(t, handlers.Config{Store: store.store, Now: func() time.Time { return now }})
	hook := base + "/webhooks/signing"
	body := " {\"a\":\t1,\"a\":2}\r\n\x00"
	send(t, "POST", hook, body, with(signed(hook, body), "X-Delivery", "d-1", "X-Other", "no", "Cookie", "no"))
	send(t, "POST", hook, gzipped(t, body), with(signed(hook, body), "Content-Encoding", "gzip", "X-Delivery", strings.Repeat("x", 600)))
	send(t, "POST", base+"/webhooks/tokened", "a=1", map[string]string{"Content-Type": "", "Authorization": basic(urlToken)})

	want := []normalizer.Body{
		{Provider: "signing", Source: normalizer.Pushed, ContentType: "application/json", Bytes: []byte(body), ReceivedAt: now, Key: "KEY 2", Header: map[string]string{"X-Delivery": "d-1"}},
		{Provider: "signing", Source: normalizer.Pushed, ContentType: "application/json", Bytes: []byte(body), ReceivedAt: now, Key: "KEY 2"},
		{Provider: "tokened", Source: normalizer.Pushed, ContentType: "application/x-www-form-urlencoded", Bytes: []byte("a=1"), ReceivedAt: now, Key: "url_token 1"},
	}
	got := store.all()
	for i := range got {
		if got[i].Identity.Digest == (normalizer.Digest{}) || got[i].Identity.Within <= 0 {
			t.Errorf("body %d has no identity: %+v", i, got[i].Identity)
		}
		got[i].Identity = normalizer.Identity{} // what it covers is tested with the providers
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// TestPublicURL: behind a proxy the signature covers the public URL, whatever
// Host and forwarding headers say.
func TestPublicURL(t *testing.T) {
	base := serve(t, handlers.Config{PublicURL: "https://hooks.example.com/voice/"})
	public := "https://hooks.example.com/voice/webhooks/signing?leg=a%2Fb"
	local := base + "/webhooks/signing?leg=a%2Fb"
	if got := send(t, "POST", local, jsonBody, with(signed(public, jsonBody), "Host", "evil.example", "X-Forwarded-Host", "evil.example")); got.status != 200 {
		t.Errorf("signed for the public URL: %d", got.status)
	}
	for _, other := range []string{local, "http://evil.example/webhooks/signing?leg=a%2Fb"} {
		if got := send(t, "POST", local, jsonBody, with(signed(other, jsonBody), "Host", "evil.example")); got.status != 401 {
			t.Errorf("signed for %s: %d", other, got.status)
		}
	}
}

// TestNever200BeforeStored holds the store and looks whether an answer comes.
func TestNever200BeforeStored(t *testing.T) {
	entered, free := make(chan struct{}), make(chan struct{})
	base := serve(t, handlers.Config{
		Timeouts: handlers.Timeouts{Store: time.Minute},
		Store: func(context.Context, normalizer.Body) (string, error) {
			close(entered)
			<-free
			return "raw-1", nil
		},
	})
	hook := base + "/webhooks/signing"
	answered := make(chan answer, 1)
	go func() { answered <- send(t, "POST", hook, jsonBody, signed(hook, jsonBody)) }()
	<-entered
	select {
	case got := <-answered:
		t.Fatalf("answered %d while the store was still writing", got.status)
	case <-time.After(100 * time.Millisecond):
	}
	close(free)
	if got := <-answered; got.status != 200 {
		t.Errorf("status %d", got.status)
	}
}

// TestStoreFails: an error, a timeout and a panic of the store are our fault:
// 503 with Retry-After, the cause in the log only, and others go on.
func TestStoreFails(t *testing.T) {
	var log syncBuffer
	var ticks atomic.Int64 // a second each, so that no line is held back
	seen := newOutcomes()
	base := serve(t, handlers.Config{
		Now:      func() time.Time { return time.Unix(ticks.Add(1), 0) },
		Log:      slog.New(slog.NewTextHandler(&log, nil)),
		Observe:  func(o handlers.Observation) { seen.seen <- o },
		Timeouts: handlers.Timeouts{Store: 50 * time.Millisecond},
		Store: func(ctx context.Context, b normalizer.Body) (string, error) {
			switch string(b.Bytes) {
			case `{"do":"fail"}`:
				return "", errors.New("disk full on /var/lib/x")
			case `{"do":"hang"}`:
				<-ctx.Done()
				return "", ctx.Err()
			case `{"do":"panic"}`:
				panic("boom")
			}
			return "raw-1", nil
		},
	})
	hook := base + "/webhooks/signing"
	for do, outcome := range map[string]handlers.Outcome{
		"fail": handlers.Unavailable, "hang": handlers.Unavailable, "panic": handlers.Broken,
	} {
		body := `{"do":"` + do + `"}`
		got := send(t, "POST", hook, body, signed(hook, body))
		if got.status != 503 || got.header.Get("Retry-After") == "" {
			t.Errorf("%s: %d, Retry-After %q", do, got.status, got.header.Get("Retry-After"))
		}
		if strings.Contains(got.body, "disk") || strings.Contains(got.body, "boom") {
			t.Errorf("%s: answer tells the cause: %s", do, got.body)
		}
		if o := seen.next(t); o.Outcome != outcome {
			t.Errorf("%s: counted as %s", do, o.Outcome)
		}
		if got := send(t, "POST", hook, jsonBody, signed(hook, jsonBody)); got.status != 200 {
			t.Errorf("after %s: %d", do, got.status)
		}
		seen.next(t)
	}
	for _, cause := range []string{"disk full", "deadline exceeded", "boom"} {
		if !strings.Contains(log.String(), cause) {
			t.Errorf("log lacks %q", cause)
		}
	}
}

// TestLogTellsReasonNotSecrets: the operator reads why a webhook was refused; no
// token, signature or body is in the log at any level.
func TestLogTellsReasonNotSecrets(t *testing.T) {
	var log syncBuffer
	base := serve(t, handlers.Config{Log: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))})
	hook := base + "/webhooks/signing"
	send(t, "POST", hook, jsonBody, with(signed(hook, jsonBody), "X-Old", "1"))
	send(t, "POST", hook+"/"+url.PathEscape(urlToken), jsonBody, map[string]string{"Content-Type": "application/json"})
	send(t, "POST", base+"/webhooks/nobody/"+url.PathEscape(urlToken), jsonBody, map[string]string{"Authorization": basic(urlToken)})
	got := log.String()
	if !strings.Contains(got, string(handlers.Stale)) || !strings.Contains(got, "/webhooks/:provider/:token") {
		t.Errorf("log lacks the reason or the route:\n%s", got)
	}
	for _, leak := range []string{urlToken, url.PathEscape(urlToken), "t0ken", secret, basic(urlToken), sign(secret, hook, jsonBody), "c-1"} {
		if strings.Contains(got, leak) {
			t.Errorf("log holds %q:\n%s", leak, got)
		}
	}
}

func TestDevAcceptsUnsigned(t *testing.T) {
	store := new(memory)
	seen := newOutcomes()
	base := serve(t, handlers.Config{Dev: true, Store: store.store, Observe: func(o handlers.Observation) { seen.seen <- o }})
	hook := base + "/webhooks/off"
	jsonType := map[string]string{"Content-Type": "application/json"}
	if got := send(t, "POST", hook, jsonBody, jsonType); got.status != 200 {
		t.Errorf("unsigned: %d", got.status)
	}
	if o := seen.next(t); o.Outcome != handlers.Unverified || store.all()[0].Key != "unverified" {
		t.Errorf("counted as %s, stored with key %q", o.Outcome, store.all()[0].Key)
	}
	signing := base + "/webhooks/signing"
	send(t, "POST", signing, jsonBody, signed(signing, jsonBody))
	if o := seen.next(t); o.Outcome != handlers.Accepted || o.Key != "KEY 2" {
		t.Errorf("signed: counted as %s with key %q", o.Outcome, o.Key)
	}
	for name, tc := range map[string]struct {
		header map[string]string
		status int
	}{
		"rebound name":         {with(jsonType, "Host", "evil.example"), 421},
		"name like localhost":  {with(jsonType, "Host", "localhost.evil.example"), 421},
		"other address":        {with(jsonType, "Host", "10.0.0.1:80"), 421},
		"localhost":            {with(jsonType, "Host", "LOCALHOST:8080"), 200},
		"loopback 6":           {with(jsonType, "Host", "[::1]:8080"), 200},
		"page of another site": {with(jsonType, "Sec-Fetch-Site", "cross-site"), 403},
		"other origin":         {with(jsonType, "Origin", "https://evil.example"), 403},
	} {
		if got := send(t, "POST", hook, jsonBody, tc.header); got.status != tc.status {
			t.Errorf("%s: %d, want %d", name, got.status, tc.status)
		}
	}
}

// syncBuffer is a log that server and test may touch at once.
type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// A slash or an empty query behind the address changes nothing, whichever form
// of it the provider signed.
func TestSameWebhookUnderOtherForms(t *testing.T) {
	all := providers()
	all[0].SignsURL = true
	base := serve(t, handlers.Config{Providers: all})
	hook := base + "/webhooks/signing"
	for sent, signedAs := range map[string][]string{
		hook:              {hook},
		hook + "/":        {hook, hook + "/"},
		hook + "?":        {hook, hook + "?"},
		hook + "/?":       {hook, hook + "/?"},
		hook + "?a=1":     {hook + "?a=1"},
		hook + "/?a=1":    {hook + "?a=1", hook + "/?a=1"},
		hook + "/?a=1&b=": {hook + "?a=1&b="},
	} {
		for _, address := range signedAs {
			if got := send(t, "POST", sent, jsonBody, signed(address, jsonBody)); got.status != 200 {
				t.Errorf("%s signed as %s: %d %s", sent, address, got.status, got.body)
			}
		}
	}
	for sent, signedAs := range map[string]string{
		hook: hook + "/", hook + "?a=1": hook, hook + "/?a=1": hook, hook + "?": hook + "?a=1", base + "/webhooks/signing//": hook + "///",
	} {
		if got := send(t, "POST", sent, jsonBody, signed(signedAs, jsonBody)); got.status != 401 {
			t.Errorf("%s signed as %s: %d, want 401", sent, signedAs, got.status)
		}
	}
	for _, path := range []string{"t0ken%2Fwith%20slash", "t0ken%2Fwith%20slash/", "t0ken/with%20slash", "t0ken/with%20slash/", "t0ken/with%20slash?"} {
		if got := send(t, "POST", base+"/webhooks/tokened/"+path, jsonBody, map[string]string{"Content-Type": "application/json"}); got.status != 200 {
			t.Errorf("token as %s: %d %s", path, got.status, got.body)
		}
	}
}
