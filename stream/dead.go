package stream

import (
	"context"
	"encoding/json"
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
	Raw      Position  `json:"-"`
	RawID    string    `json:"rawId"` // set from Raw
	Provider string    `json:"provider"`
	Account  string    `json:"account,omitempty"`
	Kind     string    `json:"kind"`  // of failure, one word
	Error    string    `json:"error"` // one sentence
	Time     time.Time `json:"time"`
}

// PutDeadLetter stores d; one of the same record replaces it.
func (s *Store) PutDeadLetter(ctx context.Context, d DeadLetter) error {
	d.RawID = d.Raw.String()
	value, err := json.Marshal(d)
	if err != nil {
		return fmt.Errorf("dead letter %s: %w", d.RawID, err)
	}
	m := s.conn.Sealed(names.DeadStream, &nats.Msg{Subject: deadSubject(d.Provider, d.Raw), Data: value})
	if _, err := s.conn.JS.PublishMsg(ctx, m); err != nil {
		return fmt.Errorf("dead letter %s: %w", d.RawID, jet.Classify(err))
	}
	return nil
}

// DeadLetters reads the dead letters, newest first, at most limit.
func (s *Store) DeadLetters(ctx context.Context, limit int) ([]DeadLetter, error) {
	found, _, err := lastOf(ctx, s, names.DeadStream, nil, limit, func(m jetstream.Msg, meta *jetstream.MsgMetadata) (d DeadLetter, ok bool) {
		err := json.Unmarshal(m.Data(), &d)
		if err == nil {
			d.Raw, err = frame.ParsePosition(d.RawID)
		}
		if err != nil {
			s.conn.Skip(names.DeadStream, m.Subject(), meta.Sequence.Stream, fmt.Errorf("it is not a dead letter: %w", err))
		}
		return d, err == nil
	})
	slices.Reverse(found)
	return found, err
}

// DropDeadLetter removes the dead letter of a record, if there is one.
func (s *Store) DropDeadLetter(ctx context.Context, provider string, raw Position) error {
	if err := s.dead.Purge(ctx, jetstream.WithPurgeSubject(deadSubject(provider, raw))); err != nil {
		return fmt.Errorf("dead letter %s: %w", raw, jet.Classify(err))
	}
	return nil
}

// CountDeadLetters is how many there are.
func (s *Store) CountDeadLetters(ctx context.Context) (uint64, error) {
	info, err := s.dead.Info(ctx)
	if err != nil {
		return 0, fmt.Errorf("dead letters: %w", jet.ReadError(ctx, err))
	}
	return info.State.Msgs, nil
}

func deadSubject(provider string, raw Position) string {
	return names.DeadPrefix + names.Token(provider) + "." + raw.String()
}
