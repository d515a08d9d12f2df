package stream

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"callwatch/stream/names"
)

// contents are all messages of all streams and buckets: sequence, subject, header and data.
func contents(t *testing.T, s *Store) map[string][]string {
	t.Helper()
	all := map[string][]string{}
	list := s.conn.JS.StreamNames(t.Context())
	for name := range list.Name() {
		st, err := s.conn.JS.Stream(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		for seq := st.CachedInfo().State.FirstSeq; seq <= st.CachedInfo().State.LastSeq && seq > 0; seq++ {
			m, err := st.GetMsg(t.Context(), seq)
			if err != nil {
				continue // deleted
			}
			all[name] = append(all[name], fmt.Sprint(seq, m.Subject, m.Header, m.Time.UnixNano(), string(m.Data)))
		}
	}
	return all
}

func put(t testing.TB, s *Store, rule, key string, cause Cause, data string) bool {
	t.Helper()
	stored, err := s.PutTransition(t.Context(), rule, key, cause, []byte(data))
	if err != nil {
		t.Fatal(err)
	}
	return stored
}

// filled is a store with something in every stream.
func filled(t *testing.T) *Store {
	s := open(t, Config{})
	for i := range 50 {
		if _, err := s.Append(t.Context(), record(i)); err != nil {
			t.Fatal(err)
		}
	}
	if _, _, _, err := s.LastPublished(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := s.PublishEvents(t.Context(), someEvents(40)); err != nil {
		t.Fatal(err)
	}
	put(t, s, "bad mos", "acme", Cause{Seq: 5}, "opened")
	if err := s.PutDeadLetter(t.Context(), DeadLetter{Raw: Position{Seq: 1}, Provider: "acme", Error: "no JSON"}); err != nil {
		t.Fatal(err)
	}
	things, err := s.Bucket(t.Context(), "things")
	if err != nil {
		t.Fatal(err)
	}
	if _, ok, err := things.Save(t.Context(), "a/2", []byte("1"), 0); !ok || err != nil {
		t.Fatal(ok, err)
	}
	if err := s.SaveCheckpoint(t.Context(), "engine", 25, func(w io.Writer) error {
		_, err := w.Write(bytes.Repeat([]byte("state"), 1000))
		return err
	}); err != nil {
		t.Fatal(err)
	}
	return s
}

func backedUp(t *testing.T, s *Store) []byte {
	t.Helper()
	var file bytes.Buffer
	if _, err := s.WriteBackup(t.Context(), &file); err != nil {
		t.Fatal(err)
	}
	return file.Bytes()
}

func restored(t *testing.T, cfg Config, file []byte) (*Backup, error) {
	t.Helper()
	return Restore(t.Context(), cfg, bytes.NewReader(file), int64(len(file)), func(uint64, uint64) {})
}

func TestRestoreGivesTheSameStore(t *testing.T) {
	t.Parallel()
	s := filled(t)
	want := contents(t, s)
	file := backedUp(t, s)
	closeStore(t, s)

	cfg := Config{Dir: filepath.Join(t.TempDir(), "restored")}
	b, err := restored(t, cfg, file)
	if err != nil {
		t.Fatal(err)
	}
	if read, err := ReadBackup(bytes.NewReader(file), int64(len(file))); err != nil || cmp.Diff(b, read) != "" {
		t.Errorf("description %+v, %v; want %+v", read, err, b)
	}
	again := open(t, cfg)
	got := contents(t, again)
	for name, messages := range want {
		if diff := cmp.Diff(messages, got[name]); diff != "" && len(messages) <= len(got[name]) && cmp.Diff(messages, got[name][:len(messages)]) != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
	id, err := again.Append(t.Context(), record(99))
	if err != nil {
		t.Fatal(err)
	}
	if r, err := again.Record(t.Context(), id); err != nil || r.CallID != "call-99" {
		t.Errorf("a webhook stored after the restore: %+v, %v", r, err)
	}
	if _, err := restored(t, cfg, file); !errors.Is(err, ErrNotEmpty) {
		t.Error("a store was restored over another one")
	}
}

// What is acknowledged before a backup begins is in it, however much is stored meanwhile.
func TestBackupBesideWrites(t *testing.T) {
	t.Parallel()
	s := filled(t)
	var before []string
	for i := range 20 {
		before = append(before, appended(t, s, record(100+i)))
	}
	ctx, stop := context.WithCancel(t.Context())
	var writers sync.WaitGroup
	for w := range 4 {
		writers.Go(func() {
			for i := 0; ctx.Err() == nil; i++ {
				if _, err := s.Append(ctx, record(1000*w+i)); err != nil && !errors.Is(err, ErrUnavailable) && ctx.Err() == nil {
					t.Error(err)
					return
				}
			}
		})
	}
	time.Sleep(50 * time.Millisecond)
	file := backedUp(t, s)
	stop()
	writers.Wait()

	cfg := Config{Dir: filepath.Join(t.TempDir(), "restored")}
	if _, err := restored(t, cfg, file); err != nil {
		t.Fatal(err)
	}
	again := open(t, cfg)
	for i, id := range before {
		if r, err := again.Record(t.Context(), id); err != nil || r.CallID != fmt.Sprint("call-", 100+i) {
			t.Errorf("record %s: %+v, %v", id, r, err)
		}
	}
}

func TestDamagedBackupsAreRefused(t *testing.T) {
	t.Parallel()
	file := backedUp(t, filled(t))
	flipped := bytes.Clone(file)
	flipped[bytes.Index(flipped, []byte(names.RawStream+".data"))+100] ^= 1
	for name, bad := range map[string][]byte{
		"nothing": nil,
		"text":    []byte("rules: []"),
		"half":    file[:len(file)/2],
		"cut":     file[:len(file)-1],
		"flipped": flipped,
		"other":   bytes.ReplaceAll(file, []byte(names.RawStream), []byte("CALLWATCH_ROW")),
	} {
		dir := filepath.Join(t.TempDir(), "restored")
		if _, err := restored(t, Config{Dir: dir}, bad); !errors.Is(err, ErrNotABackup) {
			t.Errorf("%s: %v, want %v", name, err, ErrNotABackup)
		}
		if entries, err := os.ReadDir(dir); err == nil && len(entries) > 0 {
			t.Errorf("%s: left %v behind", name, entries)
		}
	}
}
