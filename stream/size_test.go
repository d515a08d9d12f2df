package stream

import (
	"errors"
	"math"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"callwatch/stream/jet"
	"callwatch/stream/names"
	"callwatch/stream/retention"
)

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

func sizeNamed(size *retention.Size, name string) retention.StreamSize {
	for _, s := range size.Streams {
		if s.Name == name {
			return s
		}
	}
	return retention.StreamSize{}
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
	info, err := s.raw.Info(t.Context())
	if err == nil {
		err = s.pruner.PruneRaw(t.Context(), info.State.FirstSeq+2) // as by age
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
	if testing.Short() {
		t.Skip("waits for seconds")
	}
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
