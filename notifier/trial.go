package notifier

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/slack-go/slack"

	"callwatch/rules"
)

// Outputs are the names of the configured outputs beside Slack, sorted.
func (c *Config) OutputNames() []string { return slices.Sorted(maps.Keys(c.Outputs)) }

// Test sends a message marked as a test to a channel or to an output by its
// name, to "" for the default channel, and returns a link to it where there is
// one. It returns ErrNotConfigured where Slack is meant and not configured.
func (n *Notifier) Test(ctx context.Context, target string) (link string, err error) {
	if s := n.sinks[outputKey(target)]; s != nil {
		return "", n.testSink(ctx, s, "output "+target)
	}
	if s := n.sinks[incomingKey]; s != nil && n.slack == nil {
		return "", n.testSink(ctx, s, "Slack's incoming webhook")
	}
	if n.slack == nil {
		return "", ErrNotConfigured
	}
	if target = cmp.Or(target, n.cfg.Channel); target == "" {
		return "", errors.New("test Slack: no channel given and no default channel configured")
	}
	at, err := n.slack.post(ctx, target, "", n.writer.trial(n.now()), tag{incident: "test", name: "test"})
	if err != nil {
		return "", fmt.Errorf("test Slack channel %s: %w", target, err)
	}
	link, err = n.slack.api.GetPermalinkContext(ctx, &slack.PermalinkParameters{Channel: at.Channel, Ts: at.TS})
	if err != nil {
		return "", nil // the message is there; the link is a courtesy
	}
	return link, nil
}

// testSink sends an incident that says it is a test, already resolved: nobody is
// called out of bed by it for long.
func (n *Notifier) testSink(ctx context.Context, s sink, name string) error {
	now := n.now()
	in := rules.Incident{
		ID: "test", Rule: "callwatch-test", State: rules.Resolved, Severity: rules.Info, Mode: rules.Active,
		OpenedAt: now.Add(-time.Second), UpdatedAt: now, ResolvedAt: now,
		Summary: "Test message from callwatch: nothing is wrong, nobody needs to act",
	}
	l := line{name: fmt.Sprintf("test/%d", now.UnixNano()), step: rules.StepResolved, at: now, incident: in}
	var r record
	s.begin(&r, &l, now)
	if err := s.send(ctx, &r, &l, now); err != nil {
		return fmt.Errorf("test %s: %w", name, err)
	}
	return nil
}
