package stream

import (
	"archive/tar"
	"compress/gzip"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats.go/jetstream"

	"callwatch/stream/names"
)

// unpackStore is a data directory as an older callwatch left it.
func unpackStore(t *testing.T, archive string) string {
	t.Helper()
	dir := t.TempDir()
	f, err := os.Open(archive)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	zip, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	for files := tar.NewReader(zip); ; {
		h, err := files.Next()
		if errors.Is(err, io.EOF) {
			return dir
		}
		if err != nil {
			t.Fatal(err)
		}
		name := filepath.Join(dir, filepath.FromSlash(h.Name))
		if h.Typeflag == tar.TypeDir {
			err = os.MkdirAll(name, 0o700)
		} else {
			var b []byte
			if b, err = io.ReadAll(files); err == nil {
				err = os.WriteFile(name, b, 0o600)
			}
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// What a callwatch of format 1 stored, three webhooks, their events, an incident,
// three checkpoints and how far delivery had come, is all there after the upgrade.
func TestStoreOfFormat1IsMigrated(t *testing.T) {
	t.Parallel()
	dir := unpackStore(t, "testdata/store-format-1.tar.gz")
	for range 2 { // the second time it has the new format
		s := open(t, Config{Dir: dir})
		for i := range 3 {
			r, err := s.Record(t.Context(), Position{Seq: uint64(i + 1)}.String())
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(record(i).Body, r.Body); diff != "" {
				t.Error(diff)
			}
		}
		if raw, _, ok, err := s.LastPublished(t.Context()); err != nil || !ok || raw.Seq != 3 {
			t.Errorf("last event is of record %v, %v, %v", raw, ok, err)
		}
		incidents, err := s.LastTransitions(t.Context())
		if err != nil || len(incidents) != 1 || incidents[0].Rule != "bad audio" || incidents[0].Cause.Seq != 2 {
			t.Errorf("incidents %v, %v", incidents, err)
		}
		if seq, state := loadState(t, s); seq != 3 || state != "state" {
			t.Errorf("checkpoint %d %q", seq, state)
		}
		b, err := s.Bucket(t.Context(), "notifier")
		if err != nil {
			t.Fatal(err)
		}
		if value, _, err := b.Load(t.Context(), "settled"); string(value) != "1" || err != nil {
			t.Errorf("settled %q, %v", value, err)
		}
		if _, n, rev, err := s.storedFormat(t.Context()); n != format || rev == 0 || err != nil {
			t.Errorf("format %d, revision %d, %v", n, rev, err)
		}
		closeStore(t, s)
	}
}

func TestSlotsGoWithTheCheckpointsInThem(t *testing.T) {
	t.Parallel()
	s := open(t, Config{Dir: unpackStore(t, "testdata/store-format-1.tar.gz")})
	for seq := range uint64(2) {
		saveState(t, s, 4+seq, "newer")
	}
	info, err := s.checkpoints.Info(t.Context(), jetstream.WithSubjectFilter(names.CheckpointPrefix+">"))
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]uint64{names.CheckpointPrefix + "engine.chunk": 2, names.CheckpointPrefix + "engine.manifest": 2}
	if diff := cmp.Diff(want, info.State.Subjects); diff != "" {
		t.Error(diff)
	}
	if seq, state := loadState(t, s); seq != 5 || state != "newer" {
		t.Errorf("checkpoint %d %q", seq, state)
	}
}

func saveState(t *testing.T, s *Store, seq uint64, state string) {
	t.Helper()
	err := s.SaveCheckpoint(t.Context(), "engine", seq, func(w io.Writer) error {
		_, err := io.WriteString(w, state)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func loadState(t *testing.T, s *Store) (uint64, string) {
	t.Helper()
	var state string
	seq, err := s.LoadCheckpoint(t.Context(), "engine", func(_ uint64, r io.Reader) error {
		b, err := io.ReadAll(r)
		state = string(b)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return seq, state
}
