package lease_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"callwatch/stream"
	"callwatch/stream/lease"
	"callwatch/stream/natstest"
	"callwatch/stream/streamtest"
)

// holder is a process that takes the same lease again and again.
type holder struct {
	watermark atomic.Uint64
	taken     chan uint64 // the watermark that it received, each time it took the lease
	give      chan error  // ends its work with an error or nil
	ended     chan error  // what Hold returned, each time
	stop      context.CancelFunc
}

func hold(t *testing.T, s *stream.Store) *holder {
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
			h.ended <- s.Hold(ctx, lease.Lease{Name: "part-1", Watermark: h.watermark.Load}, work)
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
	case <-time.After(streamtest.Patience):
		t.Fatalf("not within %v: the lease is held", streamtest.Patience)
	}
}

// endsWith waits until the holder's work ended with an error, maybe not its first time.
func (h *holder) endsWith(t *testing.T, want error) {
	t.Helper()
	what := fmt.Sprintf("the holder ends with %q", want)
	for !errors.Is(streamtest.Await(t, what, h.ended), want) {
	}
}

// A process that takes a lease receives the watermark of the holder before,
// however that one ended.
func TestClusterLeaseWatermark(t *testing.T) {
	t.Parallel()
	c := streamtest.StartCluster(t)
	read := func(s *stream.Store) uint64 {
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
	s0, e0 := streamtest.Join(t, c)
	s1, _ := streamtest.Join(t, c)
	first := hold(t, s0)
	if got := streamtest.Await(t, "the first has the lease", first.taken); got != 0 {
		t.Errorf("the first received %d", got)
	}
	first.watermark.Store(7)
	streamtest.Eventually(t, "the watermark is stored", func() bool { return read(s1) == 7 })

	second := hold(t, s1)
	e0.Cut()
	if got := streamtest.Await(t, "the second has the lease", second.taken); got != 7 {
		t.Errorf("behind one that was cut off it received %d", got)
	}
	first.endsWith(t, stream.ErrConflict)
	first.stop()
	e0.Heal()
	second.watermark.Store(5) // it begins at a checkpoint
	second.hand(t, nil)
	third := hold(t, s0) // through a connection that may not be back yet
	if got := streamtest.Await(t, "the third has the lease", third.taken); got != 7 {
		t.Errorf("behind one that had not come so far it received %d", got)
	}
	third.watermark.Store(9)
	stopped := errors.New("stopped")
	third.hand(t, stopped)
	third.endsWith(t, stopped)
	streamtest.Eventually(t, "what was given back has the watermark", func() bool { return read(s1) == 9 })
}

// A lease moves when its holder is cut off, ends there, and is not held twice.
func TestClusterLeaseMoves(t *testing.T) {
	t.Parallel()
	c := streamtest.StartCluster(t)
	var holders, most atomic.Int32
	var mu sync.Mutex
	holds := map[int]bool{}
	entries := map[int]*natstest.Entry{}
	stop := map[int]context.CancelFunc{}
	ended := map[int]chan struct{}{}
	for i := range 2 {
		s, e := streamtest.Join(t, c)
		ctx, cancel := context.WithCancel(t.Context())
		entries[i], stop[i], ended[i] = e, cancel, make(chan struct{})
		go func() {
			defer close(ended[i])
			for ctx.Err() == nil {
				_ = s.Hold(ctx, lease.Lease{Name: "work"}, func(ctx context.Context, _ uint64) error {
					most.Store(max(most.Load(), holders.Add(1)))
					mu.Lock()
					holds[i] = true
					mu.Unlock()
					<-ctx.Done()
					mu.Lock()
					holds[i] = false
					mu.Unlock()
					holders.Add(-1)
					return ctx.Err()
				})
			}
		}()
	}
	held := func(i int) bool { mu.Lock(); defer mu.Unlock(); return holds[i] }
	streamtest.Eventually(t, "a process has the lease", func() bool { return held(0) || held(1) })
	first := 0
	if held(1) {
		first = 1
	}
	begun := time.Now()
	entries[first].Cut()
	streamtest.Eventually(t, "the other has the lease", func() bool { return held(1 - first) })
	t.Logf("cut off: taken over after %v", time.Since(begun).Round(time.Millisecond))
	streamtest.Eventually(t, "the one cut off knows", func() bool { return !held(first) })
	entries[first].Heal()
	begun = time.Now()
	stop[1-first]()
	streamtest.Eventually(t, "the first has it again", func() bool { return held(first) })
	t.Logf("given back: taken over after %v", time.Since(begun).Round(time.Millisecond))
	stop[first]()
	for i := range 2 {
		<-ended[i]
	}
	if n := most.Load(); n != 1 {
		t.Errorf("the lease was held %d times at once", n)
	}
}
