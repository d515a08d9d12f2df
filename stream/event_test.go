package stream

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats.go"

	"callwatch/stream/embedded"
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

func events(n int) []Event {
	list := make([]Event, n)
	for i := range list {
		list[i] = event(uint64(i/3+1), i%3)
	}
	return list
}

// follow reads EVENTS from a sequence until n messages came.
func follow(t testing.TB, s *Store, from uint64, n int) []Message {
	t.Helper()
	enough := errors.New("enough")
	var got []Message
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	err := s.Follow(ctx, from, func(m Message) error {
		if got = append(got, m); len(got) == n {
			return enough
		}
		return nil
	}, nil)
	if !errors.Is(err, enough) {
		t.Fatalf("%d of %d messages, then %v", len(got), n, err)
	}
	return got
}

func TestPublishEvents(t *testing.T) {
	t.Parallel()
	s := open(t, Config{})
	if err := s.PublishEvents(t.Context(), events(1)); !errors.Is(err, ErrConflict) {
		t.Fatalf("without LastPublished: %v", err)
	}
	if _, _, ok, err := s.LastPublished(t.Context()); ok || err != nil {
		t.Fatal(ok, err)
	}
	all := events(2503)
	for _, part := range [][]Event{all[:1], all[1:4], all[4 : 5+fewEvents], all[5+fewEvents:]} {
		if err := s.PublishEvents(t.Context(), part); err != nil {
			t.Fatal(err)
		}
		if err := s.PublishTick(t.Context(), time.Date(2025, 3, 1, 12, 0, 1, 0, time.UTC)); err != nil {
			t.Fatal(err)
		}
	}
	raw, index, ok, err := s.LastPublished(t.Context())
	if last := all[len(all)-1]; raw != last.Raw || index != last.Index || !ok || err != nil {
		t.Errorf("last published %v, %d, %v, %v", raw, index, ok, err)
	}

	next, ticks := 0, 0
	for i, m := range follow(t, s, 0, len(all)+4) {
		if m.Seq != uint64(i+1) || m.Time.IsZero() {
			t.Fatalf("message %d has sequence %d, time %v", i, m.Seq, m.Time)
		}
		if m.Tick {
			if ticks++; string(m.Data) != "2025-03-01T12:00:01Z" || m.ID() != "" || m.Kind() != "" {
				t.Errorf("tick %+v", m)
			}
			continue
		}
		want := all[next]
		next++
		raw, index, ok := m.Raw()
		got := Event{Provider: m.Provider(), Kind: m.Kind(), ID: m.ID(), CallID: m.CallID(), Time: want.Time, Raw: raw, Index: index, Data: m.Data}
		if diff := cmp.Diff(want, got); diff != "" || !ok {
			t.Fatalf("message %d: %s", i, diff)
		}
	}
	if next != len(all) || ticks != 4 {
		t.Errorf("%d events, %d ticks", next, ticks)
	}
	if m := follow(t, s, 2000, 1)[0]; m.Seq != 2000 {
		t.Errorf("from 2000: %d", m.Seq)
	}
}

func TestMarksStandAmongEvents(t *testing.T) {
	t.Parallel()
	s := open(t, Config{})
	if _, _, _, err := s.LastPublished(t.Context()); err != nil {
		t.Fatal(err)
	}
	all := events(2)
	if err := s.PublishEvents(t.Context(), all[:1]); err != nil {
		t.Fatal(err)
	}
	seq, err := s.PublishAction(t.Context(), []byte(`{"do":"acknowledge"}`))
	if err != nil || seq != 2 {
		t.Fatalf("action at %d, %v", seq, err)
	}
	if err := s.PublishEvents(t.Context(), all[1:]); err != nil {
		t.Fatalf("events after an action: %v", err)
	}
	got := follow(t, s, 0, 3)
	if m := got[1]; !m.Action || m.Tick || string(m.Data) != `{"do":"acknowledge"}` || m.Seq != seq || m.ID() != "" {
		t.Errorf("action %+v", m)
	}
	if got[0].Action || got[2].Action {
		t.Error("an event is taken for an action")
	}
}

func TestEventsAreCloudEvents(t *testing.T) {
	t.Parallel()
	s := open(t, Config{Listen: "127.0.0.1:0"})
	if _, _, _, err := s.LastPublished(t.Context()); err != nil {
		t.Fatal(err)
	}
	nc, err := nats.Connect(s.Health(t.Context()).URL)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	sub, err := nc.SubscribeSync("callwatch.event.acme.ended")
	if err != nil {
		t.Fatal(err)
	}
	if err := nc.Flush(); err != nil {
		t.Fatal(err)
	}
	if err := s.PublishEvents(t.Context(), events(1)); err != nil {
		t.Fatal(err)
	}
	m, err := sub.NextMsg(10 * time.Second)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{
		"ce-specversion": "1.0", "ce-id": "acme:1.0", "ce-source": "/callwatch/acme", "ce-type": "callwatch.event.ended",
		"ce-subject": "c%201/%C3%A9%0D%0A%22%25", "ce-time": "2025-03-01T12:00:00Z", "content-type": "application/json",
		"callwatch-raw": "1.0", "callwatch-index": "0",
	}
	got := map[string]string{}
	for k, v := range m.Header {
		if !strings.HasPrefix(k, "Nats-") && k != jet.HeaderSeal { // the seal differs in every store
			got[k] = v[0]
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
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
	if err := host.PublishEvents(t.Context(), events(10)); err != nil {
		t.Fatal(err)
	}
	for _, n := range []int{1, fewEvents + 1} {
		if err := other.PublishEvents(t.Context(), events(n)); !errors.Is(err, ErrConflict) {
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

func TestLargeEvents(t *testing.T) {
	t.Parallel()
	s := open(t, Config{})
	if _, _, _, err := s.LastPublished(t.Context()); err != nil {
		t.Fatal(err)
	}
	batch := events(fewEvents + 2)
	batch[4].Data = make([]byte, embedded.MaxPayload)
	if err := s.PublishEvents(t.Context(), batch); !errors.Is(err, ErrTooLarge) || !strings.Contains(err.Error(), batch[4].ID) {
		t.Errorf("got %v", err)
	}
	if _, _, ok, err := s.LastPublished(t.Context()); ok || err != nil {
		t.Errorf("a part is stored: %v, %v", ok, err)
	}
	batch[4].Data = make([]byte, maxBatchSize+1)
	batch[4].CallID = strings.Repeat("\n", 100_000)
	if err := s.PublishEvents(t.Context(), batch); err != nil {
		t.Error(err)
	}
	if m := follow(t, s, 5, 1)[0]; m.CallID() != strings.Repeat("\n", maxHeader) || len(m.Data) != maxBatchSize+1 {
		t.Errorf("call id of %d bytes, %d of data", len(m.CallID()), len(m.Data))
	}
}

func TestFollowEvents(t *testing.T) {
	t.Parallel()
	s := open(t, Config{})
	if _, _, _, err := s.LastPublished(t.Context()); err != nil {
		t.Fatal(err)
	}
	list := events(300)
	for i := range list {
		if i%2 == 1 {
			list[i].Kind = "stats"
		}
	}
	if err := s.PublishEvents(t.Context(), list); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	seen := make(chan string)
	go func() {
		_ = s.FollowEvents(ctx, Filter{Kind: "stats"}, 3, func(m Message) error {
			select {
			case seen <- m.ID():
			case <-ctx.Done():
			}
			return nil
		})
	}()
	for _, i := range []int{295, 297, 299} {
		if got := await(t, "the next one is read", seen); got != list[i].ID {
			t.Errorf("got %s, want %s", got, list[i].ID)
		}
	}
	late := event(500, 0)
	late.Kind = "stats"
	if err := s.PublishEvents(t.Context(), []Event{event(499, 0), late}); err != nil {
		t.Fatal(err)
	}
	if got := await(t, "the next one is read", seen); got != late.ID {
		t.Errorf("got %s, want %s", got, late.ID)
	}
}

func BenchmarkPublishEvents(b *testing.B) {
	for _, n := range []int{1, 2, 4, 8, 16, 64, 256, 1000} {
		b.Run(fmt.Sprint("events=", n), func(b *testing.B) {
			s := open(b, Config{})
			if _, _, _, err := s.LastPublished(b.Context()); err != nil {
				b.Fatal(err)
			}
			list := events(n)
			for i := range list {
				list[i].Data = body(i)
			}
			b.ReportAllocs()
			for b.Loop() {
				if err := s.PublishEvents(b.Context(), list); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.N*n)/b.Elapsed().Seconds(), "events/s")
		})
	}
}

func BenchmarkFollow(b *testing.B) {
	s := open(b, Config{Durability: OS})
	if _, _, _, err := s.LastPublished(b.Context()); err != nil {
		b.Fatal(err)
	}
	list := events(1000)
	for i := range list {
		list[i].Data = body(i)
	}
	const stored = 100_000
	for range stored / len(list) {
		if err := s.PublishEvents(b.Context(), list); err != nil {
			b.Fatal(err)
		}
	}
	enough := errors.New("enough")
	b.ReportAllocs()
	for b.Loop() {
		n := 0
		err := s.Follow(b.Context(), 0, func(Message) error {
			if n++; n == stored {
				return enough
			}
			return nil
		}, nil)
		if !errors.Is(err, enough) {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N*stored)/b.Elapsed().Seconds(), "events/s")
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
