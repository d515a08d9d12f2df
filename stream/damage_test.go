package stream

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"callwatch/stream/blocks"
	"callwatch/stream/frame"
	"callwatch/stream/names"
)

// TestChild is the process that TestKillLosesNothing kills: it appends as fast
// as it can and prints what was acknowledged.
func TestChild(t *testing.T) {
	dir := os.Getenv("CALLWATCH_TEST_CHILD")
	if dir == "" {
		t.Skip("runs as a child of TestKillLosesNothing")
	}
	s, err := Open(t.Context(), Config{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	var wg sync.WaitGroup
	for w := range 32 {
		wg.Go(func() {
			for i := w; ; i += 32 {
				r := record(i)
				r.CallID = fmt.Sprintf("call-%d-%d", os.Getpid(), i)
				id, err := s.Append(t.Context(), r)
				if err != nil {
					return
				}
				mu.Lock()
				fmt.Println("ack", id, r.CallID)
				mu.Unlock()
			}
		})
	}
	wg.Wait()
}

func TestKillLosesNothing(t *testing.T) {
	if testing.Short() {
		t.Skip("takes long")
	}
	t.Parallel()
	dir := t.TempDir()
	acked := map[string]string{}
	for range 4 {
		cmd := exec.Command(os.Args[0], "-test.run=^TestChild$")
		cmd.Env = append(os.Environ(), "CALLWATCH_TEST_CHILD="+dir)
		cmd.Stderr = os.Stderr
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		enough := len(acked) + 2000 + rand.IntN(2000)
		lines := bufio.NewScanner(out)
		for lines.Scan() {
			if f := strings.Fields(lines.Text()); len(f) == 3 && f[0] == "ack" {
				acked[f[1]] = f[2]
			}
			if len(acked) == enough {
				if err := cmd.Process.Kill(); err != nil { // lines that are in the pipe still count
					t.Fatal(err)
				}
			}
		}
		_ = cmd.Wait()
		if len(acked) < enough {
			t.Fatalf("the child stopped after %d of %d", len(acked), enough)
		}
	}
	s := open(t, Config{Dir: dir})
	stored := map[string]string{}
	last := s.raw.CachedInfo().State.LastSeq
	enough := errors.New("enough")
	if _, err := s.Append(t.Context(), record(0)); err != nil { // the end mark
		t.Fatal(err)
	}
	err := s.Records(t.Context(), Position{}, func(records []Record) error {
		for _, r := range records {
			if r.At.Seq > last {
				return enough
			}
			stored[r.ID()] = r.CallID
		}
		return nil
	}, func(d *Damage) { t.Error(d) })
	if !errors.Is(err, enough) {
		t.Fatal(err)
	}
	for id, call := range acked {
		if stored[id] != call {
			t.Fatalf("acknowledged %s %s, stored %q", id, call, stored[id])
		}
	}
	t.Logf("%d acknowledged, %d stored, 0 lost", len(acked), len(stored))
}

const damageFrames = 60

// writeFrames makes a closed store of damageFrames frames and one event of the last.
func writeFrames(t *testing.T) (dir string) {
	t.Helper()
	const frames = damageFrames
	source := t.TempDir()
	s := open(t, Config{Dir: source})
	for i := range frames {
		r := record(i)
		r.Body = noise(2000)
		if _, err := s.Append(t.Context(), r); err != nil {
			t.Fatal(err)
		}
	}
	if _, _, _, err := s.LastPublished(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := s.PublishEvents(t.Context(), []Event{event(frames, 0)}); err != nil {
		t.Fatal(err)
	}
	closeStore(t, s)
	return source
}

// flip flips one bit of RAW in a copy of a closed store; pick chooses it among
// the bits of the block, given where its records begin.
func flip(t *testing.T, source string, pick func(block []byte, records []int) (bit int)) (dir, index string, bit int) {
	t.Helper()
	dir = t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(source)); err != nil {
		t.Fatal(err)
	}
	msgs := filepath.Join(dir, "jetstream", "$G", "streams", names.RawStream, "msgs")
	block := filepath.Join(msgs, "1.blk")
	content, err := os.ReadFile(block)
	if err != nil {
		t.Fatal(err)
	}
	bit = pick(content, recordsOf(content))
	content[bit/8] ^= 1 << (bit % 8)
	if err := os.WriteFile(block, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return dir, filepath.Join(msgs, "index.db"), bit
}

// recordsOf is where the records of an undamaged block begin.
func recordsOf(block []byte) (at []int) {
	for i := 0; i < len(block); i += int(binary.LittleEndian.Uint32(block[i:]) &^ (1 << 31)) {
		at = append(at, i)
	}
	return at
}

// TestBitFlips flips one bit in a copy of a closed store's block, many times, those
// of sequences and lengths among them: the frame that has it is named, and no other
// is lost.
func TestBitFlips(t *testing.T) {
	if testing.Short() {
		t.Skip("takes long")
	}
	t.Parallel()
	source := writeFrames(t)
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 1))
	for i := range 30 {
		dir, index, bit := flip(t, source, func(block []byte, records []int) int {
			if i < 15 {
				return rnd.IntN(8 * len(block))
			}
			return 8*records[rnd.IntN(len(records))] + rnd.IntN(8*blocks.HeaderSize)
		})
		if i%2 == 1 { // as after a crash: the server reads all blocks at its start
			if err := os.Remove(index); err != nil {
				t.Fatal(err)
			}
		}
		lost, flaws := checkDamage(t, dir)
		if lost != 1 || len(flaws) != 1 || flaws[0].First != flaws[0].Last || flaws[0].Kept == "" || !strings.Contains(flaws[0].Error(), "raw") {
			t.Errorf("bit %d: %d frames lost, flaws %+v", bit, lost, flaws)
		}
	}
}

// TestDamagedBlocks: what is damaged is named, and nothing beside it is lost.
func TestDamagedBlocks(t *testing.T) {
	if testing.Short() {
		t.Skip("takes long")
	}
	t.Parallel()
	source := writeFrames(t)
	noise := rand.NewChaCha8([32]byte{1})
	for name, c := range map[string]struct {
		spoil func(block []byte, records []int) []byte
		lost  uint64
	}{
		"a record":   {func(b []byte, r []int) []byte { _, _ = noise.Read(b[r[20]+100 : r[20]+200]); return b }, 1},
		"a header":   {func(b []byte, r []int) []byte { _, _ = noise.Read(b[r[20] : r[20]+blocks.HeaderSize]); return b }, 1},
		"two":        {func(b []byte, r []int) []byte { _, _ = noise.Read(b[r[30]-50 : r[30]+50]); return b }, 2},
		"the first":  {func(b []byte, _ []int) []byte { _, _ = noise.Read(b[30:80]); return b }, 1},
		"the last":   {func(b []byte, r []int) []byte { _, _ = noise.Read(b[r[damageFrames-1]+99:][:50]); return b }, 1},
		"the end":    {func(b []byte, r []int) []byte { return b[:r[50]+40] }, 10},
		"zeros":      {func(b []byte, r []int) []byte { clear(b[r[10]:r[13]]); return b }, 3},
		"everything": {func(b []byte, _ []int) []byte { return b[:0] }, damageFrames},
	} {
		t.Run(name, func(t *testing.T) {
			dir, _, _ := flip(t, source, func([]byte, []int) int { return 0 })
			file := filepath.Join(blocks.StreamsDir(dir), names.RawStream, "msgs", "1.blk")
			b, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			b[0] ^= 1
			if err := os.WriteFile(file, c.spoil(b, recordsOf(b)), 0o600); err != nil {
				t.Fatal(err)
			}
			lost, flaws := checkDamage(t, dir)
			named := uint64(0)
			for _, f := range flaws {
				if f.Last >= f.First {
					named += f.Last - f.First + 1
				}
			}
			if lost != c.lost || named != c.lost {
				t.Errorf("%d frames lost, %d named, want %d: %+v", lost, named, c.lost, flaws)
			}
		})
	}
}

// TestDamagedDescription: a stream whose description is damaged must not be taken
// for one that does not exist.
func TestDamagedDescription(t *testing.T) {
	t.Parallel()
	dir := writeFrames(t)
	file := filepath.Join(blocks.StreamsDir(dir), names.RawStream, "meta.inf")
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	write := func(change func([]byte)) {
		t.Helper()
		c := slices.Clone(b)
		change(c)
		if err := os.WriteFile(file, c, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, change := range []func([]byte){func(c []byte) { c[30] ^= 4 }, func(c []byte) { clear(c[30:60]) }} {
		write(change)
		if lost, flaws := checkDamage(t, dir); lost != 0 || len(flaws) != 1 || !flaws[0].Restored {
			t.Errorf("%d frames lost, flaws %+v", lost, flaws)
		}
	}
	write(func(c []byte) { clear(c[30:60]) })
	if err := os.RemoveAll(filepath.Join(dir, blocks.DescriptionsDir)); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(t.Context(), Config{Dir: dir}); err == nil || !strings.Contains(err.Error(), names.RawStream) {
		t.Errorf("opened, %v", err)
	}
}

// checkDamage opens a damaged store, and returns how many of its frames are named
// as lost to a reader, and what was found in the files.
func checkDamage(t *testing.T, dir string) (lost uint64, flaws []Flaw) {
	t.Helper()
	s := open(t, Config{Dir: dir, Log: slog.New(slog.DiscardHandler)})
	defer closeStore(t, s)
	mark, err := s.Append(t.Context(), record(0))
	if err != nil {
		t.Fatal(err)
	}
	at, err := frame.ParsePosition(mark)
	if err != nil {
		t.Fatal(err)
	}
	if at.Seq <= damageFrames {
		t.Errorf("sequence %d is given a second time", at.Seq)
	}
	enough := errors.New("enough")
	read := uint64(0)
	ctx, cancel := context.WithTimeout(t.Context(), 40*time.Second)
	defer cancel()
	err = s.Records(ctx, Position{Seq: 1}, func(records []Record) error {
		for _, r := range records {
			if r.At == at {
				return enough
			}
			if r.At.Seq <= damageFrames {
				read++
			}
		}
		return nil
	}, func(d *Damage) { lost += d.Last - d.First + 1 })
	if !errors.Is(err, enough) || read+lost != damageFrames {
		t.Errorf("%d read, %d named as lost of %d: %v", read, lost, damageFrames, err)
	}
	return lost, s.Health(t.Context()).Flaws
}

// TestDamagedFrame: a frame whose checksum differs is named and passed over.
func TestDamagedFrame(t *testing.T) {
	t.Parallel()
	s := open(t, Config{})
	if _, err := s.Append(t.Context(), record(1)); err != nil {
		t.Fatal(err)
	}
	bad := s.codec.Encode(nil, frame.AppendRecord(nil, &Record{Body: []byte("x")}), 1)
	bad[len(bad)/2] ^= 1
	if _, err := s.conn.JS.Publish(t.Context(), names.RawSubject, bad); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Append(t.Context(), record(3)); err != nil {
		t.Fatal(err)
	}
	var damage []*Damage
	var calls []string
	enough := errors.New("enough")
	err := s.Records(t.Context(), Position{}, func(records []Record) error {
		for _, r := range records {
			calls = append(calls, r.CallID)
		}
		if len(calls) == 2 {
			return enough
		}
		return nil
	}, func(d *Damage) { damage = append(damage, d) })
	if !errors.Is(err, enough) || fmt.Sprint(calls) != "[call-1 call-3]" {
		t.Errorf("read %v, %v", calls, err)
	}
	if len(damage) != 1 || damage[0].First != 2 || damage[0].Last != 2 || !errors.Is(damage[0], frame.ErrDamaged) {
		t.Errorf("damage %v", damage)
	}
	var d *Damage
	if _, err := s.Record(t.Context(), "2.0"); !errors.As(err, &d) || d.First != 2 {
		t.Errorf("record 2.0: %v", err)
	}
}

// TestDamageInOldBlocks: after a clean stop the start does not wait for the check of old
// blocks, and what it finds is named while webhooks are taken; after a crash they are checked
// before the server reads them and drops what is behind the damage. No other frame is lost.
func TestDamageInOldBlocks(t *testing.T) {
	if testing.Short() {
		t.Skip("takes long")
	}
	t.Parallel()
	const frames = 30
	source := t.TempDir()
	earlier := filepath.Join(t.TempDir(), "index.db")
	msgs := func(dir string) string { return filepath.Join(blocks.StreamsDir(dir), names.RawStream, "msgs") }
	for part := range 2 {
		s := open(t, Config{Dir: source, Durability: OS})
		for i := range frames / 2 {
			r := record(part*frames/2 + i)
			r.Body = noise(500_000)
			if _, err := s.Append(t.Context(), r); err != nil {
				t.Fatal(err)
			}
		}
		closeStore(t, s)
		if part == 0 {
			if err := os.Link(filepath.Join(msgs(source), "index.db"), earlier); err != nil {
				t.Fatal(err)
			}
		}
	}
	for name, crashed := range map[string]func(index string) error{
		"clean stop": func(string) error { return nil },
		"no index":   os.Remove,
		"old index": func(index string) error {
			old, err := os.ReadFile(earlier)
			if err == nil {
				err = os.WriteFile(index, old, 0o600)
			}
			before := time.Now().Add(-time.Hour)
			return errors.Join(err, os.Chtimes(index, before, before))
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			if err := os.CopyFS(dir, os.DirFS(source)); err != nil {
				t.Fatal(err)
			}
			files, err := blocks.Files(msgs(dir))
			if err != nil || len(files) < 3 {
				t.Fatalf("%d files, %v", len(files), err)
			}
			if err := crashed(filepath.Join(msgs(dir), "index.db")); err != nil {
				t.Fatal(err)
			}
			for i, bit := range []int{8*200_000 + 3, 8 * 20} { // of a body; of the length of a subject
				written, err := os.Stat(files[i].Path)
				if err != nil {
					t.Fatal(err)
				}
				b, err := os.ReadFile(files[i].Path)
				if err != nil {
					t.Fatal(err)
				}
				b[bit/8] ^= 1 << (bit % 8)
				writeFile(t, files[i].Path, b)
				if err := os.Chtimes(files[i].Path, written.ModTime(), written.ModTime()); err != nil {
					t.Fatal(err)
				}
			}
			s := open(t, Config{Dir: dir, Durability: OS})
			waitFor(t, func() bool { return len(s.Health(t.Context()).Flaws) == 2 })
			waitFor(t, func() bool { _, err := s.Append(t.Context(), record(1)); return err == nil })
			for _, f := range s.Health(t.Context()).Flaws {
				if f.First != f.Last || f.Stream != names.RawStream || f.Kept == "" {
					t.Errorf("flaw %+v", f)
				}
			}
			waitFor(t, func() bool {
				read := map[uint64]bool{}
				lost := uint64(0)
				err := s.StoredRecords(t.Context(), Position{Seq: 1}, func(records []Record) error {
					for _, r := range records {
						read[r.At.Seq] = true
					}
					return nil
				}, func(d *Damage) { lost += d.Last - d.First + 1 })
				n := 0
				for seq := range uint64(frames) {
					if read[seq+1] {
						n++
					}
				}
				return err == nil && n == frames-2 && lost == 2
			})
		})
	}
}

// A stream whose files are gone is named, and none of its sequences is given again.
func TestMissingStream(t *testing.T) {
	t.Parallel()
	dir := writeFrames(t)
	if err := os.RemoveAll(filepath.Join(blocks.StreamsDir(dir), names.RawStream)); err != nil {
		t.Fatal(err)
	}
	lost, flaws := checkDamage(t, dir)
	if lost != damageFrames || len(flaws) != 1 || flaws[0].Stream != names.RawStream || flaws[0].First != 1 || flaws[0].Last != damageFrames {
		t.Errorf("%d frames lost, flaws %+v", lost, flaws)
	}
	if _, flaws := checkDamage(t, dir); len(flaws) != 0 {
		t.Errorf("at the next start: %+v", flaws)
	}
}

// A bucket whose files are gone is named, once.
func TestMissingBucket(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, Config{Dir: dir})
	b, err := s.Bucket(t.Context(), "notifier")
	if err != nil {
		t.Fatal(err)
	}
	if _, ok, err := b.Save(t.Context(), "k", []byte("v"), 0); !ok || err != nil {
		t.Fatal(ok, err)
	}
	closeStore(t, s)
	name := names.BucketStreamPrefix + names.BucketPrefix + "notifier"
	if err := os.RemoveAll(filepath.Join(blocks.StreamsDir(dir), name)); err != nil {
		t.Fatal(err)
	}
	for i, want := range []int{1, 0} {
		s := open(t, Config{Dir: dir, Log: slog.New(slog.DiscardHandler)})
		if flaws := s.Health(t.Context()).Flaws; len(flaws) != want || want > 0 && flaws[0].Stream != name {
			t.Errorf("start %d: flaws %+v", i, flaws)
		}
		closeStore(t, s)
	}
}
