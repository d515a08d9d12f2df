package notifier

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/slack-go/slack"
)

// Status is how delivery stands.
type Status struct {
	Configured bool            `json:"configured"` // false: incidents are logged only
	Pending    int             `json:"pending"`    // incidents in a channel that are not shown as they are
	Settled    uint64          `json:"settled"`
	Channels   []ChannelStatus `json:"channels,omitempty"` // by name
}

// Broken says whether any channel takes nothing.
func (s Status) Broken() bool {
	return slices.ContainsFunc(s.Channels, func(c ChannelStatus) bool { return c.Broken })
}

// ChannelStatus is how delivery into one channel stands. Counts are since start.
type ChannelStatus struct {
	Channel   string    `json:"channel"` // as configured or routed
	Broken    bool      `json:"broken"`  // the latest answer was that it takes nothing from us
	LastOK    time.Time `json:"lastOk,omitzero"`
	LastError string    `json:"lastError,omitempty"`
	ErrorAt   time.Time `json:"errorAt,omitzero"`
	RetryAt   time.Time `json:"retryAt,omitzero"` // nothing is sent before
	Pending   int       `json:"pending"`
	Posted    int       `json:"posted"`
	Edited    int       `json:"edited"`
	Limited   int       `json:"limited"` // answers 429
	Parked    int       `json:"parked"`  // messages given up
}

// Status is how delivery stands now.
func (n *Notifier) Status() Status {
	s := Status{Configured: n.slack != nil, Settled: n.Settled()}
	n.mu.Lock()
	defer n.mu.Unlock()
	now := n.now()
	pending := map[string]int{}
	for _, th := range n.threads {
		pending[th.page.Channel]++
	}
	s.Pending = len(n.threads)
	for _, name := range slices.Sorted(maps.Keys(n.lanes)) {
		l := n.lanes[name]
		c := l.status
		c.Pending = pending[name]
		if l.closed.After(now) {
			c.RetryAt = l.closed
		}
		s.Channels = append(s.Channels, c)
	}
	return s
}

// ErrNotConfigured means that there is no Slack token.
var ErrNotConfigured = errors.New("no Slack token configured")

// Account is who the token belongs to.
type Account struct {
	Team    string
	User    string
	URL     string
	Missing []string // scopes that the token lacks, as far as Slack tells
}

// scopes the notifier uses: to post, and to look whether it has posted.
func scopes() []string {
	return []string{"chat:write", "channels:read", "channels:history", "groups:read", "groups:history"}
}

// Check asks Slack who we are. It returns ErrNotConfigured without a token.
func (n *Notifier) Check(ctx context.Context) (Account, error) {
	if n.slack == nil {
		return Account{}, ErrNotConfigured
	}
	who, err := n.slack.api.AuthTestContext(ctx)
	if err != nil {
		return Account{}, fmt.Errorf("check Slack token: %w", n.cfg.Token.redact(err))
	}
	a := Account{Team: who.Team, User: who.User, URL: who.URL}
	if granted := who.Header.Get("X-OAuth-Scopes"); granted != "" {
		have := strings.Split(strings.ReplaceAll(granted, " ", ""), ",")
		for _, s := range scopes() {
			if !slices.Contains(have, s) {
				a.Missing = append(a.Missing, s)
			}
		}
	}
	return a, nil
}

// Test posts a message marked as a test, channel "" for the default one, and
// returns a link to it. It returns ErrNotConfigured without a token.
func (n *Notifier) Test(ctx context.Context, channel string) (link string, err error) {
	if n.slack == nil {
		return "", ErrNotConfigured
	}
	if channel = cmp.Or(channel, n.cfg.Channel); channel == "" {
		return "", errors.New("test Slack: no channel given and no default channel configured")
	}
	now := n.now()
	at, err := n.slack.post(ctx, channel, "", n.writer.trial(now), tag{incident: "test", name: "test"})
	if err != nil {
		return "", fmt.Errorf("test Slack channel %s: %w", channel, err)
	}
	link, err = n.slack.api.GetPermalinkContext(ctx, &slack.PermalinkParameters{Channel: at.Channel, Ts: at.TS})
	if err != nil {
		return "", nil // the message is there; the link is a courtesy
	}
	return link, nil
}
