package stream

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"
	"testing"
)

// holder is a process that takes part in a shard.
type holder struct {
	store   *Store
	through atomic.Uint64
	taken   chan uint64 // what it was told when it took the shard
	done    chan error  // ends its work with an error, nil to offer the shard
	ended   chan error
}

func hold(ctx context.Context, s *Store) *holder {
	h := &holder{store: s, taken: make(chan uint64, 1), done: make(chan error), ended: make(chan error, 1)}
	go func() {
		h.ended <- s.LeadShard(ctx, Shard{Role: "part-1", Through: h.through.Load}, func(ctx context.Context, through uint64) error {
			h.taken <- through
			select {
			case <-ctx.Done():
				return ctx.Err()
			case err := <-h.done:
				return err
			}
		})
	}()
	return h
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
	first := hold(t.Context(), s0)
	if through := <-first.taken; through != 0 {
		t.Errorf("the first was told %d", through)
	}
	first.through.Store(7)
	eventually(t, "the holder tells how far it is", func() bool { return told(s1) == 7 })

	second := hold(t.Context(), s1)
	e0.Cut()
	if through := <-second.taken; through != 7 {
		t.Errorf("behind one that was cut off it was told %d", through)
	}
	if err := <-first.ended; !errors.Is(err, ErrConflict) {
		t.Errorf("the one cut off ended with %v", err)
	}
	e0.Heal()
	second.through.Store(5) // it begins at a checkpoint
	third := hold(t.Context(), s0)
	second.done <- nil
	if through := <-third.taken; through != 7 {
		t.Errorf("behind one that had not come so far it was told %d", through)
	}
	third.through.Store(9)
	third.done <- errors.New("stopped")
	if err := <-third.ended; err == nil {
		t.Error("the last one ended without its error")
	}
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
