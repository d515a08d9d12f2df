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

	"callwatch/notifier/delivery"
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
