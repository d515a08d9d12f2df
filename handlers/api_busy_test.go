package handlers_test

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"callwatch/call"
	"callwatch/handlers"
	"callwatch/handlers/backend"
	"callwatch/rules"
	"callwatch/rules/backtest"
)

// drafts are the requests by which clients have rules read or run that are not in
// force, in the API and in the console.
func drafts() []struct{ path, body, contentType string } {
	const json, form = "application/json", "application/x-www-form-urlencoded"
	expr := url.Values{"expr": {"mos < 3"}, "call": {"telnyx/c"}}.Encode()
	file := url.Values{"whole": {"rules: [{name: a, when: mos < 3}]"}}.Encode()
	return []struct{ path, body, contentType string }{
		{"/api/v1/rules/check", `{"rules":"rules: []"}`, json},
		{"/api/v1/rules/backtest", `{"rules":"rules: []"}`, json},
		{"/api/v1/calls/telnyx/c/try", `{"expr":"mos < 3"}`, json},
		{"/rules/check", expr, form},
		{"/rules/backtest", file, form},
	}
}

// draftsWith serves an API and a console whose work on drafts is done by work.
func draftsWith(t *testing.T, work func(ctx context.Context) error) string {
	o := newOffice(t)
	shown := o.api()
	h := shown.History
	h.Check = func(ctx context.Context, _ []rules.Source) (*rules.Set, rules.Problems, error) {
		return nil, nil, work(ctx)
	}
	h.Try = func(ctx context.Context, _ string, _ call.Key) (rules.Explanation, error) {
		return rules.Explanation{}, work(ctx)
	}
	h.Backtest = func(ctx context.Context, _ backend.BacktestQuery, _ func(done, total uint64)) (backtest.Report, error) {
		return backtest.Report{}, work(ctx)
	}
	return serve(t, handlers.Config{Dev: true, API: shown})
}

func postDraft(ctx context.Context, t *testing.T, base, path, body, contentType string) (*http.Response, error) {
	t.Helper()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, base+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", contentType)
	return http.DefaultClient.Do(req)
}

func TestDraftsBeyondTheLimitAreRefused(t *testing.T) {
	base := draftsWith(t, func(context.Context) error { return backend.ErrBusy })
	for _, d := range drafts() {
		res, err := postDraft(t.Context(), t, base, d.path, d.body, d.contentType)
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		if res.StatusCode != http.StatusTooManyRequests || res.Header.Get("Retry-After") == "" {
			t.Errorf("%s: %d, Retry-After %q; want 429 and a time", d.path, res.StatusCode, res.Header.Get("Retry-After"))
		}
	}
}

func TestWorkOnDraftsEndsWithTheRequest(t *testing.T) {
	for _, d := range drafts() {
		begun, ended := make(chan struct{}), make(chan error, 1)
		base := draftsWith(t, func(ctx context.Context) error {
			close(begun)
			select {
			case <-ctx.Done():
				ended <- ctx.Err()
			case <-time.After(10 * time.Second):
				ended <- errors.New("still running")
			}
			return ctx.Err()
		})
		ctx, leave := context.WithCancel(t.Context())
		go func() { <-begun; leave() }()
		if res, err := postDraft(ctx, t, base, d.path, d.body, d.contentType); err == nil {
			_ = res.Body.Close()
			t.Errorf("%s was answered %d", d.path, res.StatusCode)
		}
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Errorf("%s: the client left, the work ended with %v", d.path, err)
		}
	}
}
