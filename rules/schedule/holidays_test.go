package schedule

import (
	"maps"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestCalendar(t *testing.T) {
	text, err := os.ReadFile("testdata/holidays.ics")
	if err != nil {
		t.Fatal(err)
	}
	h := NewHolidays()
	if err := h.ReadCalendar(text); err != nil {
		t.Fatal(err)
	}
	want := []string{"20250101", "20260101", "20260403", "20260404", "20260405", "20260406", "20261030", "20270101"}
	if diff := cmp.Diff(want, slices.Sorted(maps.Keys(h.DaysNamed()))); diff != "" {
		t.Error(diff)
	}
	for _, bad := range []string{
		"", "BEGIN:VEVENT\nEND:VEVENT\n", "BEGIN:VEVENT\nDTSTART:2026\nEND:VEVENT\n", "BEGIN:VEVENT\nDTSTART:20260101\nDTEND:20270101\nEND:VEVENT\n",
		"BEGIN:VEVENT\nDTSTART:20261126\nRRULE:FREQ=YEARLY;BYMONTH=11;BYDAY=4TH\nEND:VEVENT\n", "BEGIN:VEVENT\nDTSTART:20261126\nRRULE:FREQ=DAILY\nEND:VEVENT\n",
	} {
		if NewHolidays().ReadCalendar([]byte(bad)) == nil {
			t.Errorf("%q is taken", bad)
		}
	}
}

// Whatever a calendar holds, reading it ends, and so does every question about it.
func FuzzCalendar(f *testing.F) {
	text, _ := os.ReadFile("testdata/holidays.ics")
	f.Add(text)
	f.Add([]byte("BEGIN:VEVENT\r\nDTSTART:20260101T000000Z\r\nEND:VEVENT"))
	f.Fuzz(func(t *testing.T, text []byte) {
		h := NewHolidays()
		if h.ReadCalendar(text) != nil {
			return
		}
		if n := len(h.days) + len(h.yearly); n > MaxHolidays { // none where all events are cancelled
			t.Fatal(n)
		}
		s := Schedule{{To: DayMinutes, Days: EveryDay(), Zone: time.UTC, Off: h}}
		at := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
		if next := s.Next(at); !next.IsZero() && !s.Covers(next) {
			t.Error(next)
		}
	})
}
