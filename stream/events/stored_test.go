package events_test

import (
	"errors"
	"testing"
	"time"

	"callwatch/stream"
	"callwatch/stream/events"
	"callwatch/stream/jet"
	"callwatch/stream/streamtest"
)

// What is stored is read once, in order, ticks included, and the reader ends.
func TestStoredEvents(t *testing.T) {
	t.Parallel()
	s := streamtest.Open(t, stream.Config{Durability: stream.OS})
	if err := s.StoredEvents(t.Context(), time.Time{}, func(events.Message, uint64) error { return errors.New("an event") }); err != nil {
		t.Errorf("an empty store: %v", err)
	}
	if _, _, _, err := s.LastPublished(t.Context()); err != nil {
		t.Fatal(err)
	}
	list := someEvents(2*jet.MessagesAtOnce + 10)
	if err := s.PublishEvents(t.Context(), list); err != nil {
		t.Fatal(err)
	}
	if err := s.PublishTick(t.Context(), time.Now()); err != nil {
		t.Fatal(err)
	}
	var all []events.Message
	err := s.StoredEvents(t.Context(), time.Time{}, func(m events.Message, left uint64) error {
		all = append(all, m)
		if want := uint64(len(list)+1) - m.Seq; left != want {
			t.Fatalf("%d left at %d, want %d", left, m.Seq, want)
		}
		return nil
	})
	if err != nil || len(all) != len(list)+1 || !all[len(list)].Tick || all[0].ID() != list[0].ID {
		t.Fatalf("%d messages, %v", len(all), err)
	}

	from := all[len(all)-3].Time
	first := uint64(0)
	if err := s.StoredEvents(t.Context(), from, func(m events.Message, _ uint64) error {
		if first == 0 {
			first = m.Seq
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	for _, m := range all {
		if !m.Time.Before(from) {
			if first != m.Seq {
				t.Errorf("since %v begins with %d, want %d", from, first, m.Seq)
			}
			break
		}
	}

	enough, n := errors.New("enough"), 0
	if err := s.StoredEvents(t.Context(), time.Time{}, func(events.Message, uint64) error { n++; return enough }); !errors.Is(err, enough) || n != 1 {
		t.Errorf("ended with %v after %d", err, n)
	}
	later := time.Now().Add(time.Hour)
	if err := s.StoredEvents(t.Context(), later, func(events.Message, uint64) error { return enough }); err != nil {
		t.Errorf("since a time to come: %v", err)
	}
}
