package stream

import (
	"errors"
	"time"

	"github.com/nats-io/nats.go"

	"callwatch/stream/alerts"
	"callwatch/stream/events"
	"callwatch/stream/jet"
	"callwatch/stream/names"
)

// wellFormed checks a message that was stored before seals: its subject and
// headers must be what callwatch writes.
func wellFormed(stream, subject string, h nats.Header) error {
	switch {
	case subject == names.TickSubject, subject == names.ActionSubject:
		return nil
	case stream == names.EventStream:
		return events.WellFormed(h)
	case stream == names.AlertStream:
		return alerts.WellFormed(subject, h)
	case stream == names.TaskStream:
		if due := h.Get(jet.HeaderDue); due != "" {
			if _, err := time.Parse(time.RFC3339Nano, due); err != nil {
				return errors.New("its time cannot be read")
			}
		}
	case stream == names.RawStream:
		if len(jet.RewrittenBy(h)) == 0 {
			return errors.New("it does not name the frame that it replaces")
		}
	}
	return nil
}
