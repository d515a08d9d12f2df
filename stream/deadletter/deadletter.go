// Package deadletter keeps the records that could not be processed, with the reason. Of
// callwatch it imports the packages frame, jet and names.
package deadletter

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"callwatch/stream/frame"
	"callwatch/stream/jet"
	"callwatch/stream/names"
)

// DeadLetter is a stored record that could not be processed.
type DeadLetter struct {
	Raw      frame.Position `json:"-"`
	RawID    string         `json:"rawId"` // set from Raw
	Provider string         `json:"provider"`
	Account  string         `json:"account,omitempty"`
	Kind     string         `json:"kind"`  // of failure, one word
	Error    string         `json:"error"` // one sentence
	Time     time.Time      `json:"time"`
}

// Queue is the dead letters of a store.
type Queue struct {
	conn   *jet.Conn
	stream *jet.Stream
}

// New returns the dead letters that are kept in a stream.
func New(conn *jet.Conn, stream *jet.Stream) *Queue { return &Queue{conn: conn, stream: stream} }

// PutDeadLetter stores d; one of the same record replaces it.
func (q *Queue) PutDeadLetter(ctx context.Context, d DeadLetter) error {
	d.RawID = d.Raw.String()
	value, err := json.Marshal(d)
	if err != nil {
		return fmt.Errorf("dead letter %s: %w", d.RawID, err)
	}
	m := q.conn.Sealed(names.DeadStream, &nats.Msg{Subject: deadSubject(d.Provider, d.Raw), Data: value})
	if _, err := q.conn.JS.PublishMsg(ctx, m); err != nil {
		return fmt.Errorf("dead letter %s: %w", d.RawID, jet.Classify(err))
	}
	return nil
}

// DeadLetters reads the dead letters, newest first, at most limit.
func (q *Queue) DeadLetters(ctx context.Context, limit int) ([]DeadLetter, error) {
	found, _, err := jet.LastOf(ctx, q.conn, names.DeadStream, nil, limit, func(m jetstream.Msg, meta *jetstream.MsgMetadata) (d DeadLetter, ok bool) {
		err := json.Unmarshal(m.Data(), &d)
		if err == nil {
			d.Raw, err = frame.ParsePosition(d.RawID)
		}
		if err != nil {
			q.conn.Skip(names.DeadStream, m.Subject(), meta.Sequence.Stream, fmt.Errorf("it is not a dead letter: %w", err))
		}
		return d, err == nil
	})
	slices.Reverse(found)
	return found, err
}

// DropDeadLetter removes the dead letter of a record, if there is one.
func (q *Queue) DropDeadLetter(ctx context.Context, provider string, raw frame.Position) error {
	if err := q.stream.Purge(ctx, jetstream.WithPurgeSubject(deadSubject(provider, raw))); err != nil {
		return fmt.Errorf("dead letter %s: %w", raw, jet.Classify(err))
	}
	return nil
}

// EraseDeadLetter overwrites and removes the dead letter of a record, and says
// whether there was one.
func (q *Queue) EraseDeadLetter(ctx context.Context, provider string, raw frame.Position) (bool, error) {
	m, err := q.stream.GetLastMsgForSubject(ctx, deadSubject(provider, raw))
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return false, nil
	}
	if err == nil {
		err = jet.Overwrite(ctx, q.stream, m.Sequence)
	}
	if err != nil {
		return false, fmt.Errorf("erase dead letter %s: %w", raw, jet.ReadError(ctx, err))
	}
	return true, nil
}

func deadSubject(provider string, raw frame.Position) string {
	return names.DeadPrefix + names.Token(provider) + "." + raw.String()
}
