package stream

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"callwatch/stream/jet"
	"callwatch/stream/names"
)

func event(seq uint64, index int) Event {
	return Event{
		Provider: "acme", Kind: "ended", ID: fmt.Sprintf("acme:%d.%d", seq, index), CallID: "c 1/é\r\n\"%",
		Time: time.Date(2025, 3, 1, 12, 0, 0, 0, time.UTC), Raw: Position{Seq: seq}, Index: index,
		Data: fmt.Appendf(nil, `{"id":"acme:%d.%d","mos":3.1}`, seq, index),
	}
}

func someEvents(n int) []Event {
	list := make([]Event, n)
	for i := range list {
		list[i] = event(uint64(i/3+1), i%3)
	}
	return list
}

// TestTwoPublishers: of two processes that would publish the same events one
// wins, and a batch is stored whole or not at all.
func TestTwoPublishers(t *testing.T) {
	t.Parallel()
	srv, _ := externalServer(t, t.TempDir(), -1)
	host := open(t, Config{URL: srv.ClientURL()})
	other := open(t, Config{URL: srv.ClientURL()})
	for _, s := range []*Store{host, other} {
		if _, _, _, err := s.LastPublished(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if err := host.PublishEvents(t.Context(), someEvents(10)); err != nil {
		t.Fatal(err)
	}
	for _, n := range []int{1, 17} {
		if err := other.PublishEvents(t.Context(), someEvents(n)); !errors.Is(err, ErrConflict) {
			t.Errorf("%d events: %v", n, err)
		}
	}
	raw, index, _, err := other.LastPublished(t.Context())
	if err != nil || raw.Seq != 4 || index != 0 {
		t.Fatal(raw, index, err)
	}
	if err := other.PublishEvents(t.Context(), []Event{event(9, 0), event(9, 1)}); err != nil {
		t.Error(err)
	}
	if n := host.Health(t.Context()).Streams[1].Messages; n != 12 {
		t.Errorf("%d events stored, want 12", n)
	}
}

// A reader that waits at the end of a stream, or at the start of an empty or
// emptied one, is not stuck, nor one for which a message has just come: the server
// must not be started again for it.
func TestWaitingIsNotStuck(t *testing.T) {
	t.Parallel()
	s := open(t, Config{})
	unwatched := &Store{conn: other(s, s.conn.JS, false)} // no monitor starts the server again
	var c *jet.Cursor
	stuck := func(state string, want bool) {
		t.Helper()
		c.CheckStuck(t.Context())
		select {
		case <-unwatched.conn.Stuck:
			if !want {
				t.Errorf("%s: taken for stuck", state)
			}
		default:
			if want {
				t.Errorf("%s: not noticed", state)
			}
		}
	}
	at := func(next uint64) { c = &jet.Cursor{Conn: unwatched.conn, Stream: names.EventStream, Next: next} }
	twice := func(state string) { t.Helper(); stuck(state, false); stuck(state, false) }
	at(0)
	twice("nothing was ever stored")
	if err := s.PublishTick(t.Context(), time.Now()); err != nil {
		t.Fatal(err)
	}
	stuck("a message came since the pull", false)
	stuck("it is not delivered", true)
	stuck("a start did not help", false)
	at(2)
	twice("all is read")
	stream, err := s.conn.JS.Stream(t.Context(), names.EventStream)
	if err != nil {
		t.Fatal(err)
	}
	at(1)
	if err := stream.Purge(t.Context()); err != nil {
		t.Fatal(err)
	}
	twice("what was stored is removed")
}
