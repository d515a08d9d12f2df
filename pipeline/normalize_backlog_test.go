package pipeline

import (
	"context"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"callwatch/call"
	"callwatch/normalizer"
	"callwatch/pipeline/stage"
	"callwatch/stream"
)

// A backlog that lets webhooks go first is normalized all the same, and a frame
// counts when all of it is.
func TestBacklogIsNormalizedBehindWebhooks(t *testing.T) {
	s := atRest(t, nil)
	n := s.normalize
	const frame, many = 7, 3*stage.SmallBatch + 1
	read := func(_ context.Context, _ stream.Position, fn func([]stream.Record) error, _ func(*stream.Damage)) error {
		records := make([]stream.Record, many)
		for i := range records {
			records[i] = birdCall("5001", 2.5)
			records[i].At = stream.Position{Seq: frame, Index: i}
			records[i].ReceivedAt = time.Now().Add(-time.Hour)
		}
		return fn(records)
	}
	var through []uint64
	var mu sync.Mutex
	find := n.cfg.Find
	n.cfg.Find = func(name, account string) (normalizer.Provider, normalizer.Options, bool) {
		mu.Lock()
		defer mu.Unlock()
		if at := n.Watermark(); !slices.Contains(through, at) {
			through = append(through, at)
		}
		return find(name, account)
	}
	n.yielding.On.Store(true)
	n.yielding.Weighed = time.Now().Add(time.Hour) // so it stays
	if err := n.from(t.Context(), read); err != nil {
		t.Fatal(err)
	}
	if want := []uint64{0, frame - 1}; !slices.Equal(through, want) || n.Watermark() != frame {
		t.Errorf("normalized through %v, then %d; want %v, then %d", through, n.Watermark(), want, frame)
	}
	if got := s.published; got != many || n.yielding.Done != many {
		t.Errorf("%d events of %d webhooks, %d counted", got, many, n.yielding.Done)
	}
}

// A start does not know whether all of the last event's frame became events.
func TestStartWithinAFrame(t *testing.T) {
	s := atRest(t, nil)
	put(t, s.store, birdCall("5001", 2.5))
	put(t, s.store, birdCall("5002", 2.5))
	if err := s.normalize.RunStored(t.Context()); err != nil || s.normalize.Watermark() != 2 {
		t.Fatalf("normalized through %d, %v", s.normalize.Watermark(), err)
	}
	start := func() (counts uint64) {
		t.Helper()
		n := s.newNormalize(t)
		err := n.from(t.Context(), func(context.Context, stream.Position, func([]stream.Record) error, func(*stream.Damage)) error {
			counts = n.Watermark()
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		return counts
	}
	if at := start(); at != 1 {
		t.Errorf("a start counts %d as normalized, want 1", at)
	}
	if _, err := s.store.EraseRecords(t.Context(), []stream.Position{{Seq: 2}}); err != nil {
		t.Fatal(err)
	}
	if at := start(); at != 2 {
		t.Errorf("where that frame is there no more a start counts %d as normalized, want 2", at)
	}
}

// An event that cannot be written is a dead letter, and the webhooks behind it go on.
func TestEventThatCannotBeWritten(t *testing.T) {
	t.Parallel()
	s := atRest(t, nil)
	put(t, s.store, birdCall("7001", 3.9))
	put(t, s.store, birdCall("7002", 3.9))
	n := s.newNormalize(t)
	find := n.cfg.Find
	n.cfg.Find = func(name, account string) (normalizer.Provider, normalizer.Options, bool) {
		p, o, ok := find(name, account)
		normalize := p.Normalize
		p.Normalize = func(b *normalizer.Body) ([]call.Event, error) {
			events, err := normalize(b)
			if strings.Contains(string(b.Bytes), "7001") {
				events[0].EndedAt = time.Date(12026, 1, 1, 0, 0, 0, 0, time.UTC) // more digits than JSON takes
			}
			return events, err
		}
		return p, o, ok
	}
	if err := n.RunStored(t.Context()); err != nil {
		t.Fatal(err)
	}
	dead, err := s.store.DeadLetters(t.Context(), 10)
	if err != nil || len(dead) != 1 || s.published != 1 {
		t.Errorf("%d dead letters, %d events, %v; want one of each", len(dead), s.published, err)
	}
}
