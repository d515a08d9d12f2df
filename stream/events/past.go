package events

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"callwatch/stream/frame"
	"callwatch/stream/jet"
	"callwatch/stream/names"
)

// pastSuffix ends the subject of an event that is history: imported, or a
// correction of what was stored before. It is one token more than live events
// have, so that who subscribes to callwatch.event.*.* is not told of it.
const pastSuffix = ".past"

// past adds what tells history from live events to the headers, and returns the
// end of the subject.
func (e *Event) past(h nats.Header) string {
	if e.Source != "" {
		h[jet.HeaderOrigin] = []string{names.EscapeHeader(cut(e.Source))}
	}
	if e.Replaces != (frame.Position{}) {
		h[jet.HeaderReplaces] = []string{e.Replaces.String()}
	}
	if e.CountsAt.IsZero() {
		return ""
	}
	h[jet.HeaderCountsAt] = []string{e.CountsAt.UTC().Format(time.RFC3339Nano)}
	return pastSuffix
}

// Past says that the event is history: it counts at CountsAt and wakes no rule.
func (m *Message) Past() bool { return strings.HasSuffix(m.Subject, pastSuffix) }

// Source is how the event's body came: webhook, fetch or import; "" where it was
// not noted.
func (m *Message) Source() string { return names.UnescapeHeader(m.header.Get(jet.HeaderOrigin)) }

// CountsAt is when the event counts: for live events, ticks and actions when they
// were stored.
func (m *Message) CountsAt() time.Time {
	if text := m.header.Get(jet.HeaderCountsAt); text != "" {
		if at, err := time.Parse(time.RFC3339Nano, text); err == nil {
			return at.UTC()
		}
	}
	return m.Time
}

// Replaces is the record whose events this one replaces, together with the
// others of its own record; ok is false of an event that replaces none. Of a live
// event it is the record that had no event before.
func (m *Message) Replaces() (raw frame.Position, ok bool) {
	text := m.header.Get(jet.HeaderReplaces)
	if text == "" {
		return frame.Position{}, false
	}
	raw, err := frame.ParsePosition(text)
	return raw, err == nil
}

// PastEvents reads the events that are history and were stored at or after since
// (zero: all), in the order in which they were stored, and ends behind the last
// one or with fn's error.
func (s *Events) PastEvents(ctx context.Context, since time.Time, fn func(Message) error) error {
	return s.storedEvents(ctx, []string{names.EventPrefix + "*.*" + pastSuffix}, since, func(m Message, _ uint64) error { return fn(m) })
}

// EventsSince reads the events, live and past, that were stored at or after since
// (zero: all), in the order in which they were stored, which is that of RAW.
func (s *Events) EventsSince(ctx context.Context, since time.Time, fn func(Message) error) error {
	return s.storedEvents(ctx, []string{names.EventPrefix + ">"}, since, func(m Message, _ uint64) error { return fn(m) })
}

// EventsOf reads the stored events of a provider ("": of all), live and past, in
// the order in which they were stored.
func (s *Events) EventsOf(ctx context.Context, provider string, fn func(Message) error) error {
	subject := names.EventPrefix + ">"
	if provider != "" {
		subject = names.EventPrefix + names.Token(provider) + ".>"
	}
	return s.storedEvents(ctx, []string{subject}, time.Time{}, func(m Message, _ uint64) error { return fn(m) })
}

// Actions reads what people did to incidents, in the order in which it was stored.
func (s *Events) Actions(ctx context.Context, fn func(Message) error) error {
	return s.storedEvents(ctx, []string{names.ActionSubject}, time.Time{}, func(m Message, _ uint64) error { return fn(m) })
}

// HeadersOf reads the stored events of a provider since a time, live and past,
// without their content, in the order in which they were stored.
func (s *Events) HeadersOf(ctx context.Context, provider string, since time.Time, fn func(Message) error) error {
	c := jet.Cursor{
		Conn: s.conn, Stream: names.EventStream, Subjects: []string{names.EventPrefix + names.Token(provider) + ".>"}, Since: since,
		Batch: jet.MessagesAtOnce, ToEnd: true, Headers: true,
	}
	c.Deliver = func(m jetstream.Msg, meta *jetstream.MsgMetadata, _ bool) error { return fn(newMessage(m, meta)) }
	if err := c.Run(ctx); err != nil {
		return fmt.Errorf("read stored events of %s: %w", provider, err)
	}
	return nil
}

func (s *Events) storedEvents(ctx context.Context, subjects []string, since time.Time, fn func(m Message, left uint64) error) error {
	c := jet.Cursor{Conn: s.conn, Stream: names.EventStream, Subjects: subjects, Since: since, Batch: jet.MessagesAtOnce, ToEnd: true}
	var failed error
	c.Deliver = func(m jetstream.Msg, meta *jetstream.MsgMetadata, _ bool) error {
		failed = fn(newMessage(m, meta), meta.NumPending)
		return failed
	}
	if err := c.Run(ctx); err != nil && failed == nil {
		return fmt.Errorf("read stored events: %w", err)
	}
	return failed
}

// EventsOfRecord hands in the events that were made of a record, in their order.
func (s *Events) EventsOfRecord(ctx context.Context, raw frame.Position, fn func(Message) error) error {
	first, last, err := s.ends(ctx)
	if err != nil {
		return err
	}
	// Events are stored in the order of their records.
	low, high := max(first, 1), last+1
	for low < high {
		middle := low + (high-low)/2
		m, ok, err := s.nextEvent(ctx, middle)
		switch at, _, placed := m.Raw(); {
		case err != nil:
			return fmt.Errorf("find the events of record %s: %w", raw, err)
		case !ok || !placed || !at.Before(raw):
			high = middle
		default:
			low = m.Seq + 1
		}
	}
	for {
		m, ok, err := s.nextEvent(ctx, low)
		if err != nil {
			return fmt.Errorf("find the events of record %s: %w", raw, err)
		}
		at, _, placed := m.Raw()
		if !ok || placed && raw.Before(at) {
			return nil
		}
		if low = m.Seq + 1; !placed || at != raw {
			continue
		}
		if err := fn(m); err != nil {
			return err
		}
	}
}

// nextEvent reads the first event, no tick or action, at a sequence or after it; ok is
// false if there is none.
func (s *Events) nextEvent(ctx context.Context, seq uint64) (m Message, ok bool, err error) {
	for {
		raw, err := s.stream.GetMsg(ctx, seq, jetstream.WithGetMsgSubject(names.EventPrefix+">"))
		if errors.Is(err, jetstream.ErrMsgNotFound) {
			return Message{}, false, nil
		}
		if err != nil {
			return Message{}, false, jet.ReadError(ctx, err)
		}
		if s.conn.Check(names.EventStream, raw.Subject, raw.Header, raw.Sequence) == nil {
			return Message{Seq: raw.Sequence, Time: raw.Time.UTC(), Subject: raw.Subject, Data: raw.Data, header: raw.Header}, true, nil
		}
		seq = raw.Sequence + 1
	}
}
