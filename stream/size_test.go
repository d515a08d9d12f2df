package stream

import (
	"errors"
	"math"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"callwatch/stream/jet"
	"callwatch/stream/names"
)

func TestDaysLeft(t *testing.T) {
	t.Parallel()
	const day = 24 * time.Hour
	for name, c := range map[string]struct {
		usage Usage
		days  float64 // -1: never
	}{
		"no growth":                          {Usage{Used: 50, Limit: 100}, -1},
		"an external server":                 {Usage{Used: 50, Growing: []Growth{{PerDay: 10}}}, -1},
		"for ever":                           {Usage{Used: 50, Limit: 100, Growing: []Growth{{PerDay: 10}}}, 5},
		"full":                               {Usage{Used: 110, Limit: 100, Growing: []Growth{{PerDay: 10}}}, 0},
		"old enough before":                  {Usage{Used: 50, Limit: 100, Growing: []Growth{{10, 4 * day}}}, -1},
		"old enough too late":                {Usage{Used: 50, Limit: 100, Growing: []Growth{{10, 6 * day}}}, 5},
		"one ends, the other goes on":        {Usage{Used: 50, Limit: 100, Growing: []Growth{{10, 2 * day}, {5, 0}}}, 6},
		"the order does not count":           {Usage{Used: 50, Limit: 100, Growing: []Growth{{5, 0}, {10, 2 * day}}}, 6},
		"both end before":                    {Usage{Used: 50, Limit: 100, Growing: []Growth{{10, 2 * day}, {5, 3 * day}}}, -1},
		"the second ends at the very moment": {Usage{Used: 50, Limit: 100, Growing: []Growth{{10, 2 * day}, {5, 6 * day}}}, 6},
	} {
		days, ok := c.usage.DaysLeft()
		if !ok {
			days = -1
		}
		if math.Abs(days-c.days) > 1e-9 {
			t.Errorf("%s: %v days, want %v", name, days, c.days)
		}
	}
}

func TestGrowthOf(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		age, keep time.Duration
		want      Growth
		ok        bool
	}{
		"too new to tell":     {time.Minute, 0, Growth{}, false},
		"kept for ever":       {48 * time.Hour, 0, Growth{PerDay: 500}, true},
		"not yet at its age":  {48 * time.Hour, 72 * time.Hour, Growth{500, 24 * time.Hour}, true},
		"at its age":          {72 * time.Hour, 72 * time.Hour, Growth{}, false},
		"about to be removed": {72*time.Hour - time.Second, 72 * time.Hour, Growth{}, false},
	} {
		if got, ok := growthOf(1000, c.age, c.keep); ok != c.ok || got != c.want {
			t.Errorf("%s: %+v, %v", name, got, ok)
		}
	}
}

// Prune removes by age at once, never what is not processed; Prunable tells it
// before and changes nothing.
func TestPrune(t *testing.T) {
	t.Parallel()
	cfg := Config{Dir: t.TempDir(), Durability: OS}
	s := open(t, cfg)
	for i := range 20 {
		if _, err := s.Append(t.Context(), record(i)); err != nil {
			t.Fatal(err)
		}
	}
	prune := func(upTo uint64) uint64 {
		t.Helper()
		removed, err := s.Prune(t.Context(), upTo)
		if err != nil {
			t.Fatal(err)
		}
		if len(removed) == 0 {
			return 0
		}
		if len(removed) != 1 || removed[0].Stream != "raw" || removed[0].Bytes == 0 {
			t.Errorf("removed %+v", removed)
		}
		return removed[0].Messages
	}
	if n := prune(math.MaxUint64); n != 0 {
		t.Errorf("%d webhooks are removed though none is too old", n)
	}
	closeStore(t, s)
	cfg.Retention.Raw = time.Nanosecond
	s = open(t, cfg)
	would, err := s.Prunable(t.Context())
	if err != nil || len(would) != 1 || would[0].Messages != 20 {
		t.Errorf("would remove %+v, %v", would, err)
	}
	if size, err := s.Size(t.Context()); err != nil || sizeNamed(&size, "raw").Messages != 20 || size.Directory < size.Used {
		t.Errorf("size %+v, %v", size, err)
	}
	if n := prune(8); n != 7 {
		t.Errorf("%d webhooks are removed, want the 7 before the first that is not processed", n)
	}
	s.Guard(func() Watermarks { return Watermarks{Raw: 11} })
	if n := prune(math.MaxUint64); n != 3 {
		t.Errorf("%d webhooks are removed, want the 3 before the watermark", n)
	}
}

func sizeNamed(size *Size, name string) StreamSize {
	for _, s := range size.Streams {
		if s.Name == name {
			return s
		}
	}
	return StreamSize{}
}

// A store whose limit removed messages before their time says so, also after a
// start; one that removed them at their time does not.
func TestShortOfRetention(t *testing.T) {
	t.Parallel()
	const limit = 8 << 20
	cfg := Config{Dir: t.TempDir(), Durability: OS, MaxStore: limit, Retention: Retention{Raw: time.Hour}}
	s := open(t, cfg)
	s.Guard(func() Watermarks { return Watermarks{Raw: s.raw.CachedInfo().State.LastSeq} })
	for i := range 60 {
		r := record(i)
		r.Body = noise(300_000)
		appended(t, s, r)
		if i%5 == 0 {
			if _, err := s.raw.Info(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	}
	short := func() time.Duration {
		t.Helper()
		size, err := s.Size(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return size.Short["raw"]
	}
	if got := short(); got < 50*time.Minute || got > time.Hour {
		t.Errorf("the age is missed by %v, want nearly an hour", got)
	}
	closeStore(t, s)
	s = open(t, cfg)
	if got := short(); got < 50*time.Minute || got > time.Hour {
		t.Errorf("after a start the age is missed by %v", got)
	}
	var w watch
	info, err := s.raw.Info(t.Context())
	if err == nil {
		err = s.pruneRaw(t.Context(), info.State.FirstSeq+2, &w) // as by age
	}
	if err != nil {
		t.Fatal(err)
	}
	if got := short(); got != 0 {
		t.Errorf("what was removed at its time counts as missed by %v", got)
	}
}

// A pull of many large messages holds no more than its bound.
func TestPullIsBoundedInBytes(t *testing.T) {
	s := open(t, Config{Durability: OS})
	const each, count = 4 << 20, 12
	for i := range count {
		if _, err := s.conn.JS.Publish(t.Context(), names.EventPrefix+"a.b", noise(each)); err != nil {
			t.Fatal(i, err)
		}
	}
	taken := 0
	c := jet.Cursor{Conn: s.conn, Stream: names.EventStream, Batch: jet.MessagesAtOnce, Next: 1, Skipped: func(string, uint64) { taken++ }}
	var consumer jetstream.Consumer
	var delivered uint64
	err := error(jetstream.ErrNoHeartbeat)
	for pulls := 0; taken < count; pulls++ {
		if errors.Is(err, jetstream.ErrNoHeartbeat) { // on a busy machine: Run goes on with another consumer too
			delivered = 0
			consumer, err = s.conn.JS.CreateConsumer(t.Context(), names.EventStream, jetstream.ConsumerConfig{AckPolicy: jetstream.AckNonePolicy, DeliverPolicy: jetstream.DeliverByStartSequencePolicy, OptStartSeq: c.Next})
		}
		if err != nil || pulls > count {
			t.Fatalf("%d messages are taken in %d pulls, %v", taken, pulls, err)
		}
		before := taken
		_, err = c.Pull(t.Context(), consumer, &delivered)
		if got := taken - before; got*each > jet.PullBytes {
			t.Errorf("one pull delivered %d messages of %d bytes", got, each)
		}
	}
	ended := jet.Cursor{Conn: s.conn, Stream: names.EventStream, Batch: jet.MessagesAtOnce, ToEnd: true, Skipped: func(string, uint64) { taken++ }}
	if err := ended.Run(t.Context()); err != nil || taken != 2*count {
		t.Errorf("%d messages are read, %v", taken, err)
	}
}
