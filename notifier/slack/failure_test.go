package slack

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync/atomic"
	"testing"
	"time"

	"github.com/slack-go/slack"

	"callwatch/notifier"
	"callwatch/notifier/delivery"
	"callwatch/notifier/notifiertest"
)

func TestOutcomes(t *testing.T) {
	answer := func(name string) error { return slack.SlackErrorResponse{Err: name} }
	dial := &url.Error{Op: "Post", URL: "https://slack.example", Err: &net.OpError{Op: "dial", Err: errors.New("refused")}}
	for _, c := range []struct {
		err   error
		want  delivery.Outcome
		after time.Duration
	}{
		{nil, delivery.Done, 0},
		{&slack.RateLimitedError{RetryAfter: 7 * time.Second}, delivery.Limited, 7 * time.Second},
		{&slack.RateLimitedError{RetryAfter: -1}, delivery.Limited, time.Second},
		{&slack.RateLimitedError{RetryAfter: 1e6 * time.Second}, delivery.Limited, time.Hour},
		{slack.StatusCodeError{Code: 429}, delivery.Limited, time.Second},
		{slack.StatusCodeError{Code: 503}, delivery.Unclear, 0},
		{slack.StatusCodeError{Code: 302}, delivery.Unclear, 0},
		{io.EOF, delivery.Unclear, 0},
		{&url.Error{Op: "Post", Err: &net.OpError{Op: "read", Err: errors.New("reset")}}, delivery.Unclear, 0},
		{dial, delivery.Refused, 0},
		{answer("ratelimited"), delivery.Limited, time.Second},
		{answer("internal_error"), delivery.Unclear, 0},
		{answer("invalid_blocks"), delivery.BadContent, 0},
		{answer("message_not_found"), delivery.Gone, 0},
		{answer("edit_window_closed"), delivery.NotEditable, 0},
		{answer("invalid_auth"), delivery.BadToken, 0},
		{answer("account_inactive"), delivery.BadToken, 0},
		{answer("not_in_channel"), delivery.BadChannel, 0},
		{answer("restricted_action"), delivery.BadChannel, 0},
		{fmt.Errorf("secret: %w", dial), delivery.Refused, 0},
	} {
		if o, after := delivery.OutcomeOf((&Client{token: "secret"}).failure(c.err)); o != c.want || after != c.after {
			t.Errorf("outcomeOf(%v) = %s after %s, want %s after %s", c.err, o, after, c.want, c.after)
		}
	}
}

// An answer without an end is not read to its end: what became of the message is unclear.
func TestAnswerWithoutEnd(t *testing.T) {
	var sent atomic.Int64
	endless := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		for part := bytes.Repeat([]byte(" "), 64<<10); ; sent.Add(int64(len(part))) {
			if _, err := w.Write(part); err != nil {
				return
			}
		}
	}))
	defer endless.Close()
	client := New(Config{Token: token, APIURL: endless.URL + "/api/", Timeout: time.Minute, Title: notifiertest.Title})
	in := notifiertest.Opened()
	content, tag := client.Render(&notifier.Content{Incident: &in}), notifier.Tag{Incident: in.ID, Name: "root"}
	calls := map[string]func() error{
		"post": func() error { _, err := client.Post(t.Context(), "C1", "", content, tag); return err },
		"edit": func() error { return client.Edit(t.Context(), notifier.Place{Channel: "C1", TS: "1.1"}, content, tag) },
		"find": func() error { _, _, err := client.Find(t.Context(), "C1", "", tag, &notifier.Search{}); return err },
		"test": func() error { _, err := client.Test(t.Context(), "C1", notifiertest.T0); return err },
	}
	for name, call := range calls {
		sent.Store(0)
		if o, _ := delivery.OutcomeOf(call()); o != delivery.Unclear || sent.Load() > 64<<20 {
			t.Errorf("%s: outcome %v after %d bytes", name, o, sent.Load())
		}
	}
}
