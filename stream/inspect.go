package stream

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"callwatch/stream/jet"
	"callwatch/stream/names"
)

const inspectEvery = 3 * time.Second

// Foreign returns how many foreign messages were found since the start, by stream,
// and the latest of them, at most 20.
func (s *Store) Foreign() (counts map[string]uint64, latest []Foreign) { return s.conn.Foreign() }

// Inspect looks through the streams and buckets that no stage reads to the end,
// until ctx ends, so that foreign messages there are named too.
func (s *Store) Inspect(ctx context.Context) error {
	next := map[string]uint64{}
	every := time.NewTicker(inspectEvery)
	defer every.Stop()
	for {
		for _, stream := range s.inspected() {
			if err := s.inspect(ctx, stream, next); err != nil && ctx.Err() == nil && !errors.Is(err, ErrUnavailable) {
				return fmt.Errorf("inspect stream %s: %w", stream, err)
			}
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-every.C:
		}
	}
}

func (s *Store) inspected() []string {
	var streams []string
	s.conn.Seals.Range(func(name, _ any) bool {
		if name != names.RawStream && name != names.EventStream {
			streams = append(streams, name.(string))
		}
		return true
	})
	slices.Sort(streams)
	return streams
}

func (s *Store) inspect(ctx context.Context, stream string, next map[string]uint64) error {
	st, err := s.conn.JS.Stream(ctx, stream)
	if err != nil {
		return jet.ReadError(ctx, err)
	}
	if st.CachedInfo().State.LastSeq < next[stream] {
		return nil
	}
	c := jet.Cursor{Conn: s.conn, Stream: stream, Next: next[stream], Batch: jet.MessagesAtOnce, ToEnd: true, Headers: true}
	c.Deliver = func(jetstream.Msg, *jetstream.MsgMetadata, bool) error { return nil }
	err = c.Run(ctx)
	next[stream] = max(c.Next, st.CachedInfo().State.LastSeq+1)
	return err
}
