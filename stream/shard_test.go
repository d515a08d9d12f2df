package stream

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"time"
)

// holder is a process that takes part in a shard, again and again.
type holder struct {
	through atomic.Uint64
	taken   chan uint64 // what it was told, each time it took the shard
	give    chan error  // ends its work with an error, nil to offer the shard
	ended   chan error  // what LeadShard returned, each time
	stop    context.CancelFunc
}

func hold(t *testing.T, s *Store) *holder {
	t.Helper()
	const times = 1000 // that nobody looks at
	h := &holder{taken: make(chan uint64, times), give: make(chan error), ended: make(chan error, times)}
	ctx, cancel := context.WithCancel(t.Context())
	h.stop = cancel
	given := false
	work := func(ctx context.Context, through uint64) error {
		h.taken <- through
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
			h.ended <- s.LeadShard(ctx, Shard{Role: "part-1", Through: h.through.Load}, work)
			time.Sleep(50 * time.Millisecond) // a store that is away
		}
	}()
	return h
}

// hand has the holder end its work with an error, or offer the shard, when it has it.
func (h *holder) hand(t *testing.T, err error) {
	t.Helper()
	select {
	case h.give <- err:
	case <-time.After(patience):
		t.Fatalf("not within %v: the shard is held", patience)
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

// Who takes a shard is told how far the one before came, however that ended.
func TestClusterShardTellsHowFar(t *testing.T) {
	c := startCluster(t, false)
	told := func(s *Store) uint64 {
		through, err := s.Through(t.Context(), []string{"part-1", "part-2"})
		if err != nil {
			t.Log(err)
			return 0
		}
		if len(through) != 2 || through[1] != 0 {
			t.Errorf("told %v", through)
		}
		return through[0]
	}
	s0, e0 := join(t, c)
	s1, _ := join(t, c)
	first := hold(t, s0)
	if through := await(t, "the first has the shard", first.taken); through != 0 {
		t.Errorf("the first was told %d", through)
	}
	first.through.Store(7)
	eventually(t, "the holder tells how far it is", func() bool { return told(s1) == 7 })

	second := hold(t, s1)
	e0.Cut()
	if through := await(t, "the second has the shard", second.taken); through != 7 {
		t.Errorf("behind one that was cut off it was told %d", through)
	}
	first.endsWith(t, ErrConflict)
	first.stop()
	e0.Heal()
	second.through.Store(5) // it begins at a checkpoint
	second.hand(t, nil)
	third := hold(t, s0) // through a connection that may not be back yet
	if through := await(t, "the third has the shard", third.taken); through != 7 {
		t.Errorf("behind one that had not come so far it was told %d", through)
	}
	third.through.Store(9)
	stopped := errors.New("stopped")
	third.hand(t, stopped)
	third.endsWith(t, stopped)
	eventually(t, "what was given back tells how far it is", func() bool { return told(s1) == 9 })
}

func TestClusterAttendance(t *testing.T) {
	c := startCluster(t, false)
	var seen [2]atomic.Pointer[[]int]
	var stop [2]context.CancelFunc
	for i := range 2 {
		s, _ := join(t, c)
		ctx, cancel := context.WithCancel(t.Context())
		stop[i] = cancel
		go func() {
			_ = s.Attend(ctx, "work", func() int { return 10 + i }, func(others []int) { seen[i].Store(&others) })
		}()
	}
	sees := func(i int, want ...int) func() bool {
		return func() bool {
			others := seen[i].Load()
			return others != nil && slices.Equal(*others, want)
		}
	}
	eventually(t, "the first sees the second", sees(0, 11))
	eventually(t, "the second sees the first", sees(1, 10))
	stop[0]()
	eventually(t, "the second is alone", sees(1))
	stop[1]()
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
