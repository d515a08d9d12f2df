package stream

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"callwatch/stream/alerts"
	"callwatch/stream/jet"
	"callwatch/stream/names"
)

// reading reads EVENTS to its end, one message at a time.
func reading(t *testing.T, s *Store, deliver func()) (n int, err error) {
	t.Helper()
	c := jet.Cursor{Conn: s.conn, Stream: names.EventStream, Next: 1, Batch: 1, ToEnd: true}
	c.Deliver = func(jetstream.Msg, *jetstream.MsgMetadata, bool) error {
		n++
		deliver()
		return nil
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	err = c.Run(ctx)
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
	if testing.Short() {
		t.Skip("waits for seconds")
	}
	t.Parallel()
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
	if testing.Short() {
		t.Skip("waits for seconds")
	}
	t.Parallel()
	s := open(t, Config{})
	ticks(t, s, 3)
	silent := &Store{conn: other(s, pausing{s.conn.JS}, true), node: s.node}
	if n, err := reading(t, silent, func() {}); n != 0 || !errors.Is(err, ErrUnavailable) {
		t.Errorf("read %d, %v; want %v", n, err, ErrUnavailable)
	}
}

// lagging is a cluster of which the server that is asked first does not have the
// last messages yet: it knows one subject only.
type lagging struct {
	jetstream.JetStream
	knows string
	asked int
}

func (l *lagging) CreateConsumer(ctx context.Context, stream string, config jetstream.ConsumerConfig) (jetstream.Consumer, error) {
	if l.asked++; l.asked == 1 {
		config.FilterSubjects = []string{l.knows}
	}
	return l.JetStream.CreateConsumer(ctx, stream, config)
}

// A reading has what the leader has, whichever server reads.
func TestReadingOfAServerThatLags(t *testing.T) {
	t.Parallel()
	s := open(t, Config{})
	for i, key := range []string{"a", "a", "b", "c"} {
		put(t, s, "rule", key, Cause{Seq: uint64(i + 1)}, "")
	}
	for _, knows := range []string{names.AlertSubject("rule", "a"), names.AlertSubject("rule", "nothing")} {
		cluster := func() *alerts.Transitions {
			return alerts.New(other(s, &lagging{JetStream: s.conn.JS, knows: knows}, false), &s.alerts, "", s.flaws)
		}
		var all, last []uint64
		err := cluster().StoredTransitions(t.Context(), func(tr Transition) error { all = append(all, tr.Seq); return nil })
		if !slices.Equal(all, []uint64{1, 2, 3, 4}) || err != nil {
			t.Errorf("read %d, %v", all, err)
		}
		found, err := cluster().LastTransitions(t.Context())
		for _, tr := range found {
			last = append(last, tr.Seq)
		}
		if !slices.Equal(last, []uint64{2, 3, 4}) || err != nil {
			t.Errorf("last transitions %d, %v", last, err)
		}
	}
}

// other is the connection of a store with another JetStream.
func other(s *Store, js jetstream.JetStream, embedded bool) *jet.Conn {
	c := jet.NewConn(s.conn.Log, wellFormed)
	c.NC, c.JS, c.Embedded, c.Closed = s.conn.NC, js, embedded, s.conn.Closed
	return c
}
