package stream

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

	"github.com/nats-io/nats.go/jetstream"
)

// The server removes a message by noting that it is gone: its bytes stay in the
// block until that is compacted or removed as a whole. Scrub overwrites them where
// they lie, as the server does for a secure delete.

// scrubFile notes which records are being overwritten. A power cut may leave one
// half written: the next start completes it, before the block is checked.
const scrubFile = "scrub.json"

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

// Scrub overwrites the bytes of all messages that were removed from the streams and
// buckets, and removes the copies of damaged blocks. ErrExternal says that the files
// are those of another server.
func (s *Store) Scrub(ctx context.Context) error {
	if s.node == nil {
		return ErrExternal
	}
	names, err := streamNames(s.cfg.Dir)
	if err != nil {
		return err
	}
	for _, name := range names {
		if err := s.scrubStream(ctx, name); err != nil {
			return fmt.Errorf("overwrite what was removed from %s: %w", shortName(name), err)
		}
	}
	if err := os.RemoveAll(filepath.Join(s.cfg.Dir, quarantineDir)); err != nil {
		return fmt.Errorf("remove the copies of damaged blocks: %w", err)
	}
	return nil
}

func (s *Store) scrubStream(ctx context.Context, name string) error {
	blocks, err := s.node.checker().blocks(name)
	if err != nil {
		return err
	}
	st, err := s.js.Stream(ctx, name)
	if err != nil {
		return readError(ctx, err)
	}
	removed, err := removedFrom(ctx, st)
	if err != nil {
		return err
	}
	for i, file := range blocks {
		end := uint64(math.MaxUint64)
		if i+1 < len(blocks) {
			end = firstIn(blocks[i+1])
		}
		if !removed.between(firstIn(file), end) {
			continue
		}
		if err := s.scrubBlock(name, file, removed); err != nil {
			return err
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	return nil
}

func (s *Store) scrubBlock(name string, file blockFile, gone *goneSequences) error {
	b, err := os.ReadFile(file.path)
	if errors.Is(err, fs.ErrNotExist) || err == nil && bytes.HasPrefix(b, []byte("cmp")) {
		return nil
	}
	if err != nil {
		return err
	}
	k, err := newBlock(name, file.index)
	if err != nil {
		return err
	}
	x := scrubbing{Stream: name, Index: file.index}
	if x.Path, err = filepath.Rel(s.cfg.Dir, file.path); err != nil {
		return err
	}
	for _, r := range k.records(b) {
		if seq := sequenceOf(r); seq&(erasedBit|tombstoneBit) == 0 && gone.has(seq) {
			x.Records = append(x.Records, scrubAt{int64(cap(b) - cap(r)), len(r), seq})
		}
	}
	return s.scrub(&x)
}

// goneSequences are the sequences that a stream had and has no longer. None of them comes
// back.
type goneSequences struct {
	first, last uint64
	inside      []uint64 // sorted
}

func removedFrom(ctx context.Context, st jetstream.Stream) (*goneSequences, error) {
	info, err := st.Info(ctx, jetstream.WithDeletedDetails(true))
	if err != nil {
		return nil, readError(ctx, err)
	}
	slices.Sort(info.State.Deleted)
	return &goneSequences{info.State.FirstSeq, info.State.LastSeq, info.State.Deleted}, nil
}

func (r *goneSequences) has(seq uint64) bool {
	_, inside := slices.BinarySearch(r.inside, seq)
	return seq <= r.last && (seq < r.first || inside)
}

// between reports whether any was removed of the sequences from, included, to end.
func (r *goneSequences) between(from, end uint64) bool {
	i, _ := slices.BinarySearch(r.inside, from)
	return from < r.first || i < len(r.inside) && r.inside[i] < end
}

// firstIn is the sequence of the first record in a block; 0 where it cannot be read.
func firstIn(file blockFile) uint64 {
	f, err := os.Open(file.path)
	if err != nil {
		return 0
	}
	defer func() { _ = f.Close() }()
	var head [blockHeader]byte
	if _, err := io.ReadFull(f, head[:]); err != nil || sequenceOf(head[:])&tombstoneBit != 0 {
		return 0
	}
	return sequenceOf(head[:]) &^ erasedBit
}

// scrub overwrites records of a block. The server may replace the block meanwhile:
// what it puts in its place has only what is not removed.
func (s *Store) scrub(x *scrubbing) error {
	if len(x.Records) == 0 {
		return nil
	}
	note, err := json.Marshal(x)
	if err != nil {
		return err
	}
	path := filepath.Join(s.cfg.Dir, scrubFile)
	if err := replaceFile(path, note); err != nil {
		return err
	}
	if err := x.overwrite(s.cfg.Dir); err != nil {
		return err
	}
	return os.Remove(path)
}

// finishScrub completes what a stop interrupted. The server must not run.
func finishScrub(dir string) error {
	path := filepath.Join(dir, scrubFile)
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
	k, err := newBlock(x.Stream, x.Index)
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
		if _, err := f.WriteAt(k.blank(r.Seq, r.Size), r.Offset); err != nil {
			return err
		}
	}
	return f.Sync()
}

// blank is an erased record.
func (k *block) blank(seq uint64, size int) []byte {
	b := make([]byte, size)
	binary.LittleEndian.PutUint32(b, uint32(size)) //nolint:gosec // at most maxRecord
	binary.LittleEndian.PutUint64(b[4:], seq|erasedBit)
	k.hash.Reset()
	_, _ = k.hash.Write(b[4:20]) // a hash never fails
	_, _ = k.hash.Write(b[blockHeader : size-blockHash])
	copy(b[size-blockHash:], k.hash.Sum(nil))
	return b
}
