package stream

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"callwatch/stream/frame"
	"callwatch/stream/jet"
	"callwatch/stream/names"
	"callwatch/stream/natstest"
)

// litter publishes garbage on every subject and key of the store and returns how
// many messages the streams took.
func litter(t testing.TB, s *Store) (stored int) {
	t.Helper()
	for _, subject := range natstest.Subjects("callwatch_meta", "callwatch_notifier", "callwatch_roles", "callwatch_fetch") {
		for _, m := range natstest.Garbage(subject) {
			_, err := s.conn.JS.PublishMsg(t.Context(), m, jetstream.WithRetryWait(time.Millisecond))
			if err == nil {
				stored++
			} else if !errors.Is(err, jetstream.ErrNoStreamResponse) {
				t.Fatal(subject, err)
			}
		}
	}
	return stored
}

// works checks that the whole path of the store works: what is stored comes back
// and nothing else.
func works(t *testing.T, s *Store, round int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 3*patience)
	defer cancel()
	id, err := s.Append(ctx, record(round))
	if err != nil {
		t.Fatal("append:", err)
	}
	at, err := frame.ParsePosition(id)
	if err != nil {
		t.Fatal(err)
	}
	if r, err := s.Record(ctx, id); err != nil || !bytes.Equal(r.Body, record(round).Body) {
		t.Error("record:", err)
	}
	last, _, any, err := s.LastPublished(ctx)
	if err != nil || any != (round > 0) || any && !last.Before(at) {
		t.Fatalf("last published %v, %v, %v", last, any, err)
	}
	found := 0
	err = s.StoredRecords(ctx, Position{}, func(records []Record) error { found += len(records); return nil }, func(d *Damage) { t.Error("damage:", d) })
	if err != nil || found != round+1 {
		t.Errorf("%d records, %v", found, err)
	}
	litter(t, s) // moves the fence
	one := event(at.Seq, 0)
	many := make([]Event, 32) // enough for a batch
	for i := range many {
		many[i] = event(at.Seq, i+1)
	}
	for _, part := range [][]Event{{one}, many} {
		if err := s.PublishEvents(ctx, part); err != nil {
			t.Fatal("publish events:", err)
		}
		litter(t, s)
	}
	if last, index, any, err := s.LastPublished(ctx); last != at || index != len(many) || !any || err != nil {
		t.Errorf("last published %v %d %v %v", last, index, any, err)
	}
	if err := s.PublishTick(ctx, time.Now()); err != nil {
		t.Fatal(err)
	}
	events, ticks := 0, 0
	err = s.StoredEvents(ctx, time.Time{}, func(m Message, _ uint64) error {
		switch {
		case m.Tick:
			ticks++
		case m.Action:
			t.Error("foreign action came through")
		default:
			events++
			if !strings.HasPrefix(m.ID(), "acme:") || m.Provider() != "acme" {
				t.Errorf("foreign event %q", m.ID())
			}
		}
		return nil
	})
	if err != nil || events != (round+1)*(1+len(many)) || ticks != round+1 {
		t.Errorf("%d events, %d ticks, %v", events, ticks, err)
	}

	if stored, err := s.PutTransition(ctx, "bad audio", "k", Cause{Seq: uint64(round + 1)}, []byte(`{}`)); !stored || err != nil {
		t.Error("transition:", stored, err)
	}
	litter(t, s)
	if stored, err := s.PutTransition(ctx, "bad audio", "k", Cause{Seq: uint64(round + 1)}, []byte(`{}`)); stored || err != nil {
		t.Error("the same transition again:", stored, err)
	}
	if all, err := s.LastTransitions(ctx); err != nil || len(all) != 1 || all[0].Cause.Seq != uint64(round+1) {
		t.Errorf("incidents %v, %v", all, err)
	}
	if all, err := s.History(ctx, "bad audio", "k"); err != nil || len(all) != round+1 {
		t.Errorf("history %v, %v", all, err)
	}

	saveState(t, s, uint64(round+1), fmt.Sprint("state ", round))
	litter(t, s)
	if seq, state := loadState(t, s); seq != uint64(round+1) || state != fmt.Sprint("state ", round) {
		t.Errorf("checkpoint %d %q", seq, state)
	}
	if err := s.PutDeadLetter(ctx, DeadLetter{Raw: at, Provider: "acme", Kind: "normalize"}); err != nil {
		t.Error(err)
	}
	if letters, err := s.DeadLetters(ctx, 10); err != nil || !slices.ContainsFunc(letters, func(d DeadLetter) bool { return d.Raw == at }) {
		t.Errorf("dead letters %v, %v", letters, err)
	}
	if stored, err := s.Later(ctx, Task{Topic: "acme", Key: fmt.Sprint("call", round), At: time.Now()}); !stored || err != nil {
		t.Error("task:", stored, err)
	}
	if stored, err := s.Later(ctx, Task{Topic: "acme", Key: "call", At: time.Now()}); !stored || err != nil {
		t.Error("task in the place of a foreign one:", stored, err)
	}
	tasks := 0
	if err := s.Tasks(ctx, "acme", func(Task) { tasks++ }); err != nil || tasks != round+2 {
		t.Errorf("%d tasks, %v", tasks, err)
	}
	b, err := s.Bucket(ctx, "notifier")
	if err != nil {
		t.Fatal(err)
	}
	value, rev, err := b.Load(ctx, "settled")
	if value != nil || rev != 0 || err != nil {
		t.Errorf("a foreign value is %q %d, %v", value, rev, err)
	}
	if _, ok, err := b.Save(ctx, "settled", []byte("17"), rev); !ok || err != nil {
		t.Error("save over a foreign value:", ok, err)
	}
	if value, _, err := b.Load(ctx, "settled"); string(value) != "17" || err != nil {
		t.Errorf("settled %q, %v", value, err)
	}
	if keys, err := b.Keys(ctx, ""); err != nil || !slices.Equal(keys, []string{"settled"}) {
		t.Errorf("keys %q, %v", keys, err)
	}
}

func TestForeignMessagesAreSkipped(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for round := range 2 {
		s := open(t, Config{Dir: dir, Durability: OS})
		for _, name := range []string{"notifier", "roles", "fetch"} {
			if _, err := s.Bucket(t.Context(), name); err != nil {
				t.Fatal(err)
			}
		}
		if round == 0 {
			litter(t, s)
		}
		works(t, s, round)
		litter(t, s) // before the next start
		ctx, stop := context.WithCancel(t.Context())
		go func() { _ = s.Inspect(ctx) }()
		want := []string{"alerts", "bucket fetch", "bucket meta", "bucket notifier", "bucket roles", "checkpoints", "dead", "events", "raw", "tasks"}
		waitFor(t, func() bool {
			counts, _ := s.Foreign()
			return !slices.ContainsFunc(want, func(name string) bool { return counts[name] == 0 })
		})
		stop()
		_, latest := s.Foreign()
		if len(latest) != jet.ForeignShown || latest[0].Subject == "" || latest[0].Seq == 0 || latest[0].Why == "" {
			t.Errorf("latest %v", latest)
		}
		if h := s.Health(t.Context()); !h.OK || len(h.Foreign) != jet.ForeignShown {
			t.Errorf("health %+v", h)
		}
		closeStore(t, s)
	}
}

// TestForeignBeforeSeals opens a store of an older format with garbage in it.
func TestForeignBeforeSeals(t *testing.T) {
	t.Parallel()
	s := open(t, Config{Durability: OS})
	for _, name := range []string{names.EventStream, names.AlertStream, names.CheckpointStream, names.TaskStream, names.DeadStream, names.BucketStreamPrefix + names.BucketPrefix + "meta"} {
		s.conn.Seals.Store(name, &jet.Seal{From: 1 << 60})
	}
	if stored := litter(t, s); stored == 0 {
		t.Fatal("nothing was stored")
	}
	if _, _, any, err := s.LastPublished(t.Context()); any || err != nil {
		t.Errorf("an event of a webhook that was never stored counts: %v, %v", any, err)
	}
	if _, n, _, err := s.storedFormat(t.Context()); n != oldestFormat || err != nil {
		t.Errorf("format %d, %v", n, err)
	}
	if all, err := s.LastTransitions(t.Context()); len(all) > 0 || err != nil {
		t.Errorf("incidents %v, %v", all, err)
	}
	_, err := s.LoadCheckpoint(t.Context(), "engine", func(uint64, io.Reader) error { return nil })
	if !errors.Is(err, ErrNotFound) {
		t.Error("checkpoint:", err)
	}
	if letters, err := s.DeadLetters(t.Context(), 10); len(letters) > 0 || err != nil {
		t.Errorf("dead letters %v, %v", letters, err)
	}
}

// TestCopiesOfEvents publishes events of callwatch once more, as a bridge would.
func TestCopiesOfEvents(t *testing.T) {
	t.Parallel()
	s := open(t, Config{Durability: OS})
	if _, _, _, err := s.LastPublished(t.Context()); err != nil {
		t.Fatal(err)
	}
	for i := range 20 {
		if err := s.PublishEvents(t.Context(), []Event{event(uint64(i+1), 0)}); err != nil {
			t.Fatal(err)
		}
		m, err := s.events.GetLastMsgForSubject(t.Context(), names.EventPrefix+">")
		if err != nil {
			t.Fatal(err)
		}
		for name := range m.Header {
			if strings.HasPrefix(name, "Nats-") {
				delete(m.Header, name)
			}
		}
		if _, err := s.conn.JS.PublishMsg(t.Context(), &nats.Msg{Subject: m.Subject, Data: m.Data, Header: m.Header}); err != nil {
			t.Fatal(err)
		}
	}
	if raw, _, ok, err := s.LastPublished(t.Context()); raw.Seq != 20 || !ok || err != nil {
		t.Errorf("last published %v, %v, %v", raw, ok, err)
	}
}
