package stream

import (
	"errors"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// readBack reads events newest first.
func readBack(t *testing.T, s *Store, before uint64, n int) (seqs []uint64) {
	t.Helper()
	err := s.EventsBefore(t.Context(), before, func(m Message) (bool, error) {
		seqs = append(seqs, m.Seq)
		return len(seqs) < n, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return seqs
}

func TestEventsBefore(t *testing.T) {
	t.Parallel()
	s := open(t, Config{Durability: OS})
	if got := readBack(t, s, 0, 10); len(got) != 0 {
		t.Errorf("an empty store has %v", got)
	}
	if _, _, _, err := s.LastPublished(t.Context()); err != nil {
		t.Fatal(err)
	}
	const stored = 3*1024 + 5 // more than is read at once
	if err := s.PublishEvents(t.Context(), someEvents(stored)); err != nil {
		t.Fatal(err)
	}
	if err := s.PublishTick(t.Context(), time.Now()); err != nil {
		t.Fatal(err)
	}
	descending := func(got []uint64, from uint64, n int) {
		t.Helper()
		if len(got) != n {
			t.Fatalf("%d read, want %d", len(got), n)
		}
		for i, seq := range got {
			if seq != from-uint64(i) {
				t.Fatalf("place %d is %d, want %d", i, seq, from-uint64(i))
			}
		}
	}
	descending(readBack(t, s, 0, stored+10), stored+1, stored+1)
	descending(readBack(t, s, 100, 7), 99, 7)
	descending(readBack(t, s, 1<<60, 3), stored+1, 3)
	if got := readBack(t, s, 1, 3); len(got) != 0 {
		t.Errorf("before the first there is %v", got)
	}

	// Where messages are gone, reading goes on behind the hole and ends at the first left.
	for _, seq := range []uint64{40, 41, 42} {
		if err := s.events.DeleteMsg(t.Context(), seq); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.events.Purge(t.Context(), jetstream.WithPurgeSequence(30)); err != nil {
		t.Fatal(err)
	}
	got := readBack(t, s, 45, 100)
	if want := 45 - 30 - 3; len(got) != want || got[0] != 44 || got[2] != 39 || got[len(got)-1] != 30 {
		t.Errorf("with a hole: %v", got)
	}
	broken := errors.New("broken")
	if err := s.EventsBefore(t.Context(), 0, func(Message) (bool, error) { return true, broken }); !errors.Is(err, broken) {
		t.Errorf("the caller's error came back as %v", err)
	}
}
