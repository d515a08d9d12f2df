package stream

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Flaw is damage found in the files of the embedded server.
type Flaw struct {
	Stream      string
	File        string // below the data directory
	Offset      int64
	First, Last uint64 // sequences that are lost; none when Last is below First
	Torn        bool   // the end of a write that was cut off: nobody was told that it is stored
	Restored    bool   // the description of a stream was restored from its copy
	Kept        string // copy of the damaged block, below the data directory
}

func (f *Flaw) Error() string {
	where := fmt.Sprintf("%s, %s at byte %d", shortName(f.Stream), f.File, f.Offset)
	if f.Kept != "" {
		where += ", a copy of the block is " + f.Kept
	}
	switch {
	case f.Restored:
		return "a damaged description was restored: " + where
	case f.Torn:
		return "an unfinished write was dropped: " + where
	case f.Last < f.First:
		return "damaged, nothing is lost: " + where
	default:
		return fmt.Sprintf("damaged and lost: sequences %d to %d of %s", f.First, f.Last, where)
	}
}

// quarantineDir holds copies of damaged blocks: a person may still read in them.
const quarantineDir = "damaged"

const (
	checkRound = 24 * time.Hour // between two checks of all blocks
	checkTries = 3              // a block may be rewritten while it is read
	checkAgain = 200 * time.Millisecond
	// checkShare bounds the time that checking takes: it rests so many times as long
	// as it works.
	checkShare = 2
	checkRest  = 100 * time.Millisecond
)

// streamsDir is where the embedded server keeps its streams.
func streamsDir(dir string) string { return filepath.Join(dir, "jetstream", "$G", "streams") }

// checker looks for damage in the blocks of a data directory. It never changes them.
type checker struct {
	dir   string
	marks map[string]uint64 // last sequence of each stream that is known to have been written
	log   *slog.Logger
	found func(Flaw)
	// aside are the blocks, by path, that must be moved away while the server is stopped,
	// and where to.
	aside map[string]string
}

// moveAside moves the damaged blocks away that the server would take for sound.
func (c *checker) moveAside() error {
	for from, to := range c.aside {
		if err := os.Rename(from, to); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("move a damaged block aside: %w", err)
		}
	}
	c.aside = nil
	return nil
}

func streamNames(dir string) ([]string, error) {
	entries, err := os.ReadDir(streamsDir(dir))
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

// beforeStart checks what the server reads first while it does not run: the
// description of each stream and its last block. Older blocks are checked behind.
func (c *checker) beforeStart() error {
	names, err := streamNames(c.dir)
	if err != nil {
		return err
	}
	for _, name := range names {
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
		if err != nil {
			return fmt.Errorf("check stream %s: %w", name, err)
		}
		if damaged {
			if err := dropIndex(c.dir, name); err != nil {
				return err
			}
		}
	}
	return c.moveAside()
}

// shorter reports whether the blocks end before a sequence that is known to have
// been written: the server's index may say otherwise.
func (c *checker) shorter(stream string, blocks []blockFile) (bool, error) {
	if c.marks[stream] == 0 {
		return false, nil
	}
	for _, file := range slices.Backward(blocks) {
		b, err := os.ReadFile(file.path)
		if err != nil || bytes.HasPrefix(b, []byte("cmp")) {
			return false, err
		}
		k, err := newBlock(stream, file.index)
		if err != nil {
			return false, err
		}
		if last := k.lastOf(b); last > 0 {
			return last < c.marks[stream], nil
		}
	}
	return true, nil
}

// dropIndex has the server read all blocks of a stream at its next start: then it
// compares all checksums, and drops the rest of a block from the damage on.
func dropIndex(dir, stream string) error {
	err := os.Remove(filepath.Join(streamsDir(dir), stream, "msgs", "index.db"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// older checks the blocks of all streams but the last of each, slowly, and returns
// the streams that have a damaged one.
func (c *checker) older(ctx context.Context) (damaged []string, err error) {
	names, err := streamNames(c.dir)
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		blocks, err := c.blocks(name)
		if err != nil {
			return damaged, err
		}
		for i := 0; i < len(blocks)-1; i++ {
			begun := time.Now()
			bad, err := c.blockAtWork(ctx, name, blocks[i])
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
func (c *checker) blockAtWork(ctx context.Context, stream string, file blockFile) (bool, error) {
	for try := 1; ; try++ {
		b, err := os.ReadFile(file.path)
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

func soundBlock(stream string, file blockFile, b []byte) (bool, error) {
	if bytes.HasPrefix(b, []byte("cmp")) {
		return true, nil // compressed by another server: it has its own checks
	}
	k, err := newBlock(stream, file.index)
	return err == nil && len(k.flaws(b, 0)) == 0, err
}

// block checks one block, names what is damaged in it and keeps a copy.
func (c *checker) block(stream string, file blockFile, last bool) (damaged bool, err error) {
	b, err := os.ReadFile(file.path)
	if err != nil {
		return false, err
	}
	if sound, err := soundBlock(stream, file, b); err != nil || sound {
		return false, err
	}
	k, err := newBlock(stream, file.index)
	if err != nil {
		return false, err
	}
	flaws := k.flaws(b, 0)
	name, _ := filepath.Rel(c.dir, file.path)
	if f := flaws[0]; last && len(flaws) == 1 && f.to == len(b) && c.marks[stream] <= f.before && k.size(b[f.from:]) == 0 {
		c.found(Flaw{Stream: stream, File: name, Offset: int64(f.from), Torn: true, First: 1})
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
		c.aside[file.path] = filepath.Join(c.dir, kept)
	}
	for i, f := range flaws {
		x := Flaw{Stream: stream, File: name, Offset: int64(f.from), Kept: kept}
		x.First, x.Last = f.lost()
		if stream != rawStream { // the server drops what is behind; frames of RAW are stored again
			x.Last = max(x.Last, k.lastOf(b[f.to:]))
			if first := k.firstOf(b); hidden && first > 0 {
				x.First = min(x.First, first)
			}
		}
		if last {
			x.Last = max(x.Last, min(c.marks[stream], f.maxLost()))
		}
		c.found(x)
		if stream != rawStream && i == 0 {
			break
		}
	}
	return true, nil
}

// keep copies a damaged block.
func (c *checker) keep(stream string, file blockFile, b []byte) (string, error) {
	dir := filepath.Join(c.dir, quarantineDir)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", err
	}
	name := fmt.Sprintf("%s-%d.blk", stream, file.index)
	if err := replaceFile(filepath.Join(dir, name), b); err != nil {
		return "", fmt.Errorf("keep a damaged block: %w", err)
	}
	return filepath.Join(quarantineDir, name), nil
}

// blockFile is one block, of a number.
type blockFile struct {
	path  string
	index int
}

func blocksOf(dir string) ([]blockFile, error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	var blocks []blockFile
	for _, e := range entries {
		number, ok := strings.CutSuffix(e.Name(), ".blk")
		if index, err := strconv.Atoi(number); ok && err == nil {
			blocks = append(blocks, blockFile{filepath.Join(dir, e.Name()), index})
		}
	}
	slices.SortFunc(blocks, func(a, b blockFile) int { return a.index - b.index })
	return blocks, err
}

// blocks are those the server will read: of a purge that was cut off, what it was
// about to leave.
func (c *checker) blocks(stream string) ([]blockFile, error) {
	dir := filepath.Join(streamsDir(c.dir), stream)
	if left, err := blocksOf(filepath.Join(dir, "__new_msgs__")); err != nil || len(left) > 0 {
		return left, err
	}
	return blocksOf(filepath.Join(dir, "msgs"))
}

// replaceFile writes a file so that it is either the old or the new one.
func replaceFile(path string, b []byte) error {
	temp := path + ".new"
	f, err := os.OpenFile(temp, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Rename(temp, path); err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}
