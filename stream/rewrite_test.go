package stream

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats.go"

	"callwatch/stream/frame"
	"callwatch/stream/jet"
	"callwatch/stream/names"
)

// putFrame stores records as one frame and returns its sequence.
func putFrame(t *testing.T, s *Store, records ...Record) uint64 {
	t.Helper()
	c := newCommitter(s)
	var batch []*waiter
	for i := range records {
		batch = append(batch, c.waiter(t.Context(), records[i], frame.RecordSize(&records[i])))
	}
	seq, err := c.publish(batch)
	if err != nil {
		t.Fatal(err)
	}
	return seq
}

// personal is a record with a number that its body alone holds, too short to be
// compressed.
func personal(call string) Record {
	return Record{Provider: "acme", Source: "webhook", ContentType: "application/json", CallID: call, Body: []byte(`{"to":"number-of-` + call + `"}`)}
}

// onDisk says whether any file below dir holds text.
func onDisk(t *testing.T, dir, text string) bool {
	t.Helper()
	found := false
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		found = found || bytes.Contains(b, []byte(text))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// readAll is what a reader from the first record on sees: ids and calls.
func readAll(t *testing.T, s *Store, from Position) (seen []string) {
	t.Helper()
	err := s.StoredRecords(t.Context(), from, func(records []Record) error {
		for i := range records {
			seen = append(seen, records[i].ID()+" "+records[i].CallID)
		}
		return nil
	}, func(d *Damage) { t.Errorf("a gap that was made on purpose is told as damage: %v", d) })
	if err != nil {
		t.Fatal(err)
	}
	return seen
}

func TestEraseRecords(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, Config{Dir: dir})
	putFrame(t, s, personal("a"), personal("b"), personal("c"))
	putFrame(t, s, personal("d"))
	putFrame(t, s, personal("e"), personal("f"))
	erase := func(want int, at ...Position) {
		t.Helper()
		if n, err := s.EraseRecords(t.Context(), at); err != nil || n != want {
			t.Fatalf("erased %d, %v; want %d", n, err, want)
		}
	}
	check := func(from Position, want ...string) {
		t.Helper()
		if diff := cmp.Diff(want, readAll(t, s, from)); diff != "" {
			t.Errorf("records (-want +got):\n%s", diff)
		}
	}
	again := func() {
		t.Helper()
		closeStore(t, s)
		s = open(t, Config{Dir: dir})
	}
	closeStore(t, s)
	if !onDisk(t, dir, "number-of-b") || !onDisk(t, dir, "number-of-d") {
		t.Fatal("the numbers cannot be found where they are: this test would see nothing")
	}
	s = open(t, Config{Dir: dir})

	erase(2, Position{Seq: 1, Index: 1}, Position{Seq: 2, Index: 0})
	check(Position{}, "1.0 a", "1.2 c", "3.0 e", "3.1 f")
	check(Position{Seq: 1, Index: 1}, "1.2 c", "3.0 e", "3.1 f")
	again()
	check(Position{}, "1.0 a", "1.2 c", "3.0 e", "3.1 f")
	for call, gone := range map[string]bool{"a": false, "b": true, "c": false, "d": true, "e": false} {
		closedHas := onDisk(t, dir, "number-of-"+call)
		if closedHas == gone {
			t.Errorf("the number of %s is on the disk: %v", call, closedHas)
		}
	}

	erase(1, Position{Seq: 1, Index: 0}) // of a frame that was rewritten before
	erase(0, Position{Seq: 1, Index: 0}, Position{Seq: 2, Index: 0}, Position{Seq: 77})
	id, err := s.Append(t.Context(), personal("g"))
	if err != nil {
		t.Fatal(err)
	}
	check(Position{}, "1.2 c", "3.0 e", "3.1 f", id+" g")
	check(Position{Seq: 3, Index: 1}, "3.1 f", id+" g")
	if r, err := s.Record(t.Context(), "1.2"); err != nil || r.CallID != "c" || r.ID() != "1.2" {
		t.Errorf("1.2 is %+v, %v", r, err)
	}
	for _, id := range []string{"1.0", "1.1", "2.0"} {
		if _, err := s.Record(t.Context(), id); !errors.Is(err, ErrNotFound) {
			t.Errorf("%s is still there: %v", id, err)
		}
	}
	again()
	check(Position{}, "1.2 c", "3.0 e", "3.1 f", id+" g")
	if onDisk(t, dir, "number-of-a") {
		t.Error("the number of a is on the disk")
	}
}

// Stopped between the new frame and the removal of the old one, the next run
// finishes the work.
func TestEraseRecordsIsFinishedByTheNextRun(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, Config{Dir: dir})
	seq := putFrame(t, s, personal("a"), personal("b"))
	a := personal("a")
	blank := s.codec.Encode(nil, frame.AppendRecord(frame.AppendRecord(nil, &a), &Record{Source: frame.SourceErased}), 2)
	m := &nats.Msg{Subject: names.RewritePrefix + "1", Data: blank, Header: nats.Header{jet.HeaderRewrites: {"1"}}}
	if _, err := s.conn.JS.PublishMsg(t.Context(), s.conn.Sealed(names.RawStream, m)); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"1.0 a", "1.1 b"}, readAll(t, s, Position{})); diff != "" {
		t.Errorf("in between (-want +got):\n%s", diff)
	}
	if _, err := s.EraseRecords(t.Context(), []Position{{Seq: seq, Index: 1}}); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"1.0 a"}, readAll(t, s, Position{})); diff != "" {
		t.Errorf("at the end (-want +got):\n%s", diff)
	}
	closeStore(t, s)
	if onDisk(t, dir, "number-of-b") {
		t.Error("the number of b is on the disk")
	}
}

func TestPastEvents(t *testing.T) {
	t.Parallel()
	s := open(t, Config{Durability: OS})
	if _, _, _, err := s.LastPublished(t.Context()); err != nil {
		t.Fatal(err)
	}
	at := time.Date(2026, 10, 1, 8, 0, 0, 0, time.UTC)
	list := someEvents(4)
	list[1].Source, list[1].CountsAt = "import", at
	list[2].CountsAt, list[2].Replaces = at, Position{Seq: 1}
	list[3].Replaces = Position{Seq: 2}
	if err := s.PublishEvents(t.Context(), list); err != nil {
		t.Fatal(err)
	}
	var got []string
	describe := func(m Message) string {
		raw, has := m.Replaces()
		return fmt.Sprintf("%d %v %s %s %q %v %v %v", m.Seq, m.Past(), m.Provider(), m.Kind(), m.Source(), m.CountsAt().Equal(at), raw, has)
	}
	if err := s.PastEvents(t.Context(), time.Time{}, func(m Message) error { got = append(got, describe(m)); return nil }); err != nil {
		t.Fatal(err)
	}
	of := func(i int) string { return list[i].Provider + " " + list[i].Kind }
	want := []string{"2 true " + of(1) + ` "import" true 0.0 false`, "3 true " + of(2) + ` "" true 1.0 true`}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("past events (-want +got):\n%s", diff)
	}
	got = nil
	if err := s.StoredEvents(t.Context(), time.Time{}, func(m Message, _ uint64) error { got = append(got, describe(m)); return nil }); err != nil {
		t.Fatal(err)
	}
	if len(got) != 4 || got[3] != "4 false "+of(3)+` "" false 2.0 true` {
		t.Errorf("all events: %q", got)
	}
	raw, index, ok, err := s.LastPublished(t.Context())
	if err != nil || !ok || raw != list[3].Raw || index != list[3].Index {
		t.Errorf("the last event is of %v %d", raw, index)
	}
}

func TestEraseCheckpoints(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, Config{Dir: dir})
	for i, state := range []string{"number-of-a", "number-of-b", "harmless", "kept"} {
		name := "engine"
		if state == "kept" {
			name = "other"
		}
		err := s.SaveCheckpoint(t.Context(), name, uint64(i+1), func(w io.Writer) error {
			_, err := io.WriteString(w, state)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	closeStore(t, s)
	if !onDisk(t, dir, "number-of-b") {
		t.Fatal("the state cannot be found where it is: this test would see nothing")
	}
	s = open(t, Config{Dir: dir})
	for range 2 {
		if err := s.EraseCheckpoints(t.Context(), "engine"); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.EraseCheckpoints(t.Context(), "nobody"); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"engine": "harmless", "other": "kept"} {
		_, err := s.LoadCheckpoint(t.Context(), name, func(_ uint64, r io.Reader) error {
			if b, err := io.ReadAll(r); err != nil || string(b) != want {
				t.Errorf("%s is %q, %v", name, b, err)
			}
			return nil
		})
		if err != nil {
			t.Error(err)
		}
	}
	closeStore(t, s)
	if onDisk(t, dir, "number-of-b") {
		t.Error("an erased state is on the disk")
	}
}
