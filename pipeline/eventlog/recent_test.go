package eventlog

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"callwatch/call"
	"callwatch/stream"
)

// made is an event as the normalizer makes it and as it is stored, of the n-th record.
func made(t *testing.T, n int, note string) (stream.Event, []call.Event) {
	t.Helper()
	e := call.Event{Identity: call.Identity{ID: fmt.Sprint("acme:", n), Provider: "acme", CallID: fmt.Sprint(n), Kind: call.Ended}, Raw: map[string]any{"note": note}}
	text, err := e.JSON()
	if err != nil {
		t.Fatal(err)
	}
	return stream.Event{Provider: e.Provider, Kind: string(e.Kind), ID: e.ID, CallID: e.CallID, Raw: stream.Position{Seq: uint64(n)}, Data: text}, []call.Event{e}
}

// What is stored is found again as it was made. Another text under the same position, as of a
// call that was renamed, restored or erased, is not.
func TestRecent(t *testing.T) {
	store, err := stream.Open(t.Context(), stream.Config{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = store.Close(t.Context()) }()
	if _, _, _, err := store.LastPublished(t.Context()); err != nil {
		t.Fatal(err)
	}
	var recent Recent
	changed := map[string]bool{}
	for n := 1; n <= 40; n++ {
		stored, events := made(t, n, strings.Repeat("x", 200<<10))
		recent.Add([]stream.Event{stored}, events)
		if n%10 == 0 {
			stored.Data = []byte(strings.Replace(string(stored.Data), `"acme"`, `"acne"`, 1))
			changed[stored.ID] = true
		}
		if err := store.PublishEvents(t.Context(), []stream.Event{stored}); err != nil {
			t.Fatal(err)
		}
	}
	if recent.size > recentBytes || len(recent.events) != len(recent.order) || len(recent.events) < 15 {
		t.Errorf("%d bytes, %d events, %d in order", recent.size, len(recent.events), len(recent.order))
	}
	n, found := 0, 0
	err = store.StoredEvents(t.Context(), time.Time{}, func(m stream.Message, _ uint64) error {
		n++
		e := recent.Event(&m)
		switch {
		case e == nil:
			if n > 25 && !changed[m.ID()] {
				t.Errorf("event %d is not found", n)
			}
		case changed[m.ID()]:
			t.Errorf("event %d was stored otherwise, and is found as it was made", n)
		case e.ID != m.ID():
			t.Errorf("event %d is found as %s", n, e.ID)
		default:
			found++
		}
		return nil
	})
	if err != nil || n != 40 || found < 15 || found > 20 {
		t.Errorf("%v, %d events, %d found", err, n, found)
	}
	var none *Recent
	none.Add(nil, nil)
	if none.Event(&stream.Message{}) != nil {
		t.Error("a nil Recent has an event")
	}
}

// One event that is as long as all the others is not kept in their place.
func TestRecentWithoutLongEvents(t *testing.T) {
	var recent Recent
	for n, size := range []int{1000, recentBytes / 2, 1000} {
		stored, events := made(t, n, strings.Repeat("x", size))
		recent.Add([]stream.Event{stored}, events)
	}
	if len(recent.events) != 2 {
		t.Errorf("%d events", len(recent.events))
	}
}
