package stream

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
)

// Flaw is damage found in the files of the embedded server.
type Flaw struct {
	Stream      string
	File        string // below the data directory
	Offset      int64
	First, Last uint64 // sequences concerned
	Mended      bool   // one flipped bit was set right and nothing is lost
	Torn        bool   // the end of a write that was cut off: nobody was told that it is stored
}

func (f *Flaw) Error() string {
	where := fmt.Sprintf("%s, %s at byte %d", strings.TrimPrefix(f.Stream, "CALLWATCH_"), f.File, f.Offset)
	switch {
	case f.Mended:
		return fmt.Sprintf("a flipped bit was set right: %s", where)
	case f.Torn:
		return fmt.Sprintf("an unfinished write was dropped: %s", where)
	case f.Last < f.First:
		return fmt.Sprintf("damaged, nothing is lost: %s", where)
	default:
		return fmt.Sprintf("damaged and lost: sequences %d to %d of %s", f.First, f.Last, where)
	}
}

// streamsDir is where the embedded server keeps its streams.
func streamsDir(dir string) string { return filepath.Join(dir, "jetstream", "$G", "streams") }

// mendStreams checks all blocks below dir while no server has them open, sets
// right what one flipped bit has damaged, and blanks what cannot be read, so that
// nothing beside it is lost. What is blanked is kept in dir/damaged.
func mendStreams(dir string, log *slog.Logger) ([]Flaw, error) {
	names, err := os.ReadDir(streamsDir(dir))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("check the store: %w", err)
	}
	marks := readMarks(dir)
	var (
		mu    sync.Mutex
		found []Flaw
		errs  []error
		group sync.WaitGroup
		slots = make(chan struct{}, 2)
	)
	for _, e := range names {
		if !e.IsDir() || strings.HasPrefix(e.Name(), ".") {
			continue
		}
		group.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			m := mender{dir: dir, stream: e.Name(), mark: marks[e.Name()]}
			err := m.run()
			mu.Lock()
			defer mu.Unlock()
			found, errs = append(found, m.found...), append(errs, err)
		})
	}
	group.Wait()
	for i := range found {
		level := slog.LevelError
		if found[i].Torn {
			level = slog.LevelWarn
		}
		log.Log(context.Background(), level, "store is damaged", "err", found[i].Error())
	}
	return found, errors.Join(errs...)
}

// mender checks one stream.
type mender struct {
	dir, stream string
	mark        uint64 // last sequence that is known to have been written
	last        uint64 // highest sequence found
	found       []Flaw
}

func (m *mender) run() error {
	if err := m.mendMeta(); err != nil {
		return err
	}
	blocks, err := m.blocks()
	if err != nil {
		return fmt.Errorf("check stream %s: %w", m.stream, err)
	}
	survey := m.survey(blocks)
	for i, b := range blocks {
		if survey[i].sound {
			m.last = max(m.last, survey[i].last)
			continue
		}
		if err := m.mendBlock(b, blocks[i+1:]); err != nil {
			return fmt.Errorf("check stream %s: %w", m.stream, err)
		}
	}
	return m.raise(blocks)
}

// mendBlock checks one block, before those behind it, and writes it again where
// it had to be changed.
func (m *mender) mendBlock(file blockFile, behind []blockFile) error {
	b, err := os.ReadFile(file.path)
	if err != nil {
		return err
	}
	if len(b) >= 3 && string(b[:3]) == "cmp" {
		return nil // compressed by another server: it has its own checks
	}
	k, err := newBlock(m.stream, file.index)
	if err != nil {
		return err
	}
	flaws := k.flaws(b, m.last)
	changed, lost := false, false
	whole, read := make([]byte, 0, len(b)), 0
	for _, f := range flaws {
		part := b[f.from:f.to]
		whole, read = append(whole, b[read:f.from]...), f.to
		found := Flaw{Stream: m.stream, Offset: int64(f.from)}
		found.File, _ = filepath.Rel(m.dir, file.path)
		switch {
		case k.mend(part):
			found.Mended, changed = true, true
		case f.after == 0 && len(behind) == 0 && m.mark <= f.before && k.size(part) == 0:
			found.Torn = true // the server cuts it off
		default:
			if err := m.keep(file, f, part); err != nil {
				return err
			}
			if f.after == 0 && f.to == len(b) {
				if f.after, err = m.firstOf(behind); err != nil {
					return err
				}
			}
			found.First, found.Last = f.lost()
			changed, lost = true, true
			// Shorter than a record is only the end of a block; without a number of
			// its own it was a note of the server's.
			if found.Last < found.First || !k.blank(part, found.Last, f.beforeStamp) {
				part = nil
			}
		}
		whole = append(whole, part...)
		m.found = append(m.found, found)
	}
	whole = append(whole, b[read:]...)
	m.last = max(m.last, k.lastOf(whole))
	if !changed {
		return nil
	}
	if lost { // it says what the blocks no longer hold
		if err := os.Remove(filepath.Join(filepath.Dir(file.path), "index.db")); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return replaceFile(file.path, whole)
}

// lost are the sequences that a damaged part had; none when last is below first.
func (f *flaw) lost() (first, last uint64) {
	switch {
	case f.after == 0:
		return f.before + 1, f.before + 1
	case f.before == 0:
		return f.after - 1, f.after - 1
	default:
		return f.before + 1, f.after - 1
	}
}

// lastOf is the highest sequence a block without flaws, but for its end, tells of:
// a tombstone's may be all that is left of a purged stream.
func (k *block) lastOf(b []byte) (last uint64) {
	for at := 0; at < len(b); {
		n := k.size(b[at:])
		if n == 0 {
			break
		}
		last = max(last, sequenceOf(b[at:])&^(erasedBit|tombstoneBit))
		at += n
	}
	return last
}

// keep saves damaged bytes: a person may still read in them.
func (m *mender) keep(file blockFile, f flaw, part []byte) error {
	dir := filepath.Join(m.dir, "damaged")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	name := fmt.Sprintf("%s-%d-%d", m.stream, file.index, f.from)
	return os.WriteFile(filepath.Join(dir, name), part, 0o600)
}

// raise gives a stream that has lost its end a record that says so: its sequences
// must not be given a second time.
func (m *mender) raise(blocks []blockFile) error {
	if m.last >= m.mark {
		return nil
	}
	file := blockFile{filepath.Join(streamsDir(m.dir), m.stream, "msgs", "1.blk"), 1}
	var b []byte
	if len(blocks) > 0 {
		file = blocks[len(blocks)-1]
		var err error
		if b, err = os.ReadFile(file.path); err != nil {
			return err
		}
	}
	k, err := newBlock(m.stream, file.index)
	if err != nil {
		return err
	}
	if flaws := k.flaws(b, 0); len(flaws) > 0 {
		b = b[:flaws[0].from] // a torn end
	}
	name, _ := filepath.Rel(m.dir, file.path)
	m.found = append(m.found, Flaw{Stream: m.stream, File: name, Offset: int64(len(b)), First: m.last + 1, Last: m.mark})
	end := make([]byte, emptyRecord)
	k.blank(end, m.mark, [8]byte{})
	if err := os.Remove(filepath.Join(filepath.Dir(file.path), "index.db")); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(file.path), 0o700); err != nil {
		return err
	}
	return replaceFile(file.path, append(b, end...))
}
