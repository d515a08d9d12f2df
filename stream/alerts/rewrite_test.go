package alerts_test

import (
	"bytes"
	"errors"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"callwatch/stream"
	"callwatch/stream/alerts"
	"callwatch/stream/streamtest"
)

// blackened replaces a number in a transition and in its key.
func blackened(t alerts.Transition) (data []byte, key string, ok bool) {
	data = bytes.ReplaceAll(t.Data, []byte("number"), []byte("erased"))
	return data, string(bytes.ReplaceAll([]byte(t.Key), []byte("number"), []byte("erased"))), !bytes.Equal(data, t.Data)
}

func TestRewriteTransitions(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := streamtest.Open(t, stream.Config{Dir: dir})
	put := func(key string, cause uint64, data string, want bool) {
		t.Helper()
		stored, err := s.PutTransition(t.Context(), "rule", key, alerts.Cause{Seq: cause}, []byte(data))
		if err != nil || stored != want {
			t.Fatalf("stored %v, %v", stored, err)
		}
	}
	put("number", 1, "a", true)
	put("other", 2, "x number", true)
	put("number", 3, "b number", true)
	put("number", 4, "c", true)
	put("other", 5, "y", true)
	history := func(key string) (all []string) {
		t.Helper()
		found, err := s.History(t.Context(), "rule", key)
		if err != nil {
			t.Fatal(err)
		}
		for _, x := range found {
			all = append(all, fmt.Sprint(x.Cause.Seq, " ", string(x.Data)))
		}
		return all
	}
	before, err := s.History(t.Context(), "rule", "other")
	if err != nil {
		t.Fatal(err)
	}
	for run, want := range []int{2, 0} {
		if n, err := s.RewriteTransitions(t.Context(), blackened); n != want || err != nil {
			t.Fatalf("run %d: %d changed, %v", run, n, err)
		}
	}
	want := map[string][]string{"number": {"1 a", "3 b erased", "4 c"}, "other": {"2 x erased", "5 y"}}
	for key := range want {
		if diff := cmp.Diff(want[key], history(key)); diff != "" {
			t.Errorf("%s: %s", key, diff)
		}
	}
	if after, _ := s.History(t.Context(), "rule", "other"); !after[0].Time.Equal(before[0].Time) {
		t.Errorf("stored at %v, was %v", after[0].Time, before[0].Time)
	}
	put("number", 4, "c", false) // the cause is known still
	put("other", 5, "y", false)
	put("other", 6, "z", true)
	if err := s.Scrub(t.Context()); err != nil {
		t.Fatal(err)
	}
	if streamtest.OnDisk(t, dir, "b number") || streamtest.OnDisk(t, dir, "x number") {
		t.Error("what was rewritten is on the disk")
	}

	// A follower gets each transition once, wherever it is.
	for from, want := range []int{6, 6, 5, 4, 3, 2, 1} {
		unseen, got := alerts.NewUnseen(uint64(from)), map[uint64]int{}
		errEnd := errors.New("end")
		err := s.FollowTransitions(t.Context(), uint64(from), func(x alerts.Transition) error {
			if unseen.New(&x) {
				got[x.Cause.Seq]++
			}
			if x.Cause.Seq == 6 {
				return errEnd
			}
			return nil
		}, nil)
		if !errors.Is(err, errEnd) || len(got) != want {
			t.Errorf("from %d: %v, %v, want %d", from, got, err, want)
		}
	}
}

// A run that was stopped between its steps is completed by the next one.
func TestRewriteTransitionsIsFinishedByTheNextRun(t *testing.T) {
	t.Parallel()
	s := streamtest.Open(t, stream.Config{Dir: t.TempDir()})
	for i := range 3 {
		if _, err := s.PutTransition(t.Context(), "rule", "key", alerts.Cause{Seq: uint64(i + 1)}, fmt.Appendf(nil, "%d number", i+1)); err != nil {
			t.Fatal(err)
		}
	}
	cut := errors.New("cut")
	stopping := 0
	func() { // stopped behind the first that it stores
		defer func() { _ = recover() }()
		_, _ = s.RewriteTransitions(t.Context(), func(x alerts.Transition) ([]byte, string, bool) {
			if stopping++; stopping == 8 { // three looks for the incident, three in it, then one for each that is stored
				panic(cut)
			}
			return blackened(x)
		})
	}()
	if all, err := s.History(t.Context(), "rule", "key"); err != nil || len(all) != 4 {
		t.Fatalf("%d transitions, %v: the run was not stopped where it should", len(all), err)
	}
	if _, err := s.RewriteTransitions(t.Context(), blackened); err != nil {
		t.Fatal(err)
	}
	all, err := s.History(t.Context(), "rule", "key")
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, x := range all {
		got = append(got, string(x.Data))
	}
	if diff := cmp.Diff([]string{"1 erased", "2 erased", "3 erased"}, got); diff != "" {
		t.Error(diff)
	}
}
