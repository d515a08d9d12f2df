package notifier

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/slack-go/slack"

	"callwatch/rules"
)

func TestPlan(t *testing.T) {
	at := func(n uint64) rules.Cause { return rules.Cause{Seq: n} }
	shows := func(m, hash string, seq uint64) shown { return shown{Mark: m, Hash: hash, Cause: at(seq), At: t0} }
	is := sent{State: delivered, TS: "1.1"}
	warning := func(seq uint64) want { return want{incident: opened(), cause: at(seq)} }
	critical := want{incident: escalated(), cause: at(3)}
	over := want{incident: resolved(), cause: at(4)}
	explicit := want{incident: escalated(), cause: at(3), lines: []line{{name: "escalated/critical", step: rules.StepEscalated, incident: escalated()}}}

	for name, c := range map[string]struct {
		page record
		want want
		acts string
	}{
		"nothing is there":          {record{}, warning(1), "post root, post opened"},
		"a root of unclear fate":    {record{Sent: map[string]sent{"root": {State: attempting}}}, warning(1), "look root, post opened"},
		"a reply of unclear fate":   {record{Sent: map[string]sent{"root": is, "opened": {State: attempting}}, Shows: shows("firing/warning", "h", 1)}, warning(1), "look opened"},
		"all is there":              {record{Sent: map[string]sent{"root": is, "opened": is}, Shows: shows("firing/warning", "h", 1)}, warning(1), ""},
		"counts grew":               {record{Sent: map[string]sent{"root": is, "opened": is}, Shows: shows("firing/warning", "old", 1)}, warning(2), "edit in 30s"},
		"nothing visible changed":   {record{Sent: map[string]sent{"root": is, "opened": is}, Shows: shows("firing/warning", "h", 1)}, warning(2), ""},
		"escalated":                 {record{Sent: map[string]sent{"root": is, "opened": is}, Shows: shows("firing/warning", "old", 1), Severity: rules.Warning}, explicit, "edit, post escalated/critical"},
		"an escalation was skipped": {record{Sent: map[string]sent{"root": is, "opened": is}, Shows: shows("firing/warning", "old", 1), Severity: rules.Warning}, critical, "edit, post escalated/critical"},
		"escalated before the root": {record{}, explicit, "post root, post opened, post escalated/critical"},
		"opened as critical":        {record{}, critical, "post root, post opened"},
		"resolved":                  {record{Sent: map[string]sent{"root": is, "opened": is}, Shows: shows("firing/critical", "old", 3), Severity: rules.Critical}, over, "edit, post resolved"},
		"an old transition again":   {record{Sent: map[string]sent{"root": is, "opened": is, "resolved": is}, Shows: shows("resolved/critical", "new", 4), Severity: rules.Warning}, critical, ""},
		"edits are forbidden":       {record{Sent: map[string]sent{"root": is, "opened": is}, Shows: shows("firing/critical", "old", 3), Severity: rules.Critical, Frozen: true}, over, "post resolved"},
		"a root given up":           {record{Sent: map[string]sent{"root": {State: parked}}}, over, ""},
		"moved elsewhere":           {record{MovedTo: "#b"}, over, ""},
	} {
		t.Run(name, func(t *testing.T) {
			var got []string
			for _, a := range plan(&c.page, &c.want, "h") {
				s := string(a.do)
				if a.line.name != "" {
					s += " " + a.line.name
				}
				if !a.due.IsZero() {
					s += " in " + a.due.Sub(t0).String()
				}
				got = append(got, s)
			}
			if strings.Join(got, ", ") != c.acts {
				t.Errorf("got %q, want %q", strings.Join(got, ", "), c.acts)
			}
		})
	}
}

func TestOutcomes(t *testing.T) {
	answer := func(name string) error { return slack.SlackErrorResponse{Err: name} }
	dial := &url.Error{Op: "Post", URL: "https://slack.example", Err: &net.OpError{Op: "dial", Err: errors.New("refused")}}
	for _, c := range []struct {
		err   error
		want  outcome
		after time.Duration
	}{
		{nil, done, 0},
		{&slack.RateLimitedError{RetryAfter: 7 * time.Second}, wait, 7 * time.Second},
		{&slack.RateLimitedError{RetryAfter: -1}, wait, time.Second},
		{&slack.RateLimitedError{RetryAfter: 1e6 * time.Second}, wait, time.Hour},
		{slack.StatusCodeError{Code: 429}, wait, time.Second},
		{slack.StatusCodeError{Code: 503}, unclear, 0},
		{slack.StatusCodeError{Code: 302}, unclear, 0},
		{io.EOF, unclear, 0},
		{&url.Error{Op: "Post", Err: &net.OpError{Op: "read", Err: errors.New("reset")}}, unclear, 0},
		{dial, refused, 0},
		{answer("ratelimited"), wait, time.Second},
		{answer("internal_error"), unclear, 0},
		{answer("invalid_blocks"), badContent, 0},
		{answer("message_not_found"), gone, 0},
		{answer("edit_window_closed"), frozen, 0},
		{answer("invalid_auth"), badToken, 0},
		{answer("account_inactive"), badToken, 0},
		{answer("not_in_channel"), badChannel, 0},
		{answer("restricted_action"), badChannel, 0},
		{Token("secret").redact(fmt.Errorf("secret: %w", dial)), refused, 0},
	} {
		if o, after := outcomeOf(c.err); o != c.want || after != c.after {
			t.Errorf("outcomeOf(%v) = %s after %s, want %s after %s", c.err, o, after, c.want, c.after)
		}
	}
}

func TestBucket(t *testing.T) {
	b := bucket{every: time.Second, burst: 3}
	var got []time.Duration
	now := t0
	for range 5 {
		now = b.due(now)
		b.take(now)
		got = append(got, now.Sub(t0))
	}
	now = now.Add(time.Hour)
	if due := b.due(now); due != now {
		t.Errorf("a full bucket makes wait until %s", due)
	}
	if want := "[0s 0s 0s 1s 2s]"; fmt.Sprint(got) != want {
		t.Errorf("tokens at %v, want %s", got, want)
	}
}

func TestBackOffDoublesUpToAMinute(t *testing.T) {
	l := &lane{}
	var got []time.Duration
	for range 8 {
		l.closed = time.Time{}
		l.backOff(t0)
		got = append(got, l.closed.Sub(t0))
	}
	if want := "[1s 2s 4s 8s 16s 32s 1m0s 1m0s]"; fmt.Sprint(got) != want {
		t.Errorf("waits %v, want %s", got, want)
	}
}
