package slack

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"testing"
	"time"

	"github.com/slack-go/slack"

	"callwatch/notifier"
)

func TestOutcomes(t *testing.T) {
	answer := func(name string) error { return slack.SlackErrorResponse{Err: name} }
	dial := &url.Error{Op: "Post", URL: "https://slack.example", Err: &net.OpError{Op: "dial", Err: errors.New("refused")}}
	for _, c := range []struct {
		err   error
		want  notifier.Outcome
		after time.Duration
	}{
		{nil, notifier.Done, 0},
		{&slack.RateLimitedError{RetryAfter: 7 * time.Second}, notifier.Limited, 7 * time.Second},
		{&slack.RateLimitedError{RetryAfter: -1}, notifier.Limited, time.Second},
		{&slack.RateLimitedError{RetryAfter: 1e6 * time.Second}, notifier.Limited, time.Hour},
		{slack.StatusCodeError{Code: 429}, notifier.Limited, time.Second},
		{slack.StatusCodeError{Code: 503}, notifier.Unclear, 0},
		{slack.StatusCodeError{Code: 302}, notifier.Unclear, 0},
		{io.EOF, notifier.Unclear, 0},
		{&url.Error{Op: "Post", Err: &net.OpError{Op: "read", Err: errors.New("reset")}}, notifier.Unclear, 0},
		{dial, notifier.Refused, 0},
		{answer("ratelimited"), notifier.Limited, time.Second},
		{answer("internal_error"), notifier.Unclear, 0},
		{answer("invalid_blocks"), notifier.BadContent, 0},
		{answer("message_not_found"), notifier.Gone, 0},
		{answer("edit_window_closed"), notifier.NotEditable, 0},
		{answer("invalid_auth"), notifier.BadToken, 0},
		{answer("account_inactive"), notifier.BadToken, 0},
		{answer("not_in_channel"), notifier.BadChannel, 0},
		{answer("restricted_action"), notifier.BadChannel, 0},
		{fmt.Errorf("secret: %w", dial), notifier.Refused, 0},
	} {
		if o, after := notifier.OutcomeOf((&Client{token: "secret"}).failure(c.err)); o != c.want || after != c.after {
			t.Errorf("outcomeOf(%v) = %s after %s, want %s after %s", c.err, o, after, c.want, c.after)
		}
	}
}
