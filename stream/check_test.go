package stream

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"callwatch/stream/blocks"
	"callwatch/stream/embedded"
	"callwatch/stream/names"
)

// removals are the ways in which messages leave a stream on purpose. Each works on
// the dead letters, of which there are 40 in 40 subjects, or says where it works.
func removals() map[string]func(ctx context.Context, s *Store) (stream string, err error) {
	each := func(remove func(context.Context, uint64) error, seqs ...uint64) func(context.Context) error {
		return func(ctx context.Context) error {
			for _, seq := range seqs {
				if err := remove(ctx, seq); err != nil {
					return fmt.Errorf("%d: %w", seq, err)
				}
			}
			return nil
		}
	}
	return map[string]func(context.Context, *Store) (string, error){
		"erased inside": func(ctx context.Context, s *Store) (string, error) {
			return names.DeadStream, each(s.dead.SecureDeleteMsg, 3, 7, 8, 9)(ctx)
		},
		"erased at the ends": func(ctx context.Context, s *Store) (string, error) {
			return names.DeadStream, each(s.dead.SecureDeleteMsg, 1, 2, 39, 40)(ctx)
		},
		"all erased": func(ctx context.Context, s *Store) (string, error) {
			for seq := range uint64(40) {
				if err := s.dead.SecureDeleteMsg(ctx, seq+1); err != nil {
					return "", err
				}
			}
			return names.DeadStream, nil
		},
		"tombstoned": func(ctx context.Context, s *Store) (string, error) {
			return names.DeadStream, each(s.dead.DeleteMsg, 20, 1, 40, 5, 4)(ctx)
		},
		"a subject purged": func(ctx context.Context, s *Store) (string, error) {
			return names.DeadStream, s.dead.Purge(ctx, jetstream.WithPurgeSubject(names.DeadPrefix+"7"))
		},
		"purged to a sequence": func(ctx context.Context, s *Store) (string, error) {
			return names.DeadStream, s.dead.Purge(ctx, jetstream.WithPurgeSequence(30))
		},
		"purged": func(ctx context.Context, s *Store) (string, error) {
			return names.DeadStream, s.dead.Purge(ctx)
		},
		"purged and written": func(ctx context.Context, s *Store) (string, error) {
			if err := s.dead.Purge(ctx); err != nil {
				return "", err
			}
			return names.DeadStream, publishDead(ctx, s, 3, 300)
		},
		"compacted": func(ctx context.Context, s *Store) (string, error) {
			const n = 5000 // more than a block of the server's
			if err := publishDead(ctx, s, n, 3000); err != nil {
				return "", err
			}
			for seq := uint64(41); seq <= n-100; seq++ {
				if seq%3 == 0 {
					continue
				}
				if err := s.dead.DeleteMsg(ctx, seq); err != nil {
					return "", err
				}
			}
			info, err := os.Stat(filepath.Join(blocks.StreamsDir(s.cfg.Dir), names.DeadStream, "msgs", "1.blk"))
			if err == nil && info.Size() > 6<<20 {
				err = fmt.Errorf("the first block still has %d bytes: it was not compacted", info.Size())
			}
			return names.DeadStream, err
		},
		"keys deleted and expired": func(ctx context.Context, s *Store) (string, error) {
			b, err := s.Bucket(ctx, "things")
			if err != nil {
				return "", err
			}
			for i := range 10 {
				if _, _, err := b.SaveFor(ctx, fmt.Sprint("key", i), []byte(`{"a":1}`), 0, time.Duration(i%2)*time.Second); err != nil {
					return "", err
				}
			}
			for i := range 3 {
				if err := b.Delete(ctx, fmt.Sprint("key", i)); err != nil {
					return "", err
				}
				if err := b.Delete(ctx, fmt.Sprint("key", i+4)); err != nil {
					return "", err
				}
			}
			for { // the server puts a marker in the place of an expired value
				keys, err := b.Keys(ctx, "key")
				if err != nil || len(keys) == 1 {
					return names.BucketStreamPrefix + names.BucketPrefix + "things", err
				}
			}
		},
		"frames rewritten": func(ctx context.Context, s *Store) (string, error) {
			for i := range 10 {
				if _, err := s.Append(ctx, record(i)); err != nil {
					return "", err
				}
			}
			_, err := s.EraseRecords(ctx, []Position{{Seq: 2}, {Seq: 5}, {Seq: 10}})
			return names.RawStream, err
		},
		"events erased": func(ctx context.Context, s *Store) (string, error) {
			if _, _, _, err := s.LastPublished(ctx); err != nil {
				return "", err
			}
			if err := s.PublishEvents(ctx, someEvents(10)); err != nil {
				return "", err
			}
			return names.EventStream, s.EraseEvents(ctx, time.Unix(1760000000, 0), []uint64{1, 4, 10})
		},
	}
}

func publishDead(ctx context.Context, s *Store, n, size int) error {
	for i := range n {
		m := &nats.Msg{Subject: names.DeadPrefix + fmt.Sprint(i), Data: fmt.Appendf(nil, "%q", bytes.Repeat([]byte("x"), size)), Header: nats.Header{"callwatch-number": {fmt.Sprint(i)}}}
		if _, err := s.conn.JS.PublishMsg(ctx, m); err != nil {
			return err
		}
	}
	return nil
}

// TestRemovedIsNotDamaged: what was removed on purpose is no flaw, after a stop and
// after a crash, and one flipped bit beside it is still found.
func TestRemovedIsNotDamaged(t *testing.T) {
	t.Parallel()
	for name, remove := range removals() {
		t.Run(name, func(t *testing.T) {
			if testing.Short() && name == "compacted" {
				t.Skip("takes half a minute")
			}
			t.Parallel()
			dice := rand.New(rand.NewPCG(1, 2))
			dir := t.TempDir()
			s := open(t, Config{Dir: dir, Durability: OS})
			if err := publishDead(t.Context(), s, 40, 200); err != nil {
				t.Fatal(err)
			}
			stream, err := remove(t.Context(), s)
			if err != nil {
				t.Fatal(err)
			}
			closeStore(t, s)
			files, err := blocks.Files(filepath.Join(blocks.StreamsDir(dir), stream, "msgs"))
			if err != nil || len(files) == 0 {
				t.Fatalf("no blocks: %v", err)
			}
			checkFlaws(t, dir, 0)
			flipped := 0
			for _, file := range files {
				whole, err := os.ReadFile(file.Path)
				if err != nil {
					t.Fatal(err)
				}
				records := recordsOf(whole)
				for i := range min(20, len(records)) {
					at := records[dice.IntN(len(records))]
					bit := dice.IntN(8 * (blocks.HeaderSize + 8))
					if i < 10 {
						bit = 8 * 20 // of the subject's length, which the hash does not cover
					}
					b := bytes.Clone(whole)
					b[at+bit/8] ^= 1 << (bit % 8)
					writeFile(t, file.Path, b)
					checkFlaws(t, dir, 1)
					if now, err := os.ReadFile(file.Path); !errors.Is(err, fs.ErrNotExist) && (err != nil || !bytes.Equal(now, b)) { // or moved aside
						t.Errorf("the check changed %s, %v", file.Path, err)
					}
					writeFile(t, file.Path, whole)
					flipped++
				}
			}
			if flipped == 0 {
				t.Error("no bit was flipped")
			}
			s = open(t, Config{Dir: dir})
			flaws := slices.DeleteFunc(s.Health(t.Context()).Flaws, func(f Flaw) bool { return f.Stream != stream })
			if len(flaws) > 0 {
				t.Errorf("flaws %+v", flaws)
			}
		})
	}
}

// TestDamageBeforeTombstone: a tombstone behind damage does not tell which sequence
// comes next.
func TestDamageBeforeTombstone(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, Config{Dir: dir})
	if err := publishDead(t.Context(), s, 10, 200); err != nil {
		t.Fatal(err)
	}
	if err := s.dead.DeleteMsg(t.Context(), 2); err != nil {
		t.Fatal(err)
	}
	closeStore(t, s)
	file := filepath.Join(blocks.StreamsDir(dir), names.DeadStream, "msgs", "1.blk")
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	at := recordsOf(b)[9]
	clear(b[at+100 : at+120])
	writeFile(t, file, b)
	found := flawsIn(t, dir)
	if len(found) != 1 || found[0].First != 10 || found[0].Last != 10 {
		t.Errorf("found %+v; want sequence 10 lost", found)
	}
}

// flawsIn checks all blocks of a closed store.
func flawsIn(t *testing.T, dir string) (found []Flaw) {
	t.Helper()
	c := &blocks.Checker{Dir: dir, Marks: embedded.ReadMarks(dir), Log: slog.New(slog.DiscardHandler), Found: func(f Flaw) {
		if !slices.Contains(found, f) { // both look at it after a crash
			found = append(found, f)
		}
	}}
	if _, err := c.Older(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := c.BeforeStart(); err != nil {
		t.Fatal(err)
	}
	return found
}

func checkFlaws(t *testing.T, dir string, want int) {
	t.Helper()
	if found := flawsIn(t, dir); len(found) != want {
		t.Fatalf("flaws %+v; want %d", found, want)
	}
}

func writeFile(t *testing.T, name string, b []byte) {
	t.Helper()
	if err := os.WriteFile(name, b, 0o600); err != nil {
		t.Fatal(err)
	}
}
