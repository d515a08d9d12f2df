package stream

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"
)

// holder is a process that takes the same lease again and again.
type holder struct {
	watermark atomic.Uint64
	taken     chan uint64 // the watermark that it received, each time it took the lease
	give      chan error  // ends its work with an error or nil
	ended     chan error  // what Hold returned, each time
	stop      context.CancelFunc
}

func hold(t *testing.T, s *Store) *holder {
	t.Helper()
	const times = 1000 // that nobody looks at
	h := &holder{taken: make(chan uint64, times), give: make(chan error), ended: make(chan error, times)}
	ctx, cancel := context.WithCancel(t.Context())
	h.stop = cancel
	given := false
	work := func(ctx context.Context, watermark uint64) error {
		h.taken <- watermark
		select {
		case <-ctx.Done():
			return ctx.Err()
		case err := <-h.give:
			given = true
			return err
		}
	}
	go func() {
		for ctx.Err() == nil && !given {
			h.ended <- s.Hold(ctx, Lease{Name: "part-1", Watermark: h.watermark.Load}, work)
			time.Sleep(50 * time.Millisecond) // a store that is away
		}
	}()
	return h
}

// hand ends the holder's work with an error or nil, once it has the lease.
func (h *holder) hand(t *testing.T, err error) {
	t.Helper()
	select {
	case h.give <- err:
	case <-time.After(patience):
		t.Fatalf("not within %v: the lease is held", patience)
	}
}

// endsWith waits until the holder's work ended with an error, maybe not its first time.
func (h *holder) endsWith(t *testing.T, want error) {
	t.Helper()
	what := fmt.Sprintf("the holder ends with %q", want)
	for !errors.Is(await(t, what, h.ended), want) {
	}
}

func await[T any](t *testing.T, what string, c <-chan T) (v T) {
	t.Helper()
	select {
	case v = <-c:
	case <-time.After(patience):
		t.Fatalf("not within %v: %s", patience, what)
	}
	return v
}

// A process that takes a lease receives the watermark of the holder before,
// however that one ended.
func TestClusterLeaseWatermark(t *testing.T) {
	t.Parallel()
	c := startCluster(t, false)
	read := func(s *Store) uint64 {
		if other, err := s.Watermark(t.Context(), "part-2"); err == nil && other != 0 {
			t.Errorf("a lease that nobody took has the watermark %d", other)
		}
		watermark, err := s.Watermark(t.Context(), "part-1")
		if err != nil {
			t.Log(err)
			return 0
		}
		return watermark
	}
	s0, e0 := join(t, c)
	s1, _ := join(t, c)
	first := hold(t, s0)
	if got := await(t, "the first has the lease", first.taken); got != 0 {
		t.Errorf("the first received %d", got)
	}
	first.watermark.Store(7)
	eventually(t, "the watermark is stored", func() bool { return read(s1) == 7 })

	second := hold(t, s1)
	e0.Cut()
	if got := await(t, "the second has the lease", second.taken); got != 7 {
		t.Errorf("behind one that was cut off it received %d", got)
	}
	first.endsWith(t, ErrConflict)
	first.stop()
	e0.Heal()
	second.watermark.Store(5) // it begins at a checkpoint
	second.hand(t, nil)
	third := hold(t, s0) // through a connection that may not be back yet
	if got := await(t, "the third has the lease", third.taken); got != 7 {
		t.Errorf("behind one that had not come so far it received %d", got)
	}
	third.watermark.Store(9)
	stopped := errors.New("stopped")
	third.hand(t, stopped)
	third.endsWith(t, stopped)
	eventually(t, "what was given back has the watermark", func() bool { return read(s1) == 9 })
}

// A reader is there for the server it was made by before all servers know it.
func TestClusterReadsAtOnce(t *testing.T) {
	c := startCluster(t, false)
	var stores [3]*Store
	for i := range stores {
		stores[i], _ = join(t, c)
	}
	eventually(t, "a transition is stored", func() bool {
		_, err := stores[0].PutTransition(t.Context(), "rule", "key", Cause{Seq: 1}, []byte("{}"))
		return err == nil
	})
	failed := 0
	for i := range 300 {
		if all, err := stores[i%len(stores)].LastTransitions(t.Context()); err != nil || len(all) != 1 {
			failed++
			t.Logf("read %d transitions, %v", len(all), err)
		}
	}
	if failed > 0 {
		t.Errorf("%d reads of 300 failed", failed)
	}
}
