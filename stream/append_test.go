package stream

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"callwatch/stream/frame"
)

// appendAll appends records 0..n-1 from many goroutines and returns their ids.
func appendAll(t testing.TB, s *Store, n int) []string {
	t.Helper()
	ids := make([]string, n)
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			var err error
			if ids[i], err = s.Append(context.Background(), record(i)); err != nil {
				t.Errorf("append %d: %v", i, err)
			}
		})
	}
	wg.Wait()
	return ids
}

// readRecords follows RAW from a position until n records came.
func readRecords(t testing.TB, s *Store, from Position, n int) []Record {
	t.Helper()
	enough := errors.New("enough")
	var got []Record
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	err := s.Records(ctx, from, func(r []Record) error {
		if got = append(got, r...); len(got) >= n {
			return enough
		}
		return nil
	}, func(d *Damage) { t.Error(d) })
	if !errors.Is(err, enough) {
		t.Fatalf("%d of %d records, then %v", len(got), n, err)
	}
	return got
}

func TestFramesAnswerEveryWaiter(t *testing.T) {
	t.Parallel()
	const n = 2000
	s := open(t, Config{})
	ids := appendAll(t, s, n)

	if distinct := slices.Compact(slices.Sorted(slices.Values(ids))); len(distinct) != n {
		t.Fatalf("%d distinct ids of %d", len(distinct), n)
	}
	for i, id := range ids {
		if i%97 != 0 {
			continue
		}
		got, err := s.Record(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		want := record(i)
		if want.At, err = frame.ParsePosition(id); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
		if got.ID() != id {
			t.Errorf("id %s, want %s", got.ID(), id)
		}
	}
	if frames := s.Health(t.Context()).Streams[0].Messages; frames > n/4 {
		t.Errorf("%d frames for %d records: not grouped", frames, n)
	}

	all := readRecords(t, s, Position{}, n)
	for i := range all[1:] {
		if !all[i].At.Before(all[i+1].At) {
			t.Fatalf("%s comes before %s", all[i].At, all[i+1].At)
		}
	}
	middle := all[n/2].At
	if rest := readRecords(t, s, middle, n/2); rest[0].At != middle || len(rest) != n-n/2 {
		t.Errorf("from %s: %d records from %s", middle, len(rest), rest[0].At)
	}
}

func TestRecordsGoOnLive(t *testing.T) {
	t.Parallel()
	s := open(t, Config{})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	seen := make(chan string)
	ended := make(chan error, 1)
	go func() {
		ended <- s.Records(ctx, Position{}, func(records []Record) error {
			for _, r := range records {
				seen <- r.CallID
			}
			return nil
		}, func(d *Damage) { t.Error(d) })
	}()
	for i := range 5 {
		if _, err := s.Append(t.Context(), record(i)); err != nil {
			t.Fatal(err)
		}
		if got := await(t, "the next one is read", seen); got != fmt.Sprint("call-", i) {
			t.Errorf("got %s after %d", got, i)
		}
	}
	cancel()
	if err := await(t, "reading ends", ended); !errors.Is(err, context.Canceled) {
		t.Errorf("ended with %v", err)
	}
}

func TestRestartContinues(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, Config{Dir: dir})
	before, err := s.Append(t.Context(), record(1))
	if err != nil {
		t.Fatal(err)
	}
	closeStore(t, s)
	if _, err := s.Append(t.Context(), record(2)); !errors.Is(err, ErrUnavailable) {
		t.Errorf("append to a closed store: %v", err)
	}
	s = open(t, Config{Dir: dir})
	after, err := s.Append(t.Context(), record(3))
	if err != nil {
		t.Fatal(err)
	}
	if before != "1.0" || after != "2.0" {
		t.Errorf("ids %s, %s", before, after)
	}
	if got := readRecords(t, s, Position{}, 2); got[0].CallID != "call-1" || got[1].CallID != "call-3" {
		t.Errorf("got %s, %s", got[0].CallID, got[1].CallID)
	}
}

func TestLargeBodies(t *testing.T) {
	t.Parallel()
	s := open(t, Config{})
	stored := func(r Record) (id string, err error) { // as soon as a slow disk lets it
		waitFor(t, func() bool { id, err = s.Append(t.Context(), r); return !errors.Is(err, ErrUnavailable) })
		return id, err
	}
	for _, n := range []int{1 << 20, 4 << 20} {
		r := record(1)
		r.Body = make([]byte, n)
		rand.Read(r.Body) // nothing to compress
		id, err := stored(r)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := s.Record(t.Context(), id); err != nil || !bytes.Equal(got.Body, r.Body) {
			t.Errorf("%d bytes came back as %d, %v", n, len(got.Body), err)
		}
	}
	r := record(1)
	r.Body = make([]byte, 9<<20)
	rand.Read(r.Body)
	_, err := stored(r)
	if !errors.Is(err, ErrTooLarge) || !strings.Contains(err.Error(), "raise its max_payload") {
		t.Errorf("9 MB: %v", err)
	}
	if _, err := stored(record(2)); err != nil {
		t.Errorf("after it: %v", err)
	}
}

func TestRecordNotFound(t *testing.T) {
	t.Parallel()
	s := open(t, Config{})
	if _, err := s.Append(t.Context(), record(1)); err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{"2.0", "1.1"} {
		if _, err := s.Record(t.Context(), id); !errors.Is(err, ErrNotFound) {
			t.Errorf("%s: %v", id, err)
		}
	}
	for _, id := range []string{"", "1", "x.0", "0.0", "1.-1"} {
		if _, err := s.Record(t.Context(), id); err == nil || errors.Is(err, ErrNotFound) {
			t.Errorf("%q: %v", id, err)
		}
	}
}

func TestFullStoreIsRefusedAtOnce(t *testing.T) {
	s := open(t, Config{MaxStore: 16 << 20})
	r := record(1)
	r.Body = make([]byte, 512<<10)
	var err error
	for range 40 {
		rand.Read(r.Body)
		start := time.Now()
		_, err = s.Append(t.Context(), r)
		if took := time.Since(start); took > time.Second {
			t.Fatalf("an answer after %v: %v", took, err)
		}
		if err != nil {
			break
		}
	}
	if !errors.Is(err, ErrFull) {
		t.Fatalf("got %v, want ErrFull", err)
	}
	if h := s.Health(t.Context()); h.OK || len(h.Causes) == 0 {
		t.Errorf("health %+v", h)
	}
	// What follows RAW still has room.
	if _, _, _, err := s.LastPublished(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := s.PublishEvents(t.Context(), []Event{event(1, 0)}); err != nil {
		t.Errorf("events: %v", err)
	}
	// Room again: webhooks are taken again without a hand.
	if err := s.raw.Purge(t.Context()); err != nil {
		t.Fatal(err)
	}
	waitFor(t, func() bool { _, err := s.Append(t.Context(), record(2)); return err == nil })
}

func TestReserveOfTheDisk(t *testing.T) {
	t.Parallel()
	s := open(t, Config{Reserve: 1 << 60})
	waitFor(t, func() bool { _, err := s.Append(t.Context(), record(1)); return errors.Is(err, ErrFull) })
	h := s.Health(t.Context())
	if h.OK || !strings.Contains(strings.Join(h.Causes, " "), "kept in reserve") {
		t.Errorf("health %+v", h)
	}
}

// appended stores a record and returns its id, again where a busy machine has not confirmed
// it in time, as a provider sends it again.
func appended(t *testing.T, s *Store, r Record) (id string) {
	t.Helper()
	var err error
	waitFor(t, func() bool { id, err = s.Append(t.Context(), r); return !errors.Is(err, ErrUnavailable) })
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// waitFor polls until ok, for what happens in the monitor's time.
func waitFor(t *testing.T, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.After(patience); !ok(); {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("did not happen within %v", patience)
		}
	}
}

// TestServerRestarts replaces the embedded server under a running store.
func TestServerRestarts(t *testing.T) {
	t.Parallel()
	s := open(t, Config{})
	if _, err := s.Append(t.Context(), record(0)); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	seen := make(chan string, 10)
	go func() {
		_ = s.Records(ctx, Position{}, func(records []Record) error {
			for _, r := range records {
				seen <- r.CallID
			}
			return nil
		}, func(d *Damage) { t.Error(d) })
	}()
	if got := await(t, "the next one is read", seen); got != "call-0" {
		t.Fatal(got)
	}
	s.node.Stop() // as if it died: the monitor starts another
	waitFor(t, func() bool { _, err := s.Append(t.Context(), record(1)); return err == nil })
	if got := await(t, "the next one is read", seen); got != "call-1" {
		t.Fatal(got)
	}
}

func BenchmarkFrameCommit(b *testing.B) {
	for _, waiters := range []int{1, 64, 256} {
		b.Run(fmt.Sprint("waiters=", waiters), func(b *testing.B) {
			s := open(b, Config{})
			bodies := make([][]byte, 64)
			for i := range bodies {
				bodies[i] = body(i)
			}
			b.SetBytes(int64(len(bodies[0])))
			b.ReportAllocs()
			took := make([]time.Duration, b.N)
			var wg sync.WaitGroup
			b.ResetTimer()
			for w := range waiters {
				wg.Go(func() {
					for i := w; i < b.N; i += waiters {
						start := time.Now()
						r := record(i)
						r.Body = bodies[i%len(bodies)]
						if _, err := s.Append(context.Background(), r); err != nil {
							b.Error(err)
							return
						}
						took[i] = time.Since(start)
					}
				})
			}
			wg.Wait()
			b.StopTimer()
			slices.Sort(took)
			raw := s.Health(b.Context()).Streams[0]
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "records/s")
			b.ReportMetric(float64(took[len(took)*99/100].Microseconds())/1000, "p99-ms")
			b.ReportMetric(float64(b.N)/float64(raw.Messages), "records/frame")
			b.ReportMetric(float64(raw.Bytes)/float64(b.N), "stored-B/record")
		})
	}
}
