package pipeline

import (
	"context"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"callwatch/normalizer"
	"callwatch/stream"
)

func TestWhenWebhooksGoFirst(t *testing.T) {
	for _, c := range []struct {
		name    string
		done    int
		age     time.Duration
		arrived int64
		first   bool
	}{
		{"a backlog that shrinks fast", 1000, time.Minute, 100, true},
		{"a backlog that hardly shrinks", 999, time.Minute, 100, false},
		{"a backlog, and nothing arrives", 1000, time.Minute, 0, false},
		{"no backlog", 1000, overdue, 100, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var traffic Traffic
				traffic.total.Store(7)
				y := yielding{traffic: &traffic}
				y.did(0, time.Now())
				traffic.total.Add(c.arrived)
				received := time.Now().Add(weighEach - c.age)
				for range 4 {
					time.Sleep(weighEach / 4)
					y.did(c.done/4, received)
				}
				y.did(c.done%4, received) // soon after: nothing is decided
				if got := y.on.Load(); got != c.first {
					t.Errorf("webhooks first: %v, want %v", got, c.first)
				}
				time.Sleep(weighEach)
				traffic.total.Add(1)
				y.did(1000, time.Now())
				if y.on.Load() {
					t.Error("webhooks go first after the backlog")
				}
			})
		})
	}
}

func TestPause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var traffic Traffic
		y := yielding{traffic: &traffic}
		w := y.worker()
		paused := func(what string, want time.Duration) {
			t.Helper()
			begun := time.Now()
			w.pause(t.Context())
			if took := time.Since(begun); took != want {
				t.Errorf("%s: paused %v, want %v", what, took, want)
			}
		}
		traffic.begin()
		paused("webhooks do not go first", 0)
		y.on.Store(true)
		paused("one webhook behind the other", longPause)
		traffic.end()
		paused("a slice has begun", 0)
		time.Sleep(sliceTime)
		paused("a slice is over", shortPause)
		traffic.begin()
		time.AfterFunc(shortPause+shortPause/2, traffic.end)
		paused("a webhook", 2*shortPause)

		var out strings.Builder
		time.Sleep(sliceTime)
		begun := time.Now()
		if n, err := w.writer(t.Context(), &out).Write([]byte("part")); n != 4 || err != nil || out.String() != "part" {
			t.Errorf("wrote %d, %v, %q", n, err, out.String())
		}
		if took := time.Since(begun); took != shortPause {
			t.Errorf("wrote after %v", took)
		}

		traffic.begin()
		ended, end := context.WithCancel(t.Context())
		end()
		begun = time.Now()
		if w.pause(ended); time.Since(begun) != 0 {
			t.Error("pauses beyond the end")
		}
	})
}

// A backlog that lets webhooks go first is normalized all the same, and a frame
// counts when all of it is.
func TestBacklogIsNormalizedBehindWebhooks(t *testing.T) {
	s := atRest(t, nil)
	n := s.normalize
	const frame, many = 7, 3*smallBatch + 1
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
	n.cfg.Find = func(name string) (normalizer.Provider, normalizer.Options, bool) {
		mu.Lock()
		defer mu.Unlock()
		if at := n.Watermark(); !slices.Contains(through, at) {
			through = append(through, at)
		}
		return find(name)
	}
	n.yielding.on.Store(true)
	n.yielding.weighed = time.Now().Add(time.Hour) // so it stays
	if err := n.from(t.Context(), read); err != nil {
		t.Fatal(err)
	}
	if want := []uint64{0, frame - 1}; !slices.Equal(through, want) || n.Watermark() != frame {
		t.Errorf("normalized through %v, then %d; want %v, then %d", through, n.Watermark(), want, frame)
	}
	if got := s.published; got != many || n.yielding.done != many {
		t.Errorf("%d events of %d webhooks, %d counted", got, many, n.yielding.done)
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
