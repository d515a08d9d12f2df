package alerts_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"callwatch/stream"
	"callwatch/stream/alerts"
	"callwatch/stream/streamtest"
)

func put(t testing.TB, s *stream.Store, rule, key string, cause alerts.Cause, data string) bool {
	t.Helper()
	stored, err := s.PutTransition(t.Context(), rule, key, cause, []byte(data))
	if err != nil {
		t.Fatal(err)
	}
	return stored
}

func TestPutTransition(t *testing.T) {
	t.Parallel()
	s := streamtest.Open(t, stream.Config{})
	for _, step := range []struct {
		rule, key string
		cause     alerts.Cause
		stored    bool
	}{
		{"bad mos", "acme/é\n1", alerts.Cause{Seq: 5, Index: 0}, true},
		{"bad mos", "acme/é\n1", alerts.Cause{Seq: 5, Index: 0}, false}, // the same again
		{"bad mos", "acme/é\n1", alerts.Cause{Seq: 4, Index: 9}, false}, // older
		{"bad mos", "acme/é\n1", alerts.Cause{Seq: 5, Index: 1}, true},
		{"bad mos", "other", alerts.Cause{Seq: 5, Index: 0}, true}, // another incident
		{"loss", "acme/é\n1", alerts.Cause{Seq: 2, Index: 0}, true},
		{"bad mos", "acme/é\n1", alerts.Cause{Seq: 6, Index: 0}, true},
	} {
		data := step.cause.String()
		if got := put(t, s, step.rule, step.key, step.cause, data); got != step.stored {
			t.Errorf("%s %q %v: stored %v", step.rule, step.key, step.cause, got)
		}
	}
	ignore := cmpopts.IgnoreFields(alerts.Transition{}, "Time")
	history, err := s.History(t.Context(), "bad mos", "acme/é\n1")
	if err != nil {
		t.Fatal(err)
	}
	one := func(seq uint64, rule, key string, cause alerts.Cause) alerts.Transition {
		return alerts.Transition{Seq: seq, Rule: rule, Key: key, Cause: cause, Data: []byte(cause.String())}
	}
	want := []alerts.Transition{
		one(1, "bad mos", "acme/é\n1", alerts.Cause{Seq: 5, Index: 0}), one(2, "bad mos", "acme/é\n1", alerts.Cause{Seq: 5, Index: 1}), one(5, "bad mos", "acme/é\n1", alerts.Cause{Seq: 6, Index: 0}),
	}
	if diff := cmp.Diff(want, history, ignore); diff != "" {
		t.Error(diff)
	}
	last, err := s.LastTransitions(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	want = []alerts.Transition{one(3, "bad mos", "other", alerts.Cause{Seq: 5, Index: 0}), one(4, "loss", "acme/é\n1", alerts.Cause{Seq: 2, Index: 0}), want[2]}
	if diff := cmp.Diff(want, last, ignore); diff != "" {
		t.Error(diff)
	}
	if none, err := s.History(t.Context(), "bad mos", "nobody"); err != nil || len(none) != 0 {
		t.Errorf("history of nobody: %v, %v", none, err)
	}
}

// TestTransitionsOfConcurrentWriters: writers that replay the same causes store
// each cause at most once, and causes only grow.
func TestTransitionsOfConcurrentWriters(t *testing.T) {
	t.Parallel()
	s := streamtest.Open(t, stream.Config{})
	const writers, causes = 8, 40
	var stored atomic.Int64
	var wg sync.WaitGroup
	for range writers {
		wg.Go(func() {
			for i := range causes {
				ok, err := s.PutTransition(context.Background(), "rule", "key", alerts.Cause{Seq: uint64(i + 1)}, nil)
				if err != nil {
					t.Error(err)
				}
				if ok {
					stored.Add(1)
				}
			}
		})
	}
	wg.Wait()
	history, err := s.History(t.Context(), "rule", "key")
	if err != nil {
		t.Fatal(err)
	}
	if int64(len(history)) != stored.Load() || len(history) > causes {
		t.Errorf("%d stored, %d said so, %d causes", len(history), stored.Load(), causes)
	}
	for i := range history[1:] {
		if a, b := history[i].Cause, history[i+1].Cause; b.Seq < a.Seq || b.Seq == a.Seq && b.Index <= a.Index {
			t.Errorf("%v comes after %v", history[i+1].Cause, history[i].Cause)
		}
	}
	if last := history[len(history)-1]; last.Cause.Seq != causes {
		t.Errorf("the last cause is %v", last.Cause)
	}
}

func TestFollowTransitions(t *testing.T) {
	t.Parallel()
	s := streamtest.Open(t, stream.Config{})
	put(t, s, "rule", "a", alerts.Cause{Seq: 1, Index: 0}, "1")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	seen := make(chan uint64)
	ended := make(chan error, 1)
	failed := errors.New("failed")
	go func() {
		ended <- s.FollowTransitions(ctx, 0, func(tr alerts.Transition) error {
			seen <- tr.Seq
			if tr.Seq == 3 {
				return failed
			}
			return nil
		}, nil)
	}()
	for i := uint64(1); i <= 3; i++ {
		if i > 1 {
			put(t, s, "rule", fmt.Sprint("key", i), alerts.Cause{Seq: i, Index: 0}, "")
		}
		if got := streamtest.Await(t, "the next one is read", seen); got != i {
			t.Errorf("got %d, want %d", got, i)
		}
	}
	if err := streamtest.Await(t, "reading ends", ended); !errors.Is(err, failed) {
		t.Errorf("ended with %v", err)
	}
}
