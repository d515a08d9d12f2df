package stream

import (
	"context"
	"errors"
	"math"
	"testing"
	"time"

	"callwatch/stream/frame"
)

// TestRetentionBySize: a store at its limit goes on taking webhooks. The oldest that
// are processed go, its size stays, and what is gone is no damage, also after a start.
func TestRetentionBySize(t *testing.T) {
	if testing.Short() {
		t.Skip("takes long")
	}
	const limit = 24 << 20
	cfg := Config{Dir: t.TempDir(), Durability: OS, MaxStore: limit}
	s := open(t, cfg)
	s.Guard(func() Watermarks {
		raw, err := s.raw.Info(t.Context())
		events, err2 := s.events.Info(t.Context())
		if err != nil || err2 != nil {
			return Watermarks{}
		}
		return Watermarks{Raw: raw.State.LastSeq, Events: events.State.LastSeq}
	})
	if _, _, _, err := s.LastPublished(t.Context()); err != nil {
		t.Fatal(err)
	}
	const frames = 300 // of 300 KB: four times the limit
	room := func() bool { u := s.Usage(); return u.Limit > 0 && u.Used < limit/100*95 }
	for i := range frames {
		r := record(i)
		r.Body = noise(300_000)
		if i%10 == 0 {
			waitFor(t, room)
		}
		at, err := frame.ParsePosition(appended(t, s, r))
		if err != nil {
			t.Fatal(err)
		}
		if err := s.PublishEvents(t.Context(), []Event{event(at.Seq, 0)}); err != nil {
			t.Fatal(err)
		}
	}
	waitFor(t, room)
	if u := s.Usage(); u.Limit != limit || u.Used < limit/4 {
		t.Errorf("usage %+v", u)
	}
	check := func() {
		t.Helper()
		first, last := uint64(0), uint64(0)
		err := s.StoredRecords(t.Context(), Position{Seq: 1}, func(records []Record) error {
			if first == 0 {
				first = records[0].At.Seq
			}
			last = records[len(records)-1].At.Seq
			return nil
		}, func(d *Damage) { t.Errorf("removed webhooks are named as damaged: %v", d) })
		if err != nil || first < frames/4 || last < frames {
			t.Errorf("webhooks %d to %d, %v", first, last, err)
		}
		if raw, _, ok, err := s.LastPublished(t.Context()); !ok || raw.Seq != last || err != nil {
			t.Errorf("last event of %v, want %d, %v, %v", raw, last, ok, err)
		}
		if _, err := s.Record(t.Context(), "1.0"); !errors.Is(err, ErrNotFound) {
			t.Errorf("the first webhook: %v", err)
		}
	}
	check()
	closeStore(t, s)
	s = open(t, cfg)
	check()
	if flaws := s.Health(t.Context()).Flaws; len(flaws) > 0 {
		t.Errorf("flaws %+v", flaws)
	}
}

// TestUnprocessedStays: what a stage has not seen is not removed for lack of space.
func TestUnprocessedStays(t *testing.T) {
	t.Parallel()
	s := open(t, Config{Durability: OS, MaxStore: 8 << 20})
	s.Guard(func() Watermarks { return Watermarks{Raw: 4} })
	var err error
	for i := 0; i < 60 && err == nil; i++ {
		r := record(i)
		r.Body = noise(300_000)
		waitFor(t, func() bool { _, err = s.Append(t.Context(), r); return !errors.Is(err, ErrUnavailable) })
	}
	if !errors.Is(err, ErrFull) {
		t.Errorf("got %v, want ErrFull", err)
	}
	waitFor(t, func() bool { info, err := s.raw.Info(t.Context()); return err == nil && info.State.FirstSeq == 4 })
}

func TestRetentionByAge(t *testing.T) {
	if testing.Short() {
		t.Skip("takes long")
	}
	t.Parallel()
	cfg := Config{Dir: t.TempDir(), Durability: OS}
	s := open(t, cfg)
	for i := range 20 {
		if _, err := s.Append(t.Context(), record(i)); err != nil {
			t.Fatal(err)
		}
	}
	left := func(keep time.Duration) uint64 {
		t.Helper()
		closeStore(t, s)
		cfg.Retention.Raw = keep
		s = open(t, cfg)
		_, err := s.Prune(t.Context(), math.MaxUint64)
		info, err2 := s.raw.Info(t.Context())
		if err := errors.Join(err, err2); err != nil {
			t.Fatal(err)
		}
		return info.State.Msgs
	}
	if n := left(time.Hour); n != 20 {
		t.Errorf("%d frames after an hour's retention", n)
	}
	if n := left(time.Nanosecond); n != 0 {
		t.Errorf("%d frames are left", n)
	}
	if _, err := s.Append(t.Context(), record(1)); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	enough := errors.New("enough")
	err := s.Records(ctx, Position{Seq: 3}, func(r []Record) error {
		if r[0].At.Seq != 21 {
			t.Errorf("first record %v", r[0].At)
		}
		return enough
	}, func(d *Damage) { t.Error(d) })
	if !errors.Is(err, enough) {
		t.Error(err)
	}
}
