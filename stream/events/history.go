package events

import (
	"context"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go/jetstream"

	"callwatch/stream/jet"
	"callwatch/stream/names"
)

// firstPart and largestPart are how many events are read at first, and at most, when a stream is
// read from its end.
const (
	firstPart   = 64
	largestPart = 1024
)

// errEnough ends a cursor that has read what was wanted.
var errEnough = errors.New("enough")

// ends are the sequences of the first and the last message.
func (s *Events) ends(ctx context.Context) (first, last uint64, err error) {
	info, err := s.stream.Info(ctx)
	if err != nil {
		return 0, 0, fmt.Errorf("ends of the events: %w", jet.ReadError(ctx, err))
	}
	return info.State.FirstSeq, info.State.LastSeq, nil
}

// EventsBefore reads EVENTS, ticks and actions included, newest first, from before a
// sequence (0: from the end), until fn wants no more or fails, or the first is
// read.
func (s *Events) EventsBefore(ctx context.Context, before uint64, fn func(Message) (more bool, err error)) error {
	first, last, err := s.ends(ctx)
	if err != nil {
		return err
	}
	if before == 0 || before > last+1 {
		before = last + 1
	}
	for size := uint64(firstPart); before > max(first, 1); size = min(size*4, largestPart) {
		from := max(first, 1)
		if before-from > size {
			from = before - size
		}
		part, err := s.eventsBetween(ctx, from, before)
		if err != nil {
			return fmt.Errorf("read events before %d: %w", before, err)
		}
		for i := len(part) - 1; i >= 0; i-- {
			if more, err := fn(part[i]); err != nil || !more {
				return err
			}
		}
		before = from
	}
	return nil
}

// eventsBetween reads what is left of the sequences from, included, to end, excluded.
func (s *Events) eventsBetween(ctx context.Context, from, end uint64) ([]Message, error) {
	found := make([]Message, 0, end-from)
	c := jet.Cursor{Conn: s.conn, Stream: names.EventStream, Next: from, Batch: int(end - from), ToEnd: true} //nolint:gosec // at most largestPart
	c.Deliver = func(m jetstream.Msg, meta *jetstream.MsgMetadata, _ bool) error {
		if meta.Sequence.Stream < end {
			found = append(found, newMessage(m, meta))
		}
		if meta.Sequence.Stream+1 >= end {
			return errEnough
		}
		return nil
	}
	if err := c.Run(ctx); err != nil && !errors.Is(err, errEnough) {
		return nil, err
	}
	return found, nil
}

// EventAt reads the event, tick or action at a sequence; ErrNotFound where there is
// none, or none any more.
func (s *Events) EventAt(ctx context.Context, seq uint64) (Message, error) {
	m, err := s.stream.GetMsg(ctx, seq)
	if err != nil {
		return Message{}, fmt.Errorf("event %d: %w", seq, jet.ReadError(ctx, err))
	}
	if s.conn.Check(names.EventStream, m.Subject, m.Header, seq) != nil {
		return Message{}, fmt.Errorf("event %d: %w", seq, jet.ErrNotFound)
	}
	return Message{
		Seq: m.Sequence, Time: m.Time.UTC(), Tick: m.Subject == names.TickSubject, Action: m.Subject == names.ActionSubject,
		Subject: m.Subject, Data: m.Data, header: m.Header,
	}, nil
}

// FollowHeaders is Follow without the content of the messages: Data is empty.
// left is how many more there were when the message was read.
func (s *Events) FollowHeaders(ctx context.Context, from uint64, fn func(m Message, left uint64) error) error {
	c := jet.Cursor{Conn: s.conn, Stream: names.EventStream, Next: from, Batch: jet.MessagesAtOnce, Headers: true}
	c.Deliver = func(m jetstream.Msg, meta *jetstream.MsgMetadata, _ bool) error {
		return fn(newMessage(m, meta), meta.NumPending)
	}
	return c.Run(ctx)
}

// HeaderID is an id as a header has it: Message.CallID of a long one is only its
// beginning.
func HeaderID(id string) string { return cut(id) }
