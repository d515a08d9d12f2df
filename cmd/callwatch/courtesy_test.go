package main

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
				var y courtesy
				y.did(0, time.Now(), 7)
				received := time.Now().Add(weighEach - c.age)
				for range 4 {
					time.Sleep(weighEach / 4)
					y.did(c.done/4, received, 7+c.arrived)
				}
				y.did(c.done%4, received, 7+c.arrived) // soon after: nothing is decided
				if got := y.giving.Load(); got != c.first {
					t.Errorf("webhooks first: %v, want %v", got, c.first)
				}
				time.Sleep(weighEach)
				y.did(1000, time.Now(), 7+c.arrived+1)
				if y.giving.Load() {
					t.Error("webhooks go first after the backlog")
				}
			})
		})
	}
}

func TestRest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := &app{}
		turn := a.turn(&a.normalizing)
		rested := func(what string, want time.Duration) {
			t.Helper()
			begun := time.Now()
			turn.rest(t.Context())
			if took := time.Since(begun); took != want {
				t.Errorf("%s: rested %v, want %v", what, took, want)
			}
		}
		a.arriving.begin()
		rested("webhooks do not go first", 0)
		a.normalizing.giving.Store(true)
		rested("one webhook behind the other", longRest)
		a.arriving.end()
		rested("a turn has begun", 0)
		time.Sleep(sliceTime)
		rested("a turn is over", shortRest)
		a.arriving.begin()
		time.AfterFunc(shortRest+shortRest/2, a.arriving.end)
		rested("a webhook", 2*shortRest)

		var out strings.Builder
		time.Sleep(sliceTime)
		begun := time.Now()
		if n, err := turn.slowly(t.Context(), &out).Write([]byte("part")); n != 4 || err != nil || out.String() != "part" {
			t.Errorf("wrote %d, %v, %q", n, err, out.String())
		}
		if took := time.Since(begun); took != shortRest {
			t.Errorf("wrote after %v", took)
		}

		a.arriving.begin()
		ended, end := context.WithCancel(t.Context())
		end()
		begun = time.Now()
		if turn.rest(ended); time.Since(begun) != 0 {
			t.Error("rests beyond the end")
		}
	})
}

// A backlog that lets webhooks go first is normalized all the same, and a frame
// counts when all of it is.
func TestBacklogIsNormalizedBehindWebhooks(t *testing.T) {
	a := atRest(t, nil)
	const frame, many = 7, 3*fewRecords + 1
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
	a.find = func(name string) (normalizer.Provider, bool) {
		mu.Lock()
		defer mu.Unlock()
		if at := a.normalizedHere(); !slices.Contains(through, at) {
			through = append(through, at)
		}
		return normalizer.Find(name)
	}
	a.normalizing.giving.Store(true)
	a.normalizing.weighed = time.Now().Add(time.Hour) // so it stays
	if err := a.normalizeFrom(t.Context(), read); err != nil {
		t.Fatal(err)
	}
	if want := []uint64{0, frame - 1}; !slices.Equal(through, want) || a.normalizedHere() != frame {
		t.Errorf("normalized through %v, then %d; want %v, then %d", through, a.normalizedHere(), want, frame)
	}
	if got := a.stats.events.Load(); got != many || a.normalizing.done != many {
		t.Errorf("%d events of %d webhooks, %d counted", got, many, a.normalizing.done)
	}
}

// A start does not know whether all of the last event's frame became events.
func TestStartWithinAFrame(t *testing.T) {
	a := atRest(t, nil)
	put(t, a.store, birdCall("5001", 2.5))
	put(t, a.store, birdCall("5002", 2.5))
	if err := a.normalizeFrom(t.Context(), a.store.StoredRecords); err != nil || a.normalizedHere() != 2 {
		t.Fatalf("normalized through %d, %v", a.normalizedHere(), err)
	}
	start := func() (counts uint64) {
		t.Helper()
		a.stats = newStats()
		err := a.normalizeFrom(t.Context(), func(context.Context, stream.Position, func([]stream.Record) error, func(*stream.Damage)) error {
			counts = a.normalizedHere()
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
	if _, err := a.store.EraseRecords(t.Context(), []stream.Position{{Seq: 2}}); err != nil {
		t.Fatal(err)
	}
	if at := start(); at != 2 {
		t.Errorf("where that frame is there no more a start counts %d as normalized, want 2", at)
	}
}
