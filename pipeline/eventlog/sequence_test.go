package eventlog

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"time"
)

// A longer file is not held in memory: what is out of order is logged.
func TestLongFileOutOfOrder(t *testing.T) {
	var told bytes.Buffer
	var times []time.Time
	q := NewSequence("events.ndjson", slog.New(slog.NewTextHandler(&told, nil)), func(m Moment) error { times = append(times, m.At); return nil })
	at := time.Date(2026, 11, 2, 9, 0, 0, 0, time.UTC)
	for i := range Sortable + 10 {
		m := Moment{At: at.Add(time.Duration(i) * time.Second)}
		switch i {
		case Sortable + 5:
			m.At = at
		case Sortable + 6:
			m.At = time.Time{}
		}
		if err := q.Take(m); err != nil {
			t.Fatal(err)
		}
		if len(q.held) > Sortable {
			t.Fatalf("%d events are held", len(q.held))
		}
	}
	if err := q.End(); err != nil {
		t.Fatal(err)
	}
	if len(times) != Sortable+10 || !times[Sortable+5].Equal(at) || !times[Sortable+6].Equal(times[Sortable+4]) {
		t.Errorf("%d events came", len(times))
	}
	for _, part := range []string{"outOfOrder=1", "too many events", "without a time", "events=1"} {
		if !strings.Contains(told.String(), part) {
			t.Errorf("%q is not told:\n%s", part, told.String())
		}
	}
}
