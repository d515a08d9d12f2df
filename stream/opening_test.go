package stream

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
)

// begin prepares a store on a directory.
func begin(t *testing.T, dir string) *Store {
	t.Helper()
	s, err := Begin(Config{Dir: dir, Reserve: 1})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// addEarly stores records from a number on, each in a frame of its own, and returns which was
// told which id.
func addEarly(t *testing.T, s *Store, from, n int) map[string]string {
	t.Helper()
	told := map[string]string{}
	for i := from; i < from+n; i++ {
		r := record(i)
		id, err := s.Append(t.Context(), r)
		if err != nil {
			t.Fatal(err)
		}
		told[id] = r.CallID
	}
	return told
}

// storedOnce checks that each record is stored once, under the id that was told, and nothing
// else but what was there before.
func storedOnce(t *testing.T, s *Store, told map[string]string) {
	t.Helper()
	got := map[string]string{}
	err := s.StoredRecords(t.Context(), Position{}, func(records []Record) error {
		for _, r := range records {
			if _, twice := got[r.ID()]; twice {
				t.Errorf("%s is read twice", r.ID())
			}
			got[r.ID()] = r.CallID
		}
		return nil
	}, func(d *Damage) { t.Error(d) })
	if err != nil {
		t.Fatal(err)
	}
	if !maps.Equal(got, told) {
		t.Errorf("stored are %v, told was %v", got, told)
	}
}

// A crash at any point while the early webhooks are moved leaves each of them stored once,
// under the id that its sender was told.
func TestEarlyWebhooksAreMovedOnce(t *testing.T) {
	t.Parallel()
	const n = 4
	for moved := 0; moved <= n; moved++ {
		t.Run(fmt.Sprint(moved), func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			file := filepath.Join(dir, earlyFile)
			s := open(t, Config{Dir: dir, Reserve: 1})
			told := addEarly(t, s, 100, 3)
			closeStore(t, s)

			s = begin(t, dir)
			var files [n + 1][]byte
			for i := range n {
				maps.Copy(told, addEarly(t, s, i, 1))
				b, err := os.ReadFile(file)
				if err != nil {
					t.Fatal(err)
				}
				files[i+1] = b
			}
			closeStore(t, s)
			if moved > 0 { // a start that moved so many and was killed then
				writeFile(t, file, files[moved])
				closeStore(t, open(t, Config{Dir: dir, Reserve: 1}))
			}
			writeFile(t, file, files[n])
			s = begin(t, dir)
			maps.Copy(told, addEarly(t, s, n, 2))
			if err := s.OpenStreams(t.Context()); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { closeStore(t, s) })
			maps.Copy(told, addEarly(t, s, n+2, 2))
			storedOnce(t, s, told)
			if _, err := os.Stat(file); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("the file is still there: %v", err)
			}
			if flaws := s.node.Flaws(); len(flaws) > 0 {
				t.Errorf("damage is named: %v", flaws)
			}
		})
	}
}

// Senders notice nothing of the moment when the streams are open.
func TestWebhooksWhileTheStoreOpens(t *testing.T) {
	s := begin(t, t.TempDir())
	var mu sync.Mutex
	told := map[string]string{}
	var senders sync.WaitGroup
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	for sender := range 8 {
		senders.Go(func() {
			for i := 0; ctx.Err() == nil || i < 20; i++ {
				r := record(sender*1_000_000 + i)
				id, err := s.Append(t.Context(), r)
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				told[id] = r.CallID
				mu.Unlock()
			}
		})
	}
	if err := s.OpenStreams(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closeStore(t, s) })
	stop()
	senders.Wait()
	storedOnce(t, s, told)
}

// A damaged entry is named, and the others are stored; a torn end is nothing that was told.
func TestDamagedEarlyWebhooks(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := begin(t, dir)
	told := addEarly(t, s, 0, 3)
	closeStore(t, s)
	file := filepath.Join(dir, earlyFile)
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	b[len(b)/2] ^= 8
	writeFile(t, file, append(b, b[:20]...))
	s = open(t, Config{Dir: dir, Reserve: 1})
	delete(told, "2.0")
	var damaged []string
	err = s.StoredRecords(t.Context(), Position{}, func(records []Record) error {
		for _, r := range records {
			if !slices.Contains([]string{"call-0", "call-2"}, r.CallID) {
				t.Errorf("%s is stored", r.CallID)
			}
		}
		return nil
	}, func(d *Damage) { damaged = append(damaged, d.Error()) })
	if err != nil {
		t.Fatal(err)
	}
	flaws := s.node.Flaws()
	if len(flaws) != 2 || !strings.Contains(flaws[0].Error(), "are lost: raw, early at byte") || !flaws[1].Torn {
		t.Errorf("named are %v", flaws)
	}
}

// What cannot be kept is refused, and the store opens all the same.
func TestEarlyWebhooksNeedRoom(t *testing.T) {
	t.Parallel()
	s, err := Begin(Config{Dir: t.TempDir(), Reserve: math.MaxInt64})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Append(t.Context(), record(1)); !errors.Is(err, ErrFull) {
		t.Errorf("with the disk at its reserve: %v", err)
	}
	if err := s.OpenStreams(t.Context()); err != nil {
		t.Fatal(err)
	}
	closeStore(t, s)

	s, err = Begin(Config{URL: "nats://127.0.0.1:1"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Append(t.Context(), record(1)); !errors.Is(err, ErrUnavailable) {
		t.Errorf("while a cluster is away: %v", err)
	}
	closeStore(t, s)
}
