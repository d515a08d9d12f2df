package events

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"callwatch/stream/frame"
	"callwatch/stream/jet"
	"callwatch/stream/names"
)

// Message is one stored event, tick or action.
type Message struct {
	Seq     uint64    // in EVENTS
	Time    time.Time // when it was stored: the rule engine's time
	Tick    bool      // a tick has no event
	Action  bool      // what a person did: it has no call
	Subject string
	Data    []byte // the event as JSON; of a tick, its time; of an action, what PublishAction was given

	header nats.Header
}

// ID is the event's id, "" of a tick or action.
func (m *Message) ID() string { return names.UnescapeHeader(m.header.Get(jet.HeaderID)) }

// CallID is the call the event is about, "" when unknown.
func (m *Message) CallID() string { return names.UnescapeHeader(m.header.Get(jet.HeaderSubject)) }

// Account is the account of the provider, "" where it has one.
func (m *Message) Account() string { return names.UnescapeHeader(m.header.Get(headerAccount)) }

// Aliases are other ids of the call.
func (m *Message) Aliases() []string {
	var aliases []string
	for _, alias := range m.header[headerAlias] {
		aliases = append(aliases, names.UnescapeHeader(alias))
	}
	return aliases
}

// Raw is the record the event was made from and the event's index there; ok is
// false of a tick.
func (m *Message) Raw() (raw frame.Position, index int, ok bool) {
	raw, index, err := place(m.header)
	return raw, index, err == nil
}

// Provider and kind as the subject has them, "" of a tick.
func (m *Message) Provider() string { p, _ := m.parts(); return p }

// Kind of the event, "" of a tick.
func (m *Message) Kind() string { _, k := m.parts(); return k }

func (m *Message) parts() (provider, kind string) {
	rest, ok := strings.CutPrefix(m.Subject, names.EventPrefix)
	if !ok {
		return "", ""
	}
	provider, kind, _ = strings.Cut(strings.TrimSuffix(rest, pastSuffix), ".")
	provider, _ = names.Untoken(provider)
	kind, _ = names.Untoken(kind)
	return provider, kind
}

// Follow reads EVENTS, ticks and actions included, from a sequence on (0: from the start):
// what is stored, then what comes, in order, until ctx ends or fn fails; it
// returns their error. skipped, where it is not nil, is called with the sequence of
// each foreign message instead of fn.
func (s *Events) Follow(ctx context.Context, from uint64, fn func(Message) error, skipped func(seq uint64)) error {
	return s.follow(ctx, from, nil, fn, skipped)
}

// Filter chooses events by provider and kind; "" means any. Ticks and actions are left out.
type Filter struct{ Provider, Kind string }

func (f Filter) subject() string {
	provider, kind := "*", "*"
	if f.Provider != "" {
		provider = names.Token(f.Provider)
	}
	if f.Kind != "" {
		kind = names.Token(f.Kind)
	}
	return names.EventPrefix + provider + "." + kind
}

// FollowEvents reads the last events that pass the filter, at most last of
// them, then those that come, until ctx ends or fn fails.
func (s *Events) FollowEvents(ctx context.Context, filter Filter, last int, fn func(Message) error) error {
	subjects := []string{filter.subject()}
	old, end, err := jet.LastOf(ctx, s.conn, names.EventStream, subjects, last, func(m jetstream.Msg, meta *jetstream.MsgMetadata) (Message, bool) {
		return newMessage(m, meta), true
	})
	if err != nil {
		return fmt.Errorf("latest events: %w", err)
	}
	for _, m := range old {
		if err := fn(m); err != nil {
			return err
		}
	}
	return s.follow(ctx, end+1, subjects, fn, nil)
}

func (s *Events) follow(ctx context.Context, from uint64, subjects []string, fn func(Message) error, skipped func(seq uint64)) error {
	c := jet.Cursor{Conn: s.conn, Stream: names.EventStream, Subjects: subjects, Next: from, Batch: jet.MessagesAtOnce}
	if skipped != nil {
		c.Skipped = func(_ string, seq uint64) { skipped(seq) }
	}
	c.Deliver = func(m jetstream.Msg, meta *jetstream.MsgMetadata, _ bool) error { return fn(newMessage(m, meta)) }
	return c.Run(ctx)
}

func newMessage(m jetstream.Msg, meta *jetstream.MsgMetadata) Message {
	return Message{
		Seq: meta.Sequence.Stream, Time: meta.Timestamp.UTC(), Tick: m.Subject() == names.TickSubject, Action: m.Subject() == names.ActionSubject,
		Subject: m.Subject(), Data: m.Data(), header: m.Headers(),
	}
}

// SkipEvent notes that the event, tick or action cannot be read and is skipped.
func (s *Events) SkipEvent(m *Message, why error) {
	s.conn.Skip(names.EventStream, m.Subject, m.Seq, why)
}
