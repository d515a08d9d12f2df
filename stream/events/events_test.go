package events_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats.go"

	"callwatch/stream"
	"callwatch/stream/embedded"
	"callwatch/stream/events"
	"callwatch/stream/frame"
	"callwatch/stream/jet"
	"callwatch/stream/streamtest"
)

func event(seq uint64, index int) events.Event {
	return events.Event{
		Provider: "acme", Kind: "ended", ID: fmt.Sprintf("acme:%d.%d", seq, index), CallID: "c 1/é\r\n\"%",
		Time: time.Date(2025, 3, 1, 12, 0, 0, 0, time.UTC), Raw: frame.Position{Seq: seq}, Index: index,
		Data: fmt.Appendf(nil, `{"id":"acme:%d.%d","mos":3.1}`, seq, index),
	}
}

func someEvents(n int) []events.Event {
	list := make([]events.Event, n)
	for i := range list {
		list[i] = event(uint64(i/3+1), i%3)
	}
	return list
}

// follow reads EVENTS from a sequence until n messages came.
func follow(t testing.TB, s *stream.Store, from uint64, n int) []events.Message {
	t.Helper()
	enough := errors.New("enough")
	var got []events.Message
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	err := s.Follow(ctx, from, func(m events.Message) error {
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

// body is 1.4 KB of telephony-like JSON.
func body(i int) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, `{"data":{"event_type":"call.hangup","id":"%08x-1b2c-4d3e-8f90-%012x","occurred_at":"2025-03-01T12:%02d:%02d.%06dZ","payload":{`, i*7919, i*104729, i%60, i*7%60, i*31%1000000)
	for j := 0; b.Len() < 1350; j++ {
		fmt.Fprintf(&b, `"field_%d":{"packet_count":"%d","jitter_max_variance":"%d.%02d","mos":"%d.%02d","skip_packet_count":"%d"},`, j, i*j%5000, j%40, i%100, 1+i%4, j*i%100, i%17)
	}
	b.WriteString(`"from":"+13125550100","to":"+13125550101"}}}`)
	return b.Bytes()
}

func TestPublishEvents(t *testing.T) {
	t.Parallel()
	s := streamtest.Open(t, stream.Config{})
	if err := s.PublishEvents(t.Context(), someEvents(1)); !errors.Is(err, stream.ErrConflict) {
		t.Fatalf("without LastPublished: %v", err)
	}
	if _, _, ok, err := s.LastPublished(t.Context()); ok || err != nil {
		t.Fatal(ok, err)
	}
	all := someEvents(2503)
	for _, part := range [][]events.Event{all[:1], all[1:4], all[4 : 5+events.FewEvents], all[5+events.FewEvents:]} {
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
		got := events.Event{Provider: m.Provider(), Kind: m.Kind(), ID: m.ID(), CallID: m.CallID(), Time: want.Time, Raw: raw, Index: index, Data: m.Data}
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
	s := streamtest.Open(t, stream.Config{})
	if _, _, _, err := s.LastPublished(t.Context()); err != nil {
		t.Fatal(err)
	}
	all := someEvents(2)
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
	s := streamtest.Open(t, stream.Config{Listen: "127.0.0.1:0"})
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
	if err := s.PublishEvents(t.Context(), someEvents(1)); err != nil {
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

func TestLargeEvents(t *testing.T) {
	t.Parallel()
	s := streamtest.Open(t, stream.Config{})
	if _, _, _, err := s.LastPublished(t.Context()); err != nil {
		t.Fatal(err)
	}
	batch := someEvents(events.FewEvents + 2)
	batch[4].Data = make([]byte, embedded.MaxPayload)
	if err := s.PublishEvents(t.Context(), batch); !errors.Is(err, stream.ErrTooLarge) || !strings.Contains(err.Error(), batch[4].ID) {
		t.Errorf("got %v", err)
	}
	if _, _, ok, err := s.LastPublished(t.Context()); ok || err != nil {
		t.Errorf("a part is stored: %v, %v", ok, err)
	}
	batch[4].Data = make([]byte, events.MaxBatchSize+1)
	batch[4].CallID = strings.Repeat("\n", 100_000)
	if err := s.PublishEvents(t.Context(), batch); err != nil {
		t.Error(err)
	}
	if m := follow(t, s, 5, 1)[0]; m.CallID() != strings.Repeat("\n", events.MaxHeader) || len(m.Data) != events.MaxBatchSize+1 {
		t.Errorf("call id of %d bytes, %d of data", len(m.CallID()), len(m.Data))
	}
}

func TestFollowEvents(t *testing.T) {
	t.Parallel()
	s := streamtest.Open(t, stream.Config{})
	if _, _, _, err := s.LastPublished(t.Context()); err != nil {
		t.Fatal(err)
	}
	list := someEvents(300)
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
		_ = s.FollowEvents(ctx, events.Filter{Kind: "stats"}, 3, func(m events.Message) error {
			select {
			case seen <- m.ID():
			case <-ctx.Done():
			}
			return nil
		})
	}()
	for _, i := range []int{295, 297, 299} {
		if got := streamtest.Await(t, "the next one is read", seen); got != list[i].ID {
			t.Errorf("got %s, want %s", got, list[i].ID)
		}
	}
	late := event(500, 0)
	late.Kind = "stats"
	if err := s.PublishEvents(t.Context(), []events.Event{event(499, 0), late}); err != nil {
		t.Fatal(err)
	}
	if got := streamtest.Await(t, "the next one is read", seen); got != late.ID {
		t.Errorf("got %s, want %s", got, late.ID)
	}
}

func BenchmarkPublishEvents(b *testing.B) {
	for _, n := range []int{1, 2, 4, 8, 16, 64, 256, 1000} {
		b.Run(fmt.Sprint("events=", n), func(b *testing.B) {
			s := streamtest.Open(b, stream.Config{})
			if _, _, _, err := s.LastPublished(b.Context()); err != nil {
				b.Fatal(err)
			}
			list := someEvents(n)
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
	s := streamtest.Open(b, stream.Config{Durability: stream.OS})
	if _, _, _, err := s.LastPublished(b.Context()); err != nil {
		b.Fatal(err)
	}
	list := someEvents(1000)
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
		err := s.Follow(b.Context(), 0, func(events.Message) error {
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

func TestReadBySequence(t *testing.T) {
	t.Parallel()
	s := streamtest.Open(t, stream.Config{Durability: stream.OS})
	if _, _, _, err := s.LastPublished(t.Context()); err != nil {
		t.Fatal(err)
	}
	list := someEvents(3)
	if err := s.PublishEvents(t.Context(), list); err != nil {
		t.Fatal(err)
	}
	m, err := s.EventAt(t.Context(), 2)
	if err != nil || m.Seq != 2 || m.ID() != list[1].ID || m.CallID() != list[1].CallID || string(m.Data) != string(list[1].Data) || m.Time.IsZero() {
		t.Errorf("event 2 is %+v, %v", m, err)
	}
	if _, err := s.EventAt(t.Context(), 4); !errors.Is(err, stream.ErrNotFound) {
		t.Errorf("an event that is not there: %v", err)
	}
	enough, n := errors.New("enough"), 0
	err = s.FollowHeaders(t.Context(), 2, func(m events.Message, left uint64) error {
		if n++; len(m.Data) != 0 || left != uint64(2-n) || m.CallID() != list[n].CallID || m.Provider() != list[n].Provider {
			t.Errorf("header %d is %+v", n, m)
		}
		if n == 2 {
			return enough
		}
		return nil
	})
	if !errors.Is(err, enough) {
		t.Error(err)
	}
	if _, err := s.PutTransition(t.Context(), "rule", "key", stream.Cause{Seq: 2}, []byte("data")); err != nil {
		t.Fatal(err)
	}
	tr, err := s.TransitionAt(t.Context(), 1)
	if err != nil || tr.Rule != "rule" || tr.Key != "key" || tr.Cause.Seq != 2 || string(tr.Data) != "data" {
		t.Errorf("transition 1 is %+v, %v", tr, err)
	}
	if _, err := s.TransitionAt(t.Context(), 2); !errors.Is(err, stream.ErrNotFound) {
		t.Errorf("a transition that is not there: %v", err)
	}
	ends, err := s.Ends(t.Context())
	if want := (stream.Ends{First: 1, Last: 3, FirstTransition: 1, LastTransition: 1}); err != nil || ends != want {
		t.Errorf("ends %+v, %v", ends, err)
	}
}
