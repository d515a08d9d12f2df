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
	"slices"
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

// An answer ok says where the message is, or what was found. Without that it is unclear
// what became of the message. An edit needs nothing of its answer.
func TestAnswerWithoutItsContent(t *testing.T) {
	var answer string
	fake := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, answer)
	}))
	defer fake.Close()
	in := notifiertest.Opened()
	tag := notifier.Tag{Incident: in.ID, Name: "root"}
	fresh := func() *Client {
		return New(Config{Token: token, APIURL: fake.URL + "/api/", Title: notifiertest.Title})
	}
	content := fresh().Render(&notifier.Content{Incident: &in})
	calls := map[string]func() error{
		"post":       func() error { _, err := fresh().Post(t.Context(), "C1", "", content, tag); return err },
		"reply":      func() error { _, err := fresh().Post(t.Context(), "C1", "1.1", content, tag); return err },
		"test":       func() error { _, err := fresh().Test(t.Context(), "C1", notifiertest.T0); return err },
		"edit":       func() error { return fresh().Edit(t.Context(), notifier.Place{Channel: "C1", TS: "1.1"}, content, tag) },
		"find":       func() error { _, _, err := fresh().Find(t.Context(), "C1", "", tag, &notifier.Search{}); return err },
		"find reply": func() error { _, _, err := fresh().Find(t.Context(), "C1", "1.1", tag, &notifier.Search{}); return err },
		"find by name": func() error {
			_, _, err := fresh().Find(t.Context(), "#voice", "", tag, &notifier.Search{})
			return err
		},
		"check": func() error { _, err := fresh().Check(t.Context(), false); return err },
	}
	posts, edits := []string{"post", "reply", "test"}, []string{"edit"}
	finds := []string{"find", "find reply", "find by name"}
	asks := slices.Concat(posts, finds, []string{"check"})
	for _, c := range []struct {
		calls  []string
		answer string
		want   delivery.Outcome
	}{
		{asks, `{"ok":true}`, delivery.Unclear},
		{edits, `{"ok":true}`, delivery.Done},
		{slices.Concat(asks, edits), `{}`, delivery.Unclear},
		{slices.Concat(asks, edits), `{"ok":false}`, delivery.Unclear},
		{slices.Concat(asks, edits), `{"status":"log in first"}`, delivery.Unclear},
		{slices.Concat(asks, edits), `"ok"`, delivery.Unclear},
		{slices.Concat(asks, edits), ``, delivery.Unclear},
		{slices.Concat(asks, edits), `<html><title>Log in</title></html>`, delivery.Unclear},
		{posts, `{"ok":true,"channel":"C1","ts":"1773454440.000200"}`, delivery.Done},
		{posts, `{"ok":true,"ts":"1773454440.000200"}`, delivery.Unclear},
		{posts, `{"ok":true,"channel":"C1"}`, delivery.Unclear},
		{posts, `{"ok":true,"channel":"C1","ts":""}`, delivery.Unclear},
		{posts, `{"ok":true,"channel":"C1","ts":"null"}`, delivery.Unclear},
		{posts, `{"ok":true,"channel":"C1","ts":"1773454440"}`, delivery.Unclear},
		{posts, `{"ok":true,"channel":"C1","ts":"1773454440."}`, delivery.Unclear},
		{posts, `{"ok":true,"channel":"C1","ts":".000200"}`, delivery.Unclear},
		{posts, `{"ok":true,"channel":"C1","ts":"1773454440.000200.1"}`, delivery.Unclear},
		{posts, `{"ok":true,"channel":"C1","ts":" 1773454440.000200"}`, delivery.Unclear},
		{posts, `{"ok":true,"channel":"C1","ts":"-1773454440.000200"}`, delivery.Unclear},
		{posts, `{"ok":true,"channel":"C1","ts":1773454440.0002}`, delivery.Unclear},
		{finds, `{"ok":true,"messages":null,"channels":null}`, delivery.Unclear},
		{finds[:2], `{"ok":true,"messages":[]}`, delivery.Done},
		{finds[2:], `{"ok":true,"channels":[]}`, delivery.Unreadable}, // there is no such channel
	} {
		answer = c.answer
		for _, name := range c.calls {
			err := calls[name]()
			if o, _ := delivery.OutcomeOf(err); o != c.want {
				t.Errorf("%s answered %s: %s (%v), want %s", name, c.answer, o, err, c.want)
			}
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
