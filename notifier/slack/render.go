package slack

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"slices"

	"callwatch/notifier"
	"callwatch/rules"
)

// render writes a message of an incident or a storm.
func (w *writer) render(c *notifier.Content) message {
	m := w.whole(c)
	if c.Plain {
		return m.plain()
	}
	return m.without(c.Without)
}

func (w *writer) whole(c *notifier.Content) message {
	l := c.Line
	switch {
	case l == nil && c.Storm != nil:
		return w.storm(c.Storm, c.Incident)
	case l == nil && slices.Contains(c.Without, chartID):
		return w.rootWithSparkline(c.Incident)
	case l == nil:
		return w.root(c.Incident)
	case l.Step == notifier.StepListed:
		return w.stormList(l)
	case l.Step == rules.StepResolved && c.Storm != nil:
		return w.stormOver(c.Storm, c.Incident)
	case l.Step == rules.StepOpened:
		return w.opening(c.Incident)
	case l.Step == rules.StepEscalated:
		return w.escalated(c.Incident, c.Incident.Severity, l.At, l.Reason)
	case l.Step == rules.StepResolved:
		return w.resolved(c.Incident)
	case l.Step == rules.StepAdopted:
		return w.adopted(l)
	default:
		return w.said(l)
	}
}

// Digest identifies the appearance of a message.
func (m message) Digest() string {
	b, err := json.Marshal(m)
	if err != nil {
		return "" // never: plain strings and slack-go's own types
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:8])
}
