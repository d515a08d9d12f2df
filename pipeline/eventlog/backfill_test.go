package eventlog

import (
	"fmt"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"callwatch/stream"
)

// Imported events come between live ones by their own time, Corrections at the
// time of what they correct, and the last correction is in force.
func TestInOrder(t *testing.T) {
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
	none.Kind = NoEvent
	var got []string
	store, err := stream.Open(t.Context(), stream.Config{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := store.Close(t.Context()); err != nil {
			t.Error(err)
		}
	}()
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
		history(6, "third fixed", live.Add(-time.Minute), at(3)), history(7, "third fixed again", live.Add(-time.Minute), at(3)),
		history(8, "imported early, fixed", ago(2*time.Hour), at(5)), none)
	publish(event(10, "last"), history(11, "of tomorrow", live.Add(24*time.Hour), stream.Position{}))
	err = InOrder(t.Context(), store, time.Time{}, func(b *Backfill) error {
		return b.Correct(at(10), ago(time.Second), [][]byte{[]byte(`"last, as it would be"`)})
	},
		func(e Stored, _ uint64) error {
			got = append(got, string(e.Data))
			return nil
		})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{`"imported early, fixed"`, `"imported late"`, `"third fixed again"`, `"last, as it would be"`, `"first"`, `"of tomorrow"`}
	if diff := gocmp.Diff(want, got); diff != "" {
		t.Errorf("order (-want +got):\n%s", diff)
	}
}
