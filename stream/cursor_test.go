package stream

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// reading reads EVENTS to its end, one message at a time.
func reading(t *testing.T, s *Store, deliver func()) (n int, err error) {
	t.Helper()
	c := cursor{store: s, stream: eventStream, next: 1, batch: 1, toEnd: true}
	c.deliver = func(jetstream.Msg, *jetstream.MsgMetadata, bool) error {
		n++
		deliver()
		return nil
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	err = c.run(ctx)
	return n, err
}

func ticks(t *testing.T, s *Store, n int) {
	t.Helper()
	for range n {
		if err := s.PublishTick(t.Context(), time.Now()); err != nil {
			t.Fatal(err)
		}
	}
}

// What is removed before it was read is not waited for.
func TestReadingEndsWhereTheRestIsRemoved(t *testing.T) {
	s := open(t, Config{})
	ticks(t, s, 3)
	n, err := reading(t, s, func() {
		if err := s.events.Purge(t.Context()); err != nil {
			t.Fatal(err)
		}
	})
	if n != 1 || err != nil {
		t.Errorf("read %d, %v; want the first", n, err)
	}
}

// pausing makes readers to which the server sends nothing.
type pausing struct{ jetstream.JetStream }

func (p pausing) CreateConsumer(ctx context.Context, stream string, config jetstream.ConsumerConfig) (jetstream.Consumer, error) {
	later := time.Now().Add(time.Hour)
	config.PauseUntil = &later
	return p.JetStream.CreateConsumer(ctx, stream, config)
}

func TestReadingOfAServerThatSendsNothing(t *testing.T) {
	s := open(t, Config{})
	ticks(t, s, 3)
	silent := &Store{log: s.log, node: s.node, js: pausing{s.js}, closed: s.closed}
	if n, err := reading(t, silent, func() {}); n != 0 || !errors.Is(err, ErrUnavailable) {
		t.Errorf("read %d, %v; want %v", n, err, ErrUnavailable)
	}
}
