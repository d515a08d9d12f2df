package eventlog

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"callwatch/call"
)

var nine = time.Date(2026, 11, 2, 9, 0, 0, 0, time.UTC)

// shuffled is a file of events, most of them in the order of their times: one
// is far behind, one has no time. want are their ids in order.
func shuffled(t *testing.T, n int) (text []byte, want []string) {
	t.Helper()
	var b bytes.Buffer
	var all []*call.Event
	for i := range n {
		e := &call.Event{Identity: call.Identity{
			ID: fmt.Sprint("e", i), Provider: "p", CallID: fmt.Sprint(i), Kind: call.Progress, ReceivedAt: nine.Add(time.Duration(i/2) * time.Second),
		}}
		switch i {
		case n - 5:
			e.ReceivedAt = nine.Add(-time.Hour)
			e.Raw = map[string]any{"x": "y"}
		case n / 2:
			e.ReceivedAt = nine.Add(time.Hour * 24)
		}
		data, err := json.Marshal(e)
		if err != nil {
			t.Fatal(err)
		}
		b.Write(append(data, '\n'))
		all = append(all, e)
	}
	slices.SortStableFunc(all, func(a, b *call.Event) int { return a.ReceivedAt.Compare(b.ReceivedAt) })
	for _, e := range all {
		want = append(want, e.ID)
	}
	return b.Bytes(), want
}

// A file is put in order however long it is: from a file that can be read again,
// after the first attempt, and from one that cannot.
func TestLongFileOutOfOrder(t *testing.T) {
	if testing.Short() {
		t.Skip("takes long")
	}
	t.Setenv("TMPDIR", t.TempDir())
	for _, n := range []int{100, Sortable, Sortable + 10, 3*Sortable + 7} {
		text, want := shuffled(t, n)
		path := filepath.Join(t.TempDir(), "events.ndjson")
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		for _, again := range []bool{true, false} {
			f, err := os.Open(path)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			restarts, raw := 0, any(nil)
			file := File{Name: "events.ndjson", In: f, Log: slog.New(slog.DiscardHandler), Raw: true}
			if file.Restart = func() { restarts++; got = nil }; !again {
				file.In, file.Restart = io.MultiReader(f), nil
			}
			err = file.Each(t.Context(), func(m Moment) error {
				got = append(got, m.Event.ID)
				if m.Event.Raw != nil {
					raw = m.Event.Raw["x"]
				}
				return nil
			})
			_ = f.Close()
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Fatalf("%d events, again %v: %.2000s", n, again, diff)
			}
			if wanted := again && n > Sortable; wanted != (restarts == 1) || raw != "y" {
				t.Errorf("%d events, again %v: %d restarts, raw %v", n, again, restarts, raw)
			}
		}
	}
	if left, err := filepath.Glob(filepath.Join(os.TempDir(), "callwatch-*")); err != nil || len(left) > 0 {
		t.Errorf("files left: %q %v", left, err)
	}
}

// A file that is in order is passed on while it is read.
func TestLongFileInOrder(t *testing.T) {
	var told bytes.Buffer
	n := 0
	q := NewSequence("events.ndjson", slog.New(slog.NewTextHandler(&told, nil)), Expected, func(Moment) error { n++; return nil })
	for i := range Sortable + 10 {
		m := Moment{At: nine.Add(time.Duration(i) * time.Second)}
		if i == Sortable+6 {
			m.At = time.Time{}
		}
		if err := q.Take(m); err != nil {
			t.Fatal(err)
		}
		if len(q.held) > Sortable {
			t.Fatalf("%d events are held", len(q.held))
		}
	}
	if n != Sortable+10 {
		t.Errorf("%d events are passed on before the end", n)
	}
	if err := q.Take(Moment{At: nine}); !errors.Is(err, ErrOutOfOrder) {
		t.Errorf("an event that is out of order: %v", err)
	}
	if err := errors.Join(q.End(), q.Close()); err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{"without a time", "events=1"} {
		if !strings.Contains(told.String(), part) {
			t.Errorf("%q is not told:\n%s", part, told.String())
		}
	}
}
