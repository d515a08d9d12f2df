package main

import (
	"fmt"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"callwatch/stream"
)

// Imported events stand between live ones by their own time, corrections at the
// time of what they correct, and the last correction is in force.
func TestInOrderOfTime(t *testing.T) {
	live := time.Now().UTC()
	ago := func(d time.Duration) time.Time { return live.Add(-d) }
	at := func(seq uint64) stream.Position { return stream.Position{Seq: seq} }
	event := func(seq uint64, name string) stream.Event {
		return stream.Event{Provider: "acme", Kind: "ended", ID: name, CallID: "c", Raw: at(seq), Data: fmt.Appendf(nil, "%q", name)}
	}
	history := func(seq uint64, name string, counts time.Time, of stream.Position) stream.Event {
		e := event(seq, name)
		e.CountsAt, e.Replaces = counts, of
		return e
	}
	none := history(9, "none", live, at(2))
	none.Kind = nothingKind
	var got []string
	inStore(t, t.TempDir(), func(store *stream.Store) {
		if _, _, _, err := store.LastPublished(t.Context()); err != nil {
			t.Fatal(err)
		}
		publish := func(events ...stream.Event) {
			t.Helper()
			if err := store.PublishEvents(t.Context(), events); err != nil {
				t.Fatal(err)
			}
		}
		publish(event(1, "first"), event(2, "second"), event(3, "third"),
			history(4, "imported late", ago(time.Hour), stream.Position{}), history(5, "imported early", ago(2*time.Hour), stream.Position{}),
			history(6, "third mended", live.Add(-time.Minute), at(3)), history(7, "third mended again", live.Add(-time.Minute), at(3)),
			history(8, "imported early, mended", ago(2*time.Hour), at(5)), none)
		publish(event(10, "last"), history(11, "of tomorrow", live.Add(24*time.Hour), stream.Position{}))
		err := inOrderOfTime(t.Context(), store, time.Time{}, func(p *past) error {
			return p.correct(at(10), ago(time.Second), [][]byte{[]byte(`"last, as it would be"`)})
		},
			func(e storedEvent, _ uint64) error {
				got = append(got, string(e.data))
				return nil
			})
		if err != nil {
			t.Fatal(err)
		}
	})
	want := []string{`"imported early, mended"`, `"imported late"`, `"third mended again"`, `"last, as it would be"`, `"first"`, `"of tomorrow"`}
	if diff := gocmp.Diff(want, got); diff != "" {
		t.Errorf("order (-want +got):\n%s", diff)
	}
}
