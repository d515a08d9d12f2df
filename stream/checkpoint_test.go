package stream

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"errors"
	"io"
	"testing"

	"callwatch/stream/names"
)

// chunkSize is that of the parts of a checkpoint.
const chunkSize = 512 << 10

func save(t *testing.T, s *Store, seq uint64, state []byte) {
	t.Helper()
	err := s.SaveCheckpoint(t.Context(), "engine", seq, func(w io.Writer) error {
		_, err := w.Write(state)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func load(t *testing.T, s *Store) (uint64, []byte) {
	t.Helper()
	var state []byte
	seq, err := s.LoadCheckpoint(t.Context(), "engine", func(_ uint64, r io.Reader) (err error) {
		state, err = io.ReadAll(r)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return seq, state
}

func noise(n int) []byte {
	b := make([]byte, n)
	rand.Read(b)
	return b
}

func TestCheckpoint(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, Config{Dir: dir})
	none := func(uint64, io.Reader) error { t.Error("called"); return nil }
	if _, err := s.LoadCheckpoint(t.Context(), "engine", none); !errors.Is(err, ErrNotFound) {
		t.Fatalf("at first: %v", err)
	}
	states := [][]byte{nil, []byte("one"), noise(3 * chunkSize), bytes.Repeat([]byte("abc"), 1<<20), noise(chunkSize), noise(100)}
	for i, state := range states {
		save(t, s, uint64(i*10), state)
		if seq, got := load(t, s); seq != uint64(i*10) || !bytes.Equal(got, state) {
			t.Fatalf("checkpoint %d: sequence %d, %d bytes of %d", i, seq, len(got), len(state))
		}
	}
	closeStore(t, s)
	s = open(t, Config{Dir: dir})
	if seq, got := load(t, s); seq != 50 || !bytes.Equal(got, states[5]) {
		t.Errorf("after a restart: sequence %d, %d bytes", seq, len(got))
	}
	if n := s.Health(t.Context()).Streams[4].Messages; n > 2+1+2+4 {
		t.Errorf("%d messages are kept", n)
	}
}

func TestCheckpointBeforeIsUsed(t *testing.T) {
	t.Parallel()
	s := open(t, Config{})
	old := noise(2 * chunkSize)
	save(t, s, 10, noise(10))
	save(t, s, 20, old)

	// A writer that fails changes nothing.
	boom := errors.New("boom")
	err := s.SaveCheckpoint(t.Context(), "engine", 25, func(w io.Writer) error {
		_, _ = w.Write(noise(2 * chunkSize))
		return boom
	})
	if !errors.Is(err, boom) {
		t.Fatal(err)
	}
	if seq, got := load(t, s); seq != 20 || !bytes.Equal(got, old) {
		t.Fatalf("after a torn write: sequence %d, %d bytes", seq, len(got))
	}

	// A chunk that is gone makes the one before the last whole one.
	save(t, s, 30, noise(2*chunkSize))
	m, err := s.checkpoints.GetLastMsgForSubject(t.Context(), names.CheckpointPrefix+"engine.manifest")
	var manifest struct {
		Seq    uint64
		Chunks []struct{ Seq uint64 }
	}
	if err == nil {
		err = json.Unmarshal(m.Data, &manifest)
	}
	if err != nil || manifest.Seq != 30 {
		t.Fatal(manifest, err)
	}
	if err := s.checkpoints.DeleteMsg(t.Context(), manifest.Chunks[1].Seq); err != nil {
		t.Fatal(err)
	}
	if seq, got := load(t, s); seq != 20 || !bytes.Equal(got, old) {
		t.Errorf("with a lost chunk: sequence %d, %d bytes", seq, len(got))
	}

	// A reader's own error is its own: no older state for a newer program.
	mine := errors.New("unknown state")
	calls := 0
	save(t, s, 40, []byte("x"))
	if _, err := s.LoadCheckpoint(t.Context(), "engine", func(uint64, io.Reader) error { calls++; return mine }); !errors.Is(err, mine) || calls != 1 {
		t.Errorf("%d calls, %v", calls, err)
	}
}

// A process that was stopped while it saved, and goes on after another has saved,
// replaces nothing.
func TestCheckpointOfAnotherProcessStays(t *testing.T) {
	t.Parallel()
	s := open(t, Config{})
	saveState(t, s, 1, "first")
	err := s.SaveCheckpoint(t.Context(), "engine", 2, func(w io.Writer) error {
		saveState(t, s, 7, "of the other")
		saveState(t, s, 8, "of the other, later")
		_, err := io.WriteString(w, "late")
		return err
	})
	if !errors.Is(err, ErrConflict) {
		t.Errorf("got %v, want a conflict", err)
	}
	if seq, state := loadState(t, s); seq != 8 || state != "of the other, later" {
		t.Errorf("in force is %d %q", seq, state)
	}
	saveState(t, s, 9, "next")
	if seq, state := loadState(t, s); seq != 9 || state != "next" {
		t.Errorf("in force is %d %q", seq, state)
	}
}
