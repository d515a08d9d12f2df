package blocks

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"callwatch/stream/disk"
	"callwatch/stream/names"
)

// Flaw is damage found in the files of the embedded server.
type Flaw struct {
	Stream      string
	File        string // below the data directory
	Offset      int64
	First, Last uint64 // sequences that are lost; none when Last is below First
	Torn        bool   // the end of a write that was cut off: nobody was told that it is stored
	Restored    bool   // the description of a stream was restored from its copy
	Unplaced    bool   // webhooks are lost that had been taken while the store was opened
	Kept        string // copy of the damaged block, below the data directory
}

func (f *Flaw) Error() string {
	where := fmt.Sprintf("%s, %s at byte %d", names.Short(f.Stream), f.File, f.Offset)
	if f.Kept != "" {
		where += ", a copy of the block is " + f.Kept
	}
	switch {
	case f.Restored:
		return "a damaged description was restored: " + where
	case f.Unplaced:
		return "damaged, webhooks taken while the store was opened are lost: " + where
	case f.Torn:
		return "an unfinished write was dropped: " + where
	case f.Last < f.First:
		return "damaged, nothing is lost: " + where
	default:
		return fmt.Sprintf("damaged and lost: sequences %d to %d of %s", f.First, f.Last, where)
	}
}

// QuarantineDir holds copies of damaged blocks: a person may still read in them.
const QuarantineDir = "damaged"

const (
	// Round is the time between two checks of all blocks.
	Round = 24 * time.Hour

	checkTries = 3 // a block may be rewritten while it is read
	checkAgain = 200 * time.Millisecond
	// checkShare bounds the time that checking takes: it rests so many times as long
	// as it works.
	checkShare = 2
	checkRest  = 100 * time.Millisecond
)

// StreamsDir is where the embedded server keeps its streams.
func StreamsDir(dir string) string { return filepath.Join(dir, "jetstream", "$G", "streams") }

// Checker looks for damage in the blocks of a data directory. It never changes them.
type Checker struct {
	Dir   string
	Marks map[string]uint64 // last sequence of each stream that is known to have been written
	Log   *slog.Logger
	Found func(Flaw)
	// aside are the blocks, by path, that must be moved away while the server is stopped,
	// and where to.
	aside map[string]string
}

// MoveAside moves the damaged blocks away that the server would take for sound.
func (c *Checker) MoveAside() error {
	for from, to := range c.aside {
		if err := os.Rename(from, to); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("move a damaged block aside: %w", err)
		}
	}
	c.aside = nil
	return nil
}

// Streams returns the names of the streams below a data directory.
func Streams(dir string) ([]string, error) {
	entries, err := os.ReadDir(StreamsDir(dir))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("check the store: %w", err)
	}
	var names []string
	for _, e := range entries {
		if e.IsDir() && !strings.HasPrefix(e.Name(), ".") {
			names = append(names, e.Name())
		}
	}
	return names, nil
}

// BeforeStart checks while the server does not run what it will read at its start: the
// description of each stream, its last block, and all blocks where the index is missing or
// older than they are, as after a crash: the server then drops the rest of a damaged block
// and does not report it. Other blocks are checked behind the start.
func (c *Checker) BeforeStart() error {
	streams, err := Streams(c.Dir)
	if err != nil {
		return err
	}
	c.gone(streams)
	for _, name := range streams {
		if err := c.description(name); err != nil {
			return err
		}
		blocks, err := c.blocks(name)
		if err != nil {
			return fmt.Errorf("check stream %s: %w", name, err)
		}
		if len(blocks) == 0 {
			continue
		}
		damaged, err := c.block(name, blocks[len(blocks)-1], true)
		if err == nil && !damaged {
			damaged, err = c.shorter(name, blocks)
		}
		if err == nil && (damaged || !c.indexed(name, blocks)) {
			var older bool
			older, err = c.all(name, blocks[:len(blocks)-1])
			damaged = damaged || older
		}
		if err != nil {
			return fmt.Errorf("check stream %s: %w", name, err)
		}
		if damaged {
			if err := DropIndex(c.Dir, name); err != nil {
				return err
			}
		}
	}
	return c.MoveAside()
}

// gone names the buckets and streams that were written and are not there any more: the
// server would make empty ones in their place. Those of webhooks, events and transitions
// are named by who gives them their length again.
func (c *Checker) gone(there []string) {
	for _, name := range slices.Sorted(maps.Keys(c.Marks)) {
		elsewhere := name == names.RawStream || name == names.EventStream || name == names.AlertStream || strings.Contains(name, ":") // about retention
		if last := c.Marks[name]; !elsewhere && last > 0 && !slices.Contains(there, name) {
			dir, _ := filepath.Rel(c.Dir, filepath.Join(StreamsDir(c.Dir), name))
			c.Found(Flaw{Stream: name, File: dir, First: 1, Last: last})
		}
	}
}

// indexed reports whether the server has an index of the blocks that is not older than they are.
func (c *Checker) indexed(stream string, blocks []File) bool {
	index, err := os.Stat(filepath.Join(StreamsDir(c.Dir), stream, "msgs", "index.db"))
	if err != nil {
		return false
	}
	for _, b := range slices.Backward(blocks) {
		if info, err := os.Stat(b.Path); err != nil || info.ModTime().After(index.ModTime()) {
			return false
		}
	}
	return true
}

// all checks blocks on all processors, while the server does not run.
func (c *Checker) all(stream string, blocks []File) (damaged bool, err error) {
	sound, errs := make([]bool, len(blocks)), make([]error, len(blocks))
	var next atomic.Int64
	var workers sync.WaitGroup
	for range min(runtime.GOMAXPROCS(0), len(blocks)) {
		workers.Go(func() {
			var r reader
			for i := int(next.Add(1)) - 1; i < len(blocks); i = int(next.Add(1)) - 1 {
				var b []byte
				if b, errs[i] = r.read(blocks[i].Path); errs[i] == nil {
					sound[i], errs[i] = soundBlock(stream, blocks[i], b)
				}
			}
		})
	}
	workers.Wait()
	if err := errors.Join(errs...); err != nil {
		return false, err
	}
	for i, file := range blocks {
		if !sound[i] {
			found, err := c.block(stream, file, false)
			if err != nil {
				return damaged, err
			}
			damaged = damaged || found
		}
	}
	return damaged, nil
}

// reader reads one file after the other into the same memory: new memory for each block
// takes as long as reading it.
type reader struct{ buf bytes.Buffer }

// read returns the content of a file, until the next call.
func (r *reader) read(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	r.buf.Reset()
	r.buf.Grow(int(info.Size()) + bytes.MinRead)
	_, err = r.buf.ReadFrom(f)
	return r.buf.Bytes(), err
}

// shorter reports whether the blocks end before a sequence that is known to have
// been written: the server's index may say otherwise.
func (c *Checker) shorter(stream string, blocks []File) (bool, error) {
	if c.Marks[stream] == 0 {
		return false, nil
	}
	for _, file := range slices.Backward(blocks) {
		last, err := lastInBlock(stream, file)
		if errors.Is(err, errCompressed) {
			return false, nil
		}
		if err != nil || last > 0 {
			return last < c.Marks[stream], err
		}
	}
	return true, nil
}

// errCompressed says that another server wrote a block.
var errCompressed = errors.New("the block is compressed")

// lastInBlock is the highest sequence in a block; 0 where there is none.
func lastInBlock(stream string, file File) (uint64, error) {
	b, err := os.ReadFile(file.Path)
	if err != nil {
		return 0, err
	}
	if bytes.HasPrefix(b, []byte("cmp")) {
		return 0, errCompressed
	}
	k, err := New(stream, file.Index)
	if err != nil {
		return 0, err
	}
	return k.lastOf(b), nil
}

// LastStored is the highest sequence in the blocks of a stream; 0 where there is none.
func LastStored(dir, stream string) (uint64, error) {
	blocks, err := (&Checker{Dir: dir}).blocks(stream)
	if err != nil {
		return 0, err
	}
	for _, file := range slices.Backward(blocks) {
		last, err := lastInBlock(stream, file)
		if errors.Is(err, errCompressed) {
			return 0, nil
		}
		if err != nil || last > 0 {
			return last, err
		}
	}
	return 0, nil
}

// DropIndex has the server read all blocks of a stream at its next start: then it
// compares all checksums, and drops the rest of a block from the damage on.
func DropIndex(dir, stream string) error {
	err := os.Remove(filepath.Join(StreamsDir(dir), stream, "msgs", "index.db"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// Older checks the blocks of all streams but the last of each, slowly, and returns
// the streams that have a damaged one.
func (c *Checker) Older(ctx context.Context) (damaged []string, err error) {
	names, err := Streams(c.Dir)
	if err != nil {
		return nil, err
	}
	var r reader
	for _, name := range names {
		blocks, err := c.blocks(name)
		if err != nil {
			return damaged, err
		}
		for i := 0; i < len(blocks)-1; i++ {
			begun := time.Now()
			bad, err := c.blockAtWork(ctx, name, blocks[i], &r)
			if err != nil {
				return damaged, err
			}
			if bad && !slices.Contains(damaged, name) {
				damaged = append(damaged, name)
			}
			select {
			case <-ctx.Done():
				return damaged, ctx.Err()
			case <-time.After(min(checkShare*time.Since(begun), checkRest)):
			}
		}
	}
	return damaged, nil
}

// blockAtWork checks a block that the running server may remove or rewrite.
func (c *Checker) blockAtWork(ctx context.Context, stream string, file File, r *reader) (bool, error) {
	for try := 1; ; try++ {
		b, err := r.read(file.Path)
		if errors.Is(err, fs.ErrNotExist) {
			return false, nil
		}
		if err != nil {
			return false, err
		}
		sound, err := soundBlock(stream, file, b)
		if err != nil || sound {
			return false, err
		}
		if try == checkTries {
			return c.block(stream, file, false)
		}
		select {
		case <-ctx.Done():
			return false, ctx.Err()
		case <-time.After(checkAgain):
		}
	}
}

func soundBlock(stream string, file File, b []byte) (bool, error) {
	if bytes.HasPrefix(b, []byte("cmp")) {
		return true, nil // compressed by another server: it has its own checks
	}
	k, err := New(stream, file.Index)
	return err == nil && len(k.flaws(b, 0)) == 0, err
}

// block checks one block, names what is damaged in it and keeps a copy.
func (c *Checker) block(stream string, file File, last bool) (damaged bool, err error) {
	b, err := os.ReadFile(file.Path)
	if err != nil {
		return false, err
	}
	if sound, err := soundBlock(stream, file, b); err != nil || sound {
		return false, err
	}
	k, err := New(stream, file.Index)
	if err != nil {
		return false, err
	}
	flaws := k.flaws(b, 0)
	name, _ := filepath.Rel(c.Dir, file.Path)
	if f := flaws[0]; last && len(flaws) == 1 && f.to == len(b) && c.Marks[stream] <= f.before && k.size(b[f.from:]) == 0 {
		c.Found(Flaw{Stream: stream, File: name, Offset: int64(f.from), Torn: true, First: 1})
		return false, nil // the server cuts it off
	}
	kept, err := c.keep(stream, file, b)
	if err != nil {
		return false, err
	}
	hidden := slices.ContainsFunc(flaws, func(f flaw) bool { return k.hidden(b[f.from:f.to]) })
	if hidden {
		if c.aside == nil {
			c.aside = map[string]string{}
		}
		c.aside[file.Path] = filepath.Join(c.Dir, kept)
	}
	for i, f := range flaws {
		x := Flaw{Stream: stream, File: name, Offset: int64(f.from), Kept: kept}
		x.First, x.Last = f.lost()
		if stream != names.RawStream { // the server drops what is behind; frames of RAW are stored again
			x.Last = max(x.Last, k.lastOf(b[f.to:]))
			if first := k.firstOf(b); hidden && first > 0 {
				x.First = min(x.First, first)
			}
		}
		if last {
			x.Last = max(x.Last, min(c.Marks[stream], f.maxLost()))
		}
		c.Found(x)
		if stream != names.RawStream && i == 0 {
			break
		}
	}
	return true, nil
}

// keep copies a damaged block.
func (c *Checker) keep(stream string, file File, b []byte) (string, error) {
	dir := filepath.Join(c.Dir, QuarantineDir)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", err
	}
	name := fmt.Sprintf("%s-%d.blk", stream, file.Index)
	if err := disk.Replace(filepath.Join(dir, name), b); err != nil {
		return "", fmt.Errorf("keep a damaged block: %w", err)
	}
	return filepath.Join(QuarantineDir, name), nil
}

// File is one block, of a number.
type File struct {
	Path  string
	Index int
}

// Files returns the blocks in a directory, in their order; none when there is no such
// directory.
func Files(dir string) ([]File, error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	var blocks []File
	for _, e := range entries {
		number, ok := strings.CutSuffix(e.Name(), ".blk")
		if index, err := strconv.Atoi(number); ok && err == nil {
			blocks = append(blocks, File{filepath.Join(dir, e.Name()), index})
		}
	}
	slices.SortFunc(blocks, func(a, b File) int { return a.Index - b.Index })
	return blocks, err
}

// blocks are those the server will read: of a purge that was cut off, what it was
// about to leave.
func (c *Checker) blocks(stream string) ([]File, error) {
	dir := filepath.Join(StreamsDir(c.Dir), stream)
	if left, err := Files(filepath.Join(dir, "__new_msgs__")); err != nil || len(left) > 0 {
		return left, err
	}
	return Files(filepath.Join(dir, "msgs"))
}
