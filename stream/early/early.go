// Package early keeps frames of webhooks in a file of their own while the streams are
// being opened, which takes a large store minutes. Each frame is on the disk before
// it is acknowledged, and has the sequence that it will get in its stream.
package early

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"os"
	"path/filepath"
	"sync"

	"callwatch/stream/disk"
)

// An entry of the file is
//
//	sequence 8 | length 4 | frame | crc32c of all before 4
//
// with big-endian integers.
const (
	entryHeader  = 12
	entryTrailer = 4
	maxFrame     = 16 << 20 // no message of a stream is larger
)

var table = crc32.MakeTable(crc32.Castagnoli)

// ErrFull means that the file has the size it may have.
var ErrFull = errors.New("too many webhooks were taken while the store is being opened")

// ErrSync means that the file could not be forced to the disk: what it holds is not
// known any more.
var ErrSync = errors.New("sync of webhooks taken while the store is being opened")

// Damage is a part of the file that cannot be read.
type Damage struct {
	Offset int64
	Torn   bool // it is the end of the file, as a write leaves it that was cut off
}

// Entry is a frame and the sequence that it was acknowledged with.
type Entry struct {
	Seq   uint64
	Frame []byte
}

// File is the file. Append and the other methods may be called at the same time.
type File struct {
	path string
	most int64
	sync bool

	mu      sync.Mutex
	file    *os.File // nil until the first entry
	size    int64    // of the file
	entries []place
	read    int    // how many entries Next has returned
	next    uint64 // sequence of the next entry
	base    uint64 // the sequence before the first entry
}

// place is where an entry is.
type place struct {
	at   int64
	size int
}

// Open opens the file, or prepares one that is made with the first entry. last is the
// last sequence of the stream as far as it is known. most bounds the file, in bytes;
// sync forces each entry to the disk. A damaged part is left out and told; a torn
// end is cut off.
func Open(path string, last uint64, most int64, sync bool) (*File, []Damage, error) {
	f := &File{path: path, most: most, sync: sync, base: last, next: last + 1}
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return f, nil, nil
	}
	if err != nil {
		return nil, nil, err
	}
	damaged := f.parse(b)
	if f.file, err = os.OpenFile(path, os.O_RDWR, 0o600); err != nil {
		return nil, nil, err
	}
	return f, damaged, f.file.Truncate(f.size)
}

// parse finds the whole entries of b, and what is between and behind them.
func (f *File) parse(b []byte) (damaged []Damage) {
	for at := 0; at < len(b); {
		e, n := entryOf(b[at:])
		if n == 0 {
			d := Damage{Offset: int64(at), Torn: true}
			for at++; at < len(b) && d.Torn; at++ {
				_, n = entryOf(b[at:])
				d.Torn = n == 0
			}
			if damaged = append(damaged, d); d.Torn {
				break
			}
			at--
			continue
		}
		if len(f.entries) == 0 {
			f.base = e.Seq - 1
		}
		f.entries = append(f.entries, place{int64(at), n})
		f.next = max(f.next, e.Seq+1)
		at += n
		f.size = int64(at)
	}
	return damaged
}

// entryOf reads the entry that begins b; its size is 0 where there is none.
func entryOf(b []byte) (e Entry, size int) {
	if len(b) < entryHeader+entryTrailer {
		return e, 0
	}
	n := binary.BigEndian.Uint32(b[8:])
	if n == 0 || n > maxFrame || int(n) > len(b)-entryHeader-entryTrailer {
		return e, 0
	}
	end := entryHeader + int(n)
	seq := binary.BigEndian.Uint64(b)
	if seq == 0 || crc32.Checksum(b[:end], table) != binary.BigEndian.Uint32(b[end:]) {
		return e, 0
	}
	return Entry{seq, b[entryHeader:end]}, end + entryTrailer
}

// Base is the sequence before the first entry.
func (f *File) Base() uint64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.base
}

// Append stores a frame and returns its sequence once it is durable. After ErrSync
// nothing more must be acknowledged.
func (f *File) Append(frame []byte) (seq uint64, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	size := int64(entryHeader + len(frame) + entryTrailer)
	if f.size+size > f.most {
		return 0, ErrFull
	}
	if f.file == nil {
		if err := f.create(); err != nil {
			return 0, err
		}
	}
	b := make([]byte, 0, size)
	b = binary.BigEndian.AppendUint64(b, f.next)
	b = binary.BigEndian.AppendUint32(b, uint32(len(frame)))
	b = append(b, frame...)
	b = binary.BigEndian.AppendUint32(b, crc32.Checksum(b, table))
	if _, err := f.file.WriteAt(b, f.size); err != nil {
		return 0, errors.Join(err, f.file.Truncate(f.size))
	}
	if f.sync {
		if err := f.file.Sync(); err != nil {
			return 0, fmt.Errorf("%w: %w", ErrSync, err)
		}
	}
	f.entries = append(f.entries, place{f.size, int(size)})
	f.size += size
	f.next++
	return f.next - 1, nil
}

func (f *File) create() error {
	file, err := os.OpenFile(f.path, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	if err := disk.SyncDir(filepath.Dir(f.path)); err != nil {
		return errors.Join(err, file.Close())
	}
	f.file = file
	return nil
}

// Next is the entry behind the one it returned last; ok is false at the end. Again has
// it begin with the first.
func (f *File) Next() (e Entry, ok bool, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.read == len(f.entries) {
		return e, false, nil
	}
	p := f.entries[f.read]
	b := make([]byte, p.size)
	if _, err := f.file.ReadAt(b, p.at); err != nil {
		return e, false, err
	}
	e, size := entryOf(b)
	if size != p.size {
		return e, false, fmt.Errorf("%s changed at byte %d", f.path, p.at)
	}
	f.read++
	return e, true, nil
}

// Again has Next begin with the first entry.
func (f *File) Again() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.read = 0
}

// Close closes the file and keeps it for the next start.
func (f *File) Close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.file == nil {
		return nil
	}
	return f.file.Close()
}

// Remove removes the file, whose entries are all stored.
func (f *File) Remove() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.file == nil {
		return nil
	}
	err := errors.Join(f.file.Close(), os.Remove(f.path), disk.SyncDir(filepath.Dir(f.path)))
	f.file, f.entries, f.size, f.read = nil, nil, 0, 0
	return err
}
