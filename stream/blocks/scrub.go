package blocks

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"

	"callwatch/stream/disk"
)

// The server removes a message by noting that it is gone: its bytes stay in the
// block until that is compacted or removed as a whole. Scrub overwrites them where
// they lie, as the server does for a secure delete.

// ScrubFile notes which records are being overwritten. A power cut may leave one
// half written: the next start completes it, before the block is checked.
const ScrubFile = "scrub.json"

// scrubbing is the note of one block.
type scrubbing struct {
	Stream  string    `json:"stream"`
	Index   int       `json:"index"` // of the block
	Path    string    `json:"path"`  // below the data directory
	Records []scrubAt `json:"records"`
}

type scrubAt struct {
	Offset int64  `json:"offset"`
	Size   int    `json:"size"`
	Seq    uint64 `json:"seq"`
}

// Scrub overwrites the bytes of removed messages in the blocks of a stream.
func Scrub(ctx context.Context, dir, name string, removed *Removed) error {
	files, err := (&Checker{Dir: dir}).blocks(name)
	if err != nil {
		return err
	}
	for i, file := range files {
		end := uint64(math.MaxUint64)
		if i+1 < len(files) {
			end = firstIn(files[i+1])
		}
		if !removed.between(firstIn(file), end) {
			continue
		}
		if err := scrubBlock(dir, name, file, removed); err != nil {
			return err
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	return nil
}

func scrubBlock(dir, name string, file File, removed *Removed) error {
	b, err := os.ReadFile(file.Path)
	if errors.Is(err, fs.ErrNotExist) || err == nil && bytes.HasPrefix(b, []byte("cmp")) {
		return nil
	}
	if err != nil {
		return err
	}
	k, err := New(name, file.Index)
	if err != nil {
		return err
	}
	x := scrubbing{Stream: name, Index: file.Index}
	if x.Path, err = filepath.Rel(dir, file.Path); err != nil {
		return err
	}
	for _, r := range k.Records(b) {
		if seq := sequenceOf(r); seq&(erasedBit|tombstoneBit) == 0 && removed.has(seq) {
			x.Records = append(x.Records, scrubAt{int64(cap(b) - cap(r)), len(r), seq})
		}
	}
	return x.scrub(dir)
}

// Removed are the sequences that a stream had and has no longer. None of them comes
// back.
type Removed struct {
	First, Last uint64   // that the stream has; what is before First is removed
	Inside      []uint64 // removed between them, sorted
}

func (r *Removed) has(seq uint64) bool {
	_, inside := slices.BinarySearch(r.Inside, seq)
	return seq <= r.Last && (seq < r.First || inside)
}

// between reports whether any was removed of the sequences from, included, to end.
func (r *Removed) between(from, end uint64) bool {
	i, _ := slices.BinarySearch(r.Inside, from)
	return from < r.First || i < len(r.Inside) && r.Inside[i] < end
}

// firstIn is the sequence of the first record in a block; 0 where it cannot be read.
func firstIn(file File) uint64 {
	f, err := os.Open(file.Path)
	if err != nil {
		return 0
	}
	defer func() { _ = f.Close() }()
	var head [HeaderSize]byte
	if _, err := io.ReadFull(f, head[:]); err != nil || sequenceOf(head[:])&tombstoneBit != 0 {
		return 0
	}
	return sequenceOf(head[:]) &^ erasedBit
}

// scrub overwrites records of a block. The server may replace the block meanwhile:
// what it puts in its place has only what is not removed.
func (x *scrubbing) scrub(dir string) error {
	if len(x.Records) == 0 {
		return nil
	}
	note, err := json.Marshal(x)
	if err != nil {
		return err
	}
	path := filepath.Join(dir, ScrubFile)
	if err := disk.Replace(path, note); err != nil {
		return err
	}
	if err := x.overwrite(dir); err != nil {
		return err
	}
	return os.Remove(path)
}

// FinishScrub completes what a stop interrupted. The server must not run.
func FinishScrub(dir string) error {
	path := filepath.Join(dir, ScrubFile)
	note, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	var x scrubbing
	if err == nil && json.Unmarshal(note, &x) == nil && filepath.IsLocal(x.Path) {
		err = x.overwrite(dir)
	}
	if err != nil {
		return fmt.Errorf("finish overwriting removed messages: %w", err)
	}
	return os.Remove(path)
}

func (x *scrubbing) overwrite(dir string) error {
	f, err := os.OpenFile(filepath.Join(dir, x.Path), os.O_RDWR, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	k, err := New(x.Stream, x.Index)
	if err != nil {
		return err
	}
	var head [12]byte
	for _, r := range x.Records {
		// Another block may be in the place of the one that was read.
		n, err := f.ReadAt(head[:], r.Offset)
		if n < len(head) || r.Size < emptyRecord || r.Size > maxRecord ||
			int(binary.LittleEndian.Uint32(head[:])&^hasHeader) != r.Size || sequenceOf(head[:])&^erasedBit != r.Seq {
			continue
		}
		if err != nil {
			return err
		}
		if _, err := f.WriteAt(k.Blank(r.Seq, r.Size), r.Offset); err != nil {
			return err
		}
	}
	return f.Sync()
}

// Blank is an erased record.
func (k *Block) Blank(seq uint64, size int) []byte {
	b := make([]byte, size)
	binary.LittleEndian.PutUint32(b, uint32(size)) //nolint:gosec // at most maxRecord
	binary.LittleEndian.PutUint64(b[4:], seq|erasedBit)
	k.hash.Reset()
	_, _ = k.hash.Write(b[4:20]) // a hash never fails
	_, _ = k.hash.Write(b[HeaderSize : size-blockHash])
	copy(b[size-blockHash:], k.hash.Sum(nil))
	return b
}
