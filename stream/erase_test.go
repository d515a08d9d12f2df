package stream

import (
	"bytes"
	"testing"
	"time"
)

func TestEraseTasks(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, Config{Dir: dir})
	for _, key := range []string{"a", "b"} {
		task := Task{Topic: "acme", Key: key, At: time.Now().Add(time.Hour), Data: []byte("ask for " + key)}
		for range 2 {
			if err := s.Postpone(t.Context(), task); err != nil {
				t.Fatal(err)
			}
		}
	}
	n, err := s.EraseTasks(t.Context(), "acme", func(x Task) bool { return string(x.Data) == "ask for a" })
	if n != 1 || err != nil {
		t.Fatalf("%d erased, %v", n, err)
	}
	if err := s.Scrub(t.Context()); err != nil {
		t.Fatal(err)
	}
	if onDisk(t, dir, "ask for a") || !onDisk(t, dir, "ask for b") {
		t.Error("the wrong task is on the disk")
	}
	left := 0
	if err := s.Tasks(t.Context(), "acme", func(Task) { left++ }); left != 1 || err != nil {
		t.Errorf("%d left, %v", left, err)
	}
}

func TestRewriteValues(t *testing.T) {
	t.Parallel()
	s := open(t, Config{Dir: t.TempDir()})
	for _, name := range []string{"one", "two"} {
		b, err := s.Bucket(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		for key, value := range map[string]string{"a": "a number", "b": "nothing"} {
			if _, _, err := b.Save(t.Context(), key, []byte(value), 0); err != nil {
				t.Fatal(err)
			}
		}
	}
	change := func(v []byte) ([]byte, bool) {
		next := bytes.ReplaceAll(v, []byte("number"), []byte("erased"))
		return next, !bytes.Equal(next, v)
	}
	for _, want := range []int{2, 0} {
		if n, err := s.RewriteValues(t.Context(), change); n != want || err != nil {
			t.Errorf("%d changed, %v, want %d", n, err, want)
		}
	}
	b, err := s.Bucket(t.Context(), "two")
	if err != nil {
		t.Fatal(err)
	}
	if value, _, err := b.Load(t.Context(), "a"); string(value) != "a erased" || err != nil {
		t.Errorf("%q, %v", value, err)
	}
}
