package stream

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"callwatch/stream/frame"
	"callwatch/stream/names"
)

// following reads RAW until n records came, and may be held up.
type following struct {
	t     *testing.T
	calls chan string
	hold  chan struct{} // one is taken before each call returns; nil: not held up
	ended chan error
}

func followRaw(t *testing.T, s *Store, hold chan struct{}) *following {
	t.Helper()
	f := &following{t: t, calls: make(chan string, 10_000), hold: hold, ended: make(chan error, 1)}
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(func() {
		cancel()
		if f.hold != nil {
			close(f.hold)
		}
		if err := <-f.ended; !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	})
	go func() {
		f.ended <- s.Records(ctx, Position{}, func(records []Record) error {
			for i := range records {
				f.calls <- records[i].ID() + " " + records[i].CallID
			}
			if f.hold != nil {
				<-f.hold
			}
			return nil
		}, func(d *Damage) { t.Error(d) })
	}()
	return f
}

func (f *following) next() string {
	f.t.Helper()
	select {
	case got := <-f.calls:
		return got
	case <-time.After(30 * time.Second):
		f.t.Fatal("nothing comes")
		return ""
	}
}

func add(t *testing.T, s *Store, r Record) string {
	t.Helper()
	id, err := s.Append(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	return id + " " + r.CallID
}

// Who has read all there is needs the server no more.
func TestHandedOver(t *testing.T) {
	t.Parallel()
	s := open(t, Config{})
	first := add(t, s, record(0)) // before there is a reader
	f := followRaw(t, s, nil)
	if got := f.next(); got != first {
		t.Fatalf("got %s, want %s", got, first)
	}
	consumers := func() int {
		info, err := s.raw.Info(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return info.State.Consumers
	}
	waitFor(t, func() bool { return consumers() == 0 })
	for i := 1; i < 200; i++ {
		want := add(t, s, record(i))
		if got := f.next(); got != want {
			t.Fatalf("got %s, want %s", got, want)
		}
		if n := consumers(); n > 0 {
			t.Fatalf("%d consumers of the server after record %d", n, i)
		}
	}
}

// More than there is room for comes from the server, in its place; so does what
// was stored beside the committer, and nothing comes twice.
func TestHandedOverInPart(t *testing.T) {
	t.Parallel()
	s := open(t, Config{})
	hold := make(chan struct{}, 1000)
	f := followRaw(t, s, hold)
	var want []string
	large := record(0)
	large.Body = bytes.Repeat([]byte("x"), 1<<20)
	for i := range 48 { // MiB: three times the room
		large.CallID = fmt.Sprint("large-", i)
		want = append(want, add(t, s, large))
		switch i % 20 {
		case 3:
			if err := s.probe(0); err != nil {
				t.Fatal(err)
			}
		case 7:
			seq := putFrame(t, s, personal("a"), personal("b"))
			want = append(want, fmt.Sprintf("%d.0 a", seq), fmt.Sprintf("%d.1 b", seq))
		case 11:
			r := personal("foreign")
			ack, err := s.conn.JS.Publish(t.Context(), names.RawSubject, encodeOnce(t, &r))
			if err != nil {
				t.Fatal(err)
			}
			want = append(want, fmt.Sprintf("%d.0 foreign", ack.Sequence))
		}
	}
	for range cap(hold) - len(hold) {
		hold <- struct{}{}
	}
	for _, w := range want {
		if got := f.next(); got != w {
			t.Fatalf("got %s, want %s", got, w)
		}
	}
}

// encodeOnce encodes r as a frame, with a codec of its own.
func encodeOnce(t *testing.T, r *Record) []byte {
	c, err := frame.NewCodec()
	if err != nil {
		t.Fatal(err)
	}
	return c.Encode(nil, frame.AppendRecord(nil, r), 1)
}

// A record that is erased before the reader came to it does not come from memory.
func TestErasedBeforeHandedOver(t *testing.T) {
	t.Parallel()
	s := open(t, Config{})
	hold := make(chan struct{}, 10)
	f := followRaw(t, s, hold)
	first := add(t, s, personal("first"))
	if got := f.next(); got != first {
		t.Fatalf("got %s, want %s", got, first)
	}
	add(t, s, personal("alone"))
	shared := putFrame(t, s, personal("gone"), personal("stays"))
	last := add(t, s, personal("last"))
	if n, err := s.EraseRecords(t.Context(), []Position{{Seq: shared - 1}, {Seq: shared}}); err != nil || n != 2 {
		t.Fatal(n, err)
	}
	for range 10 {
		hold <- struct{}{}
	}
	for _, want := range []string{fmt.Sprintf("%d.1 stays", shared), last} {
		if got := f.next(); got != want {
			t.Fatalf("got %s, want %s", got, want)
		}
	}
}

// What somebody else stored is found without being told of.
func TestStoredByOthers(t *testing.T) {
	t.Parallel()
	s := open(t, Config{})
	f := followRaw(t, s, nil)
	first := add(t, s, record(0))
	if got := f.next(); got != first {
		t.Fatal(got)
	}
	r := personal("foreign")
	ack, err := s.conn.JS.Publish(t.Context(), names.RawSubject, encodeOnce(t, &r))
	if err != nil {
		t.Fatal(err)
	}
	if got, want := f.next(), fmt.Sprintf("%d.0 foreign", ack.Sequence); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// A second reader gets the same, and the place of one that ended is taken.
func TestReadersOfHandover(t *testing.T) {
	t.Parallel()
	s := open(t, Config{})
	one, two := followRaw(t, s, nil), followRaw(t, s, nil)
	for i := range 20 {
		want := add(t, s, record(i))
		for _, f := range []*following{one, two} {
			if got := f.next(); got != want {
				t.Fatalf("got %s, want %s", got, want)
			}
		}
	}
	stop := errors.New("stop")
	for i := range 3 {
		add(t, s, record(20+i))
		err := s.Records(t.Context(), Position{Seq: 1}, func([]Record) error { return stop }, func(d *Damage) { t.Error(d) })
		if !errors.Is(err, stop) {
			t.Fatal(err)
		}
	}
}

// Everything comes once and in order while many store, probe and erase.
func TestHandedOverUnderLoad(t *testing.T) {
	s := open(t, Config{})
	f := followRaw(t, s, nil)
	const writers, each = 8, 100
	var mu sync.Mutex
	stored := map[string]bool{}
	var group sync.WaitGroup
	for w := range writers {
		group.Go(func() {
			for i := range each {
				id, err := s.Append(context.Background(), record(w*each+i))
				if err != nil {
					t.Error(err)
					return
				}
				if i%25 == w {
					if err := s.probe(0); err != nil {
						t.Error(err)
					}
				}
				mu.Lock()
				stored[fmt.Sprintf("%s call-%d", id, w*each+i)] = true
				mu.Unlock()
			}
		})
	}
	seen := map[string]bool{}
	var last Position
	for len(seen) < writers*each {
		got := f.next()
		var call string
		var id string
		if _, err := fmt.Sscan(got, &id, &call); err != nil {
			t.Fatal(err)
		}
		at, err := frame.ParsePosition(id)
		if err != nil || !last.Before(at) || seen[got] {
			t.Fatalf("%s comes after %s, %v", got, last, err)
		}
		last, seen[got] = at, true
	}
	group.Wait()
	if diff := cmp.Diff(stored, seen); diff != "" {
		t.Error(diff)
	}
}
