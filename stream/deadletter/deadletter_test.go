package deadletter_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"callwatch/stream"
	"callwatch/stream/deadletter"
	"callwatch/stream/frame"
	"callwatch/stream/streamtest"
)

func TestDeadLetters(t *testing.T) {
	t.Parallel()
	s := streamtest.Open(t, stream.Config{})
	letter := func(seq uint64) deadletter.DeadLetter {
		at := frame.Position{Seq: seq, Index: 1}
		return deadletter.DeadLetter{Raw: at, RawID: at.String(), Provider: "acme", Kind: "parse", Error: fmt.Sprint("no call id in ", seq), Time: time.Date(2025, 3, 1, 0, 0, int(seq), 0, time.UTC)}
	}
	if list, err := s.DeadLetters(t.Context(), 10); err != nil || len(list) != 0 {
		t.Fatalf("at first %v, %v", list, err)
	}
	for i := uint64(1); i <= 30; i++ {
		for range 2 { // a second time changes nothing
			if err := s.PutDeadLetter(t.Context(), letter(i)); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := s.DropDeadLetter(t.Context(), "acme", frame.Position{Seq: 29, Index: 1}); err != nil {
		t.Fatal(err)
	}
	if all, err := s.DeadLetters(t.Context(), 100); len(all) != 29 || err != nil {
		t.Errorf("%d dead letters, %v", len(all), err)
	}
	list, err := s.DeadLetters(t.Context(), 3)
	if diff := cmp.Diff([]deadletter.DeadLetter{letter(30), letter(28), letter(27)}, list); diff != "" || err != nil {
		t.Error(diff, err)
	}
	if list, err := s.DeadLetters(t.Context(), 100); len(list) != 29 || err != nil {
		t.Errorf("all: %d, %v", len(list), err)
	}
}
