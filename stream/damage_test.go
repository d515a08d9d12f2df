package stream

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
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
	msgs := filepath.Join(dir, "jetstream", "$G", "streams", rawStream, "msgs")
	block := filepath.Join(msgs, "1.blk")
	content, err := os.ReadFile(block)
	if err != nil {
		t.Fatal(err)
	}
	var records []int
	for at := 0; at < len(content); at += int(binary.LittleEndian.Uint32(content[at:]) &^ (1 << 31)) {
		records = append(records, at)
	}
	bit = pick(content, records)
	content[bit/8] ^= 1 << (bit % 8)
	if err := os.WriteFile(block, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return dir, filepath.Join(msgs, "index.db"), bit
}

// TestBitFlips flips one bit in a copy of a closed store's block, many times:
// what is not read is named.
func TestBitFlips(t *testing.T) {
	source := writeFrames(t)
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 1))
	for i := range 12 {
		dir, index, bit := flip(t, source, func(block []byte, records []int) int {
			for {
				bit := rnd.IntN(8 * len(block))
				i, _ := slices.BinarySearch(records, bit/8+1)
				if offset := bit/8 - records[i-1]; offset < 4 || offset >= 12 {
					return bit // sequences have tests of their own
				}
			}
		})
		if i%2 == 1 { // as after a crash: the server reads all blocks at its start
			if err := os.Remove(index); err != nil {
				t.Fatal(err)
			}
		}
		checkDamage(t, dir, bit)
	}
}

// TestFlippedSequence: the server itself stumbles over a sequence that is not
// the next. It is started again, and what is lost is named.
func TestFlippedSequence(t *testing.T) {
	source := writeFrames(t)
	for _, record := range []int{10, 30, 40} {
		dir, _, bit := flip(t, source, func(_ []byte, records []int) int { return 8*(records[record]+4) + 5 })
		checkDamage(t, dir, bit)
	}
}

func checkDamage(t *testing.T, dir string, bit int) {
	t.Helper()
	s := open(t, Config{Dir: dir, Log: slog.New(slog.DiscardHandler)})
	defer closeStore(t, s)
	mark, err := s.Append(t.Context(), record(0))
	if err != nil {
		t.Fatal(err)
	}
	at, err := ParsePosition(mark)
	if err != nil {
		t.Fatal(err)
	}
	if at.Seq <= damageFrames {
		t.Errorf("bit %d: sequence %d is given a second time", bit, at.Seq)
	}
	enough := errors.New("enough")
	read, lost := uint64(0), uint64(0)
	ctx, cancel := context.WithTimeout(t.Context(), 40*time.Second)
	defer cancel()
	err = s.Records(ctx, Position{Seq: 1}, func(records []Record) error {
		for _, r := range records {
			if r.At == at {
				return enough
			}
			read++
		}
		return nil
	}, func(d *Damage) { lost += d.Last - d.First + 1 })
	if !errors.Is(err, enough) || read+lost != at.Seq-1 || lost == 0 {
		t.Errorf("bit %d: %d read, %d named as lost of %d: %v", bit, read, lost, at.Seq-1, err)
	}
	t.Logf("bit %d: %d read, %d named as lost", bit, read, lost)
}

// TestDamagedFrame: a frame whose checksum differs is named and passed over.
func TestDamagedFrame(t *testing.T) {
	s := open(t, Config{})
	if _, err := s.Append(t.Context(), record(1)); err != nil {
		t.Fatal(err)
	}
	bad := s.codec.encode(nil, appendRecord(nil, &Record{Body: []byte("x")}), 1)
	bad[len(bad)/2] ^= 1
	if _, err := s.js.Publish(t.Context(), rawSubject, bad); err != nil {
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
	if len(damage) != 1 || damage[0].First != 2 || damage[0].Last != 2 || !errors.Is(damage[0], errFrame) {
		t.Errorf("damage %v", damage)
	}
	var d *Damage
	if _, err := s.Record(t.Context(), "2.0"); !errors.As(err, &d) || d.First != 2 {
		t.Errorf("record 2.0: %v", err)
	}
}

func FuzzFrame(f *testing.F) {
	c, err := newCodec()
	if err != nil {
		f.Fatal(err)
	}
	r := record(3)
	small := appendRecord(nil, &r)
	f.Add(c.encode(nil, small, 1))
	f.Add(c.encode(nil, bytes.Repeat(small, 20), 20))
	f.Add(c.empty(0))
	f.Add(c.empty(flagLost))
	f.Fuzz(func(t *testing.T, frame []byte) {
		if _, err := c.decode(frame); err == nil && len(frame) < frameHeader+frameTrailer {
			t.Error("accepted", frame)
		}
		// The same bytes under a right checksum reach the parser.
		records, err := c.decode(c.seal(bytes.Clone(frame)))
		if err != nil {
			if records != nil {
				t.Error("records beside an error")
			}
			return
		}
		var payload []byte
		for i := range records {
			payload = appendRecord(payload, &records[i])
		}
		again, err := c.decode(c.encode(nil, payload, len(records)))
		if err != nil || len(again) != len(records) {
			t.Errorf("%d records came back as %d, %v", len(records), len(again), err)
		}
	})
}

// TestFrameCorpus prints how bodies of a folder compress, as single frames and
// in frames of many: CALLWATCH_CORPUS=folder go test -run TestFrameCorpus -v
func TestFrameCorpus(t *testing.T) {
	root := os.Getenv("CALLWATCH_CORPUS")
	if root == "" {
		t.Skip("CALLWATCH_CORPUS is not set")
	}
	c, err := newCodec()
	if err != nil {
		t.Fatal(err)
	}
	var plain, single, grouped, n int
	var payload []byte
	err = filepath.WalkDir(root, func(path string, e os.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		defer func() { _ = f.Close() }()
		b, err := io.ReadAll(io.LimitReader(f, 4<<20))
		if err != nil {
			return err
		}
		one := appendRecord(nil, &Record{Provider: filepath.Base(filepath.Dir(path)), Body: b})
		plain, n = plain+len(one), n+1
		single += len(c.encode(nil, one, 1))
		if payload = append(payload, one...); len(payload) > maxFrameSize {
			grouped += len(c.encode(nil, payload, 1))
			payload = payload[:0]
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	grouped += len(c.encode(nil, payload, 1))
	t.Logf("%d bodies, %d bytes: %.1f times smaller one by one, %.1f in full frames", n, plain, float64(plain)/float64(single), float64(plain)/float64(grouped))
}
