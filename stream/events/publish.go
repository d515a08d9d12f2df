// Package events keeps the log of events, ticks and actions: it publishes each once, in
// order, and reads them back. Of callwatch it imports the packages frame, jet and names.
package events

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"callwatch/stream/frame"
	"callwatch/stream/jet"
	"callwatch/stream/names"
)

// Headers of a stored event: CloudEvents in binary mode, and its place in RAW.
const (
	headerSpec        = "ce-specversion"
	headerSource      = "ce-source"
	headerType        = "ce-type"
	headerContentType = "content-type"
	headerAccount     = "callwatch-account"
	headerAlias       = "callwatch-alias"
)

// Events is the log of a store.
type Events struct {
	conn   *jet.Conn
	stream *jet.Stream
	raw    *jet.Stream
	fence  fence
}

// New returns the log that is kept in a stream. Its events are made of what raw has.
func New(conn *jet.Conn, stream, raw *jet.Stream) *Events {
	return &Events{conn: conn, stream: stream, raw: raw}
}

// fewEvents is up to where an fsync each costs no more than a batch, which
// creates and removes a directory: measured break-even is 7 to 47 events.
const fewEvents = 16

const maxHeader = 1024

// Event is one normalized event on its way into EVENTS.
type Event struct {
	Provider string
	Account  string // of the provider; "" where it has one
	Kind     string
	ID       string
	CallID   string
	Aliases  []string       // other ids of the same call
	Time     time.Time      // when it happened; zero when unknown
	Raw      frame.Position // the record it was made from
	Index    int            // among the events of that record, from 0
	Data     []byte         // the event as JSON; of one that Replaces, none where nothing is left

	Source   string         // how the body came, as Record.Source
	CountsAt time.Time      // history: when it counts, told to no rule; zero: when it is stored
	Replaces frame.Position // the record whose events it replaces from now on; zero: none
}

// fence keeps two processes, or one that did not see the answer to a write,
// from publishing the same events twice: each write names the last event before it.
type fence struct {
	sync.Mutex
	known bool
	last  uint64         // sequence in EVENTS of the last message on an event's subject, 0 when there is none
	raw   frame.Position // record of the last event that callwatch stored
	index int            // and its index there
}

// before reports whether an event comes behind the last one that is known.
func (f *fence) before(raw frame.Position, index int) bool {
	return f.raw.Before(raw) || f.raw == raw && index > f.index
}

// LastPublished says which event was stored last: the record it was made from
// and its index there. Everything before it is stored too; ok is false when
// there is no event yet.
func (s *Events) LastPublished(ctx context.Context) (raw frame.Position, index int, ok bool, err error) {
	s.fence.Lock()
	defer s.fence.Unlock()
	m, err := s.stream.GetLastMsgForSubject(ctx, names.EventPrefix+">")
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		s.fence.known, s.fence.last, s.fence.raw, s.fence.index = true, 0, frame.Position{}, 0
		return frame.Position{}, 0, false, nil
	}
	if err == nil {
		raw, index, ok, err = s.newestEvent(ctx)
	}
	if err != nil {
		return frame.Position{}, 0, false, fmt.Errorf("last event: %w", jet.ReadError(ctx, err))
	}
	s.fence.known, s.fence.last, s.fence.raw, s.fence.index = true, m.Sequence, raw, index
	return raw, index, ok, nil
}

// LastRecord returns the record of the event that was stored last; ok is false when there
// is none. LastPublished has to be called after it, before events are published.
func LastRecord(ctx context.Context, s *Events) (raw frame.Position, ok bool, err error) {
	raw, _, ok, err = s.LastPublished(ctx)
	s.fence.Lock()
	defer s.fence.Unlock()
	s.fence.known = false
	return raw, ok, err
}

// tailEvents is how many sequences at the end of EVENTS are looked at for the last
// event. A copy of an earlier event may be behind it.
const tailEvents = 256

// newestEvent returns the event of the last record among those at the end of EVENTS.
func (s *Events) newestEvent(ctx context.Context) (raw frame.Position, index int, ok bool, err error) {
	info, err := s.stream.Info(ctx)
	if err != nil {
		return frame.Position{}, 0, false, err
	}
	first, last := info.State.FirstSeq, info.State.LastSeq
	for span := uint64(tailEvents); ; span *= 8 {
		from := first
		if last > first+span {
			from = last - span
		}
		newest := fence{}
		c := jet.Cursor{Conn: s.conn, Stream: names.EventStream, Subjects: []string{names.EventPrefix + ">"}, Next: from, Batch: jet.MessagesAtOnce, ToEnd: true, Headers: true}
		c.Deliver = func(m jetstream.Msg, meta *jetstream.MsgMetadata, _ bool) error {
			at, i, err := s.eventPlace(ctx, m.Headers(), meta.Sequence.Stream)
			switch {
			case err != nil:
				s.conn.Skip(names.EventStream, m.Subject(), meta.Sequence.Stream, err)
			case !newest.known || newest.before(at, i):
				newest.known, newest.raw, newest.index = true, at, i
			}
			return nil
		}
		if err := c.Run(ctx); err != nil {
			return frame.Position{}, 0, false, err
		}
		if newest.known || from == first {
			return newest.raw, newest.index, newest.known, nil
		}
	}
}

// eventPlace reads where an event comes from. One that has no seal must name a
// record that was stored.
func (s *Events) eventPlace(ctx context.Context, h nats.Header, seq uint64) (frame.Position, int, error) {
	raw, index, err := place(h)
	if x := s.conn.SealOf(names.EventStream); err != nil || x == nil || seq >= x.From {
		return raw, index, err
	}
	if raw.Seq <= s.raw.CachedInfo().State.LastSeq {
		return raw, index, nil
	}
	info, err := s.raw.Info(ctx)
	if err == nil && raw.Seq > info.State.LastSeq {
		err = errors.New("it names a webhook that was never stored")
	}
	return raw, index, err
}

// passForeign looks at what was published behind the last known event. It moves
// the fence and returns true when nothing there is a later event of callwatch.
func (s *Events) passForeign(ctx context.Context) (bool, error) {
	last, others := s.fence.last, false
	c := jet.Cursor{Conn: s.conn, Stream: names.EventStream, Subjects: []string{names.EventPrefix + ">"}, Next: s.fence.last + 1, Batch: jet.MessagesAtOnce, ToEnd: true, Headers: true}
	c.Deliver = func(m jetstream.Msg, meta *jetstream.MsgMetadata, _ bool) error {
		raw, index, err := s.eventPlace(ctx, m.Headers(), meta.Sequence.Stream)
		others = others || err == nil && s.fence.before(raw, index)
		return nil
	}
	if err := c.Run(ctx); err != nil {
		return false, err
	}
	if others || c.Next <= last+1 {
		return false, nil
	}
	s.fence.last = c.Next - 1
	return true, nil
}

// PublishEvents stores events in their order. When it fails a first part of
// them may be stored, never a later one without those before it: LastPublished
// tells, and must be called before going on. ErrConflict means that another
// process published since it was called last, ErrTooLarge that an event fits in
// no message and that none was stored.
func (s *Events) PublishEvents(ctx context.Context, events []Event) error {
	s.fence.Lock()
	defer s.fence.Unlock()
	if !s.fence.known {
		return fmt.Errorf("%w: LastPublished was not called", jet.ErrConflict)
	}
	for i := range events {
		if size := int64(len(events[i].Data)); size > s.conn.NC.MaxPayload()-2*jet.MessageSlack {
			return fmt.Errorf("publish event %.100s: %w: %d bytes", events[i].ID, jet.ErrTooLarge, size)
		}
	}
	for len(events) > 0 {
		n, err := s.publishInOrder(ctx, events[:s.batchOf(events)])
		events = events[n:]
		if jet.LostRace(err) {
			// Something was published behind the last event. What is not callwatch's is no
			// reason to stop.
			switch passed, readErr := s.passForeign(ctx); {
			case readErr != nil:
				err = readErr
			case passed && ctx.Err() == nil:
				continue
			}
		}
		if err != nil {
			s.fence.known = false
			return fmt.Errorf("publish events: %w", jet.Classify(err))
		}
	}
	return nil
}

// PublishTick stores a tick in EVENTS: the rule engine takes the time from its
// log, so that a replay sees the same.
func (s *Events) PublishTick(ctx context.Context, at time.Time) error {
	_, err := s.conn.JS.PublishMsg(ctx, s.conn.Sealed(names.EventStream, &nats.Msg{Subject: names.TickSubject, Data: []byte(at.UTC().Format(time.RFC3339Nano))}))
	if err != nil {
		return fmt.Errorf("publish tick: %w", jet.Classify(err))
	}
	return nil
}

// PublishAction stores in EVENTS what a person did to an incident, and returns its
// sequence: the rule engine finds it there between the events, so that a replay
// sees the same. data is the caller's own form of it.
func (s *Events) PublishAction(ctx context.Context, data []byte) (seq uint64, err error) {
	ack, err := s.conn.JS.PublishMsg(ctx, s.conn.Sealed(names.EventStream, &nats.Msg{Subject: names.ActionSubject, Data: data}))
	if err != nil {
		return 0, fmt.Errorf("publish action: %w", jet.Classify(err))
	}
	return ack.Sequence, nil
}

// batchOf is how many of events go into one publish.
func (s *Events) batchOf(events []Event) int {
	size := 0
	for i := range events {
		if size += len(events[i].Data); i == maxBatch || i > 0 && size > maxBatchSize {
			return i
		}
	}
	return len(events)
}

// publishInOrder stores events and returns how many: many as one batch, a few one
// by one, which is cheaper than a batch's staging.
func (s *Events) publishInOrder(ctx context.Context, events []Event) (n int, err error) {
	if len(events) > fewEvents {
		msgs := make([]*nats.Msg, len(events))
		for i := range events {
			msgs[i] = s.conn.Sealed(names.EventStream, eventMessage(&events[i]))
		}
		expectLast(msgs[0], s.fence.last)
		seq, err := s.publishBatch(ctx, msgs)
		if err != nil {
			return 0, err
		}
		s.fence.stored(seq, &events[len(events)-1])
		return len(events), nil
	}
	for i := range events {
		msg := s.conn.Sealed(names.EventStream, eventMessage(&events[i]))
		expectLast(msg, s.fence.last)
		ack, err := s.conn.JS.PublishMsg(ctx, msg)
		if err != nil {
			return i, err
		}
		s.fence.stored(ack.Sequence, &events[i])
	}
	return len(events), nil
}

func (f *fence) stored(seq uint64, e *Event) { f.last, f.raw, f.index = seq, e.Raw, e.Index }

// expectLast makes the server refuse m when the last event is not the one at seq.
func expectLast(m *nats.Msg, seq uint64) {
	m.Header[jetstream.ExpectedLastSubjSeqHeader] = []string{strconv.FormatUint(seq, 10)}
	m.Header[jetstream.ExpectedLastSubjSeqSubjHeader] = []string{names.EventPrefix + ">"}
}

func eventMessage(e *Event) *nats.Msg {
	h := nats.Header{
		headerSpec:        {"1.0"},
		jet.HeaderID:      {names.EscapeHeader(cut(e.ID))},
		headerSource:      {"/callwatch/" + names.EscapeHeader(e.Provider)},
		headerType:        {"callwatch.event." + names.EscapeHeader(e.Kind)},
		headerContentType: {"application/json"},
		jet.HeaderRaw:     {e.Raw.String()},
		jet.HeaderIndex:   {strconv.Itoa(e.Index)},
	}
	if e.Account != "" {
		h[headerAccount] = []string{names.EscapeHeader(cut(e.Account))}
		h[headerSource][0] += "/" + names.EscapeHeader(cut(e.Account))
	}
	if e.CallID != "" {
		h[jet.HeaderSubject] = []string{names.EscapeHeader(cut(e.CallID))}
	}
	for _, alias := range e.Aliases {
		h[headerAlias] = append(h[headerAlias], names.EscapeHeader(cut(alias)))
	}
	if !e.Time.IsZero() {
		h[jet.HeaderTime] = []string{e.Time.UTC().Format(time.RFC3339Nano)}
	}
	return &nats.Msg{Subject: names.EventPrefix + names.Token(e.Provider) + "." + names.Token(e.Kind) + e.past(h), Header: h, Data: e.Data}
}

// cut bounds a header value: the server refuses headers of 64 KB, and the whole
// value is in the event.
func cut(s string) string { return s[:min(len(s), maxHeader)] }

func place(h nats.Header) (frame.Position, int, error) {
	raw, err := frame.ParsePosition(h.Get(jet.HeaderRaw))
	if err != nil {
		return frame.Position{}, 0, err
	}
	index, err := strconv.Atoi(h.Get(jet.HeaderIndex))
	if err == nil && index < 0 {
		err = errors.New("index is negative")
	}
	return raw, index, err
}

// WellFormed returns what is wrong with an event that was stored before seals.
func WellFormed(h nats.Header) error {
	raw, index, err := place(h)
	if err != nil || raw.Seq == 0 || index < 0 {
		return errors.New("it names no stored webhook")
	}
	if h.Get(jet.HeaderID) == "" {
		return errors.New("it has no event id")
	}
	return nil
}
