package notifier

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"callwatch/rules"
)

// ErrNotConfigured means that there is no Slack token.
var ErrNotConfigured = errors.New("no Slack token configured")

// Test sends a message marked as a test to a channel or to an output by its
// name, to "" for the default channel, and returns a link to it where there is
// one. It returns ErrNotConfigured where Slack is meant and not configured.
func (n *Notifier) Test(ctx context.Context, target string) (link string, err error) {
	if s := n.sinks[outputKey(target)]; s != nil {
		return "", n.testSink(ctx, s, "output "+target)
	}
	target = cmp.Or(target, n.cfg.Channel)
	name, channel := rules.SplitChannel(target)
	ws, incoming := n.workspaces[name], n.sinks[incomingKey]
	switch {
	case ws == nil && name != "":
		return "", fmt.Errorf("test Slack channel %s: there is no workspace %s in the settings", target, name)
	case ws == nil && incoming != nil:
		return "", n.testSink(ctx, incoming, "Slack's incoming webhook")
	case ws == nil:
		return "", ErrNotConfigured
	case target == "":
		return "", errors.New("test Slack: no channel given and no default channel configured")
	}
	link, err = ws.Test(ctx, channel, n.now())
	if err != nil {
		return "", fmt.Errorf("test Slack channel %s: %w", target, err)
	}
	return link, nil
}

// testSink sends an incident that says it is a test, already resolved: nobody is
// called out of bed by it for long.
func (n *Notifier) testSink(ctx context.Context, s Output, name string) error {
	now := n.now()
	in := rules.Incident{
		ID: "test", Rule: "callwatch-test", State: rules.Resolved, Severity: rules.Info, Mode: rules.Active,
		OpenedAt: now.Add(-time.Second), UpdatedAt: now, ResolvedAt: now,
		Summary: "Test message from callwatch: nothing is wrong, nobody needs to act",
	}
	l := Line{Name: fmt.Sprintf("test/%d", now.UnixNano()), Step: rules.StepResolved, At: now, Incident: in}
	var r Record
	s.Begin(&r, &l, now)
	if err := s.Send(ctx, &r, &l, now); err != nil {
		return fmt.Errorf("test %s: %w", name, err)
	}
	return nil
}
