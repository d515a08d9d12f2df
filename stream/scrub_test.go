package stream

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"callwatch/stream/blocks"
	"callwatch/stream/names"
)

// What was removed is in no file any more, however it was removed, and what stays is
// as it was, also after a start that reads all blocks.
func TestScrub(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, Config{Dir: dir})
	bucket, err := s.Bucket(t.Context(), "things")
	if err != nil {
		t.Fatal(err)
	}
	rev := uint64(0)
	for i := range 20 { // a value in place of another
		value := fmt.Sprintf("value-old-%d", i)
		if i == 19 {
			value = "value-now"
		}
		if rev, _, err = bucket.Save(t.Context(), "key", []byte(value), rev); err != nil {
			t.Fatal(err)
		}
	}
	if _, _, err := bucket.Save(t.Context(), "gone", []byte("value-old-gone"), 0); err != nil {
		t.Fatal(err)
	}
	if err := bucket.Delete(t.Context(), "gone"); err != nil {
		t.Fatal(err)
	}
	task := Task{Topic: "acme", Key: "call", At: time.Now().Add(time.Hour), Data: []byte("value-old-task")}
	for range 2 {
		if err := s.Postpone(t.Context(), task); err != nil {
			t.Fatal(err)
		}
		task.Data = []byte("task-now")
	}
	for i := range 6 { // the oldest frames are removed
		putFrame(t, s, Record{Provider: "acme", Body: fmt.Appendf(nil, "value-%s-%d", map[bool]string{true: "old", false: "new"}[i < 4], i)})
	}
	if err := s.pruner.PruneRaw(t.Context(), 5); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Join(dir, blocks.QuarantineDir), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, blocks.QuarantineDir, "x.salvaged"), []byte("value-old-copy"), 0o600); err != nil {
		t.Fatal(err)
	}
	if !onDisk(t, dir, "value-old-0") || !onDisk(t, dir, "value-old-gone") || !onDisk(t, dir, "value-old-task") {
		t.Fatal("what was removed cannot be found: this test would see nothing")
	}
	if err := s.Scrub(t.Context()); err != nil {
		t.Fatal(err)
	}
	check := func(when string) {
		t.Helper()
		if onDisk(t, dir, "value-old") {
			t.Errorf("%s: what was removed is on the disk", when)
		}
		if value, _, err := bucket.Load(t.Context(), "key"); string(value) != "value-now" || err != nil {
			t.Errorf("%s: the value is %q, %v", when, value, err)
		}
		tasks := 0
		if err := s.Tasks(t.Context(), "acme", func(x Task) { tasks += len(x.Data) }); err != nil || tasks != len("task-now") {
			t.Errorf("%s: tasks of %d bytes, %v", when, tasks, err)
		}
		if seen := readAll(t, s, Position{}); len(seen) != 2 {
			t.Errorf("%s: records %v", when, seen)
		}
	}
	check("at once")
	for _, index := range []bool{true, false} {
		closeStore(t, s)
		if !index {
			names, err := blocks.Streams(dir)
			if err != nil {
				t.Fatal(err)
			}
			for _, name := range names {
				if err := blocks.DropIndex(dir, name); err != nil {
					t.Fatal(err)
				}
			}
		}
		s = open(t, Config{Dir: dir})
		if bucket, err = s.Bucket(t.Context(), "things"); err != nil {
			t.Fatal(err)
		}
		check(fmt.Sprintf("after a start, index %v", index))
		if flaws := s.node.Flaws(); len(flaws) > 0 {
			t.Errorf("flaws: %v", flaws)
		}
	}
}

// A record that was half overwritten when the power went is completed by the next
// start, and what is no longer in its place is left alone.
func TestScrubIsFinishedByTheNextStart(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, Config{Dir: dir})
	for i := range 3 {
		putFrame(t, s, personal(fmt.Sprint(i)))
	}
	closeStore(t, s)
	files, err := blocks.Files(filepath.Join(blocks.StreamsDir(dir), names.RawStream, "msgs"))
	if err != nil || len(files) != 1 {
		t.Fatal(files, err)
	}
	b, err := os.ReadFile(files[0].Path)
	if err != nil {
		t.Fatal(err)
	}
	k, err := blocks.New(names.RawStream, files[0].Index)
	if err != nil {
		t.Fatal(err)
	}
	r := k.Records(b)[1]
	at := cap(b) - cap(r)
	rel, _ := filepath.Rel(dir, files[0].Path)
	half := k.Blank(2, len(r))[:len(r)/2]
	copy(b[at:], half)
	if err := os.WriteFile(files[0].Path, b, 0o600); err != nil {
		t.Fatal(err)
	}

	note := fmt.Sprintf(`{"stream":%q,"index":%d,"path":%q,"records":[{"offset":%d,"size":%d,"seq":2},{"offset":0,"size":%d,"seq":77}]}`,
		names.RawStream, files[0].Index, rel, at, len(r), len(r))
	if err := os.WriteFile(filepath.Join(dir, blocks.ScrubFile), []byte(note), 0o600); err != nil {
		t.Fatal(err)
	}
	s = open(t, Config{Dir: dir})
	if flaws := s.node.Flaws(); len(flaws) > 0 {
		t.Errorf("flaws: %v", flaws)
	}
	if _, err := s.Record(t.Context(), "1.0"); err != nil {
		t.Error(err)
	}
	if _, err := s.Record(t.Context(), "3.0"); err != nil {
		t.Error(err)
	}
	if onDisk(t, dir, "number-of-1") {
		t.Error("the record is on the disk")
	}
	if _, err := os.Stat(filepath.Join(dir, blocks.ScrubFile)); err == nil {
		t.Error("the note is still there")
	}
}
