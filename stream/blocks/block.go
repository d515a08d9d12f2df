// Package blocks reads the files in which the embedded NATS server keeps its streams, while
// the server runs or not: it finds damage, keeps copies of damaged blocks and of the
// descriptions of streams, and overwrites what was removed. Of callwatch it imports the
// names of the streams and package disk.
package blocks

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"hash"
	"iter"
	"strings"

	"github.com/minio/highwayhash"

	"callwatch/stream/names"
)

// A block file of the server holds one record behind the other:
//
//	length 4 | sequence 8 | time 8 | subject length 2 | subject | [header length 4 | header] | message | hash 8
//
// Integers are little-endian. The high bit of length says that there is a header.
// Two bits of the sequence mark records without subject: an erased one, overwritten
// where it lay with random bytes, time 0 and a new hash, and a tombstone, written
// behind the others, that says which sequence was removed. Compaction drops what is
// removed; a purge leaves one tombstone of the last sequence in a new block.
// The hash covers neither the lengths nor, therefore, where subject and header
// end. A server that reads a damaged block at its start compares the checksums and
// drops the rest of the block from the damage on; one that is running may exhaust
// memory. So callwatch checks the blocks itself. It reads them, and changes only the
// bytes of messages that were removed: see Scrub.
const (
	HeaderSize   = 22
	blockHash    = 8
	emptyRecord  = HeaderSize + blockHash
	hasHeader    = 1 << 31
	erasedBit    = 1 << 63
	tombstoneBit = 1 << 62
	maxRecord    = 32 << 20
	// sequenceLeap is how far apart two records of one block may be; what is
	// expired or purged leaves gaps.
	sequenceLeap = 1 << 32
)

// Block checks the records of one block.
type Block struct {
	stream string
	hash   hash.Hash64
	sum    [blockHash]byte
	hashed bool // whether the hash of the record that sound saw last is right
}

// New returns the checks of the block of a stream that has an index.
func New(stream string, index int) (*Block, error) {
	key := sha256.Sum256(fmt.Appendf(nil, "%s-%d", stream, index))
	h, err := highwayhash.New64(key[:])
	return &Block{stream: stream, hash: h}, err
}

// size of the record that begins b as it says itself; 0 when that cannot be.
func (k *Block) size(b []byte) int {
	if len(b) < emptyRecord {
		return 0
	}
	n := int(binary.LittleEndian.Uint32(b) &^ hasHeader)
	if n < emptyRecord || n > len(b) || n > maxRecord {
		return 0
	}
	return n
}

func sequenceOf(record []byte) uint64 { return binary.LittleEndian.Uint64(record[4:]) }

// sound says whether record, all of it, is as it was written.
func (k *Block) sound(record []byte) bool {
	k.hashed = false
	if k.size(record) != len(record) {
		return false
	}
	body := record[HeaderSize : len(record)-blockHash]
	subject := int(binary.LittleEndian.Uint16(record[20:]))
	if subject > len(body) {
		return false
	}
	rest := body[subject:]
	withHeader := binary.LittleEndian.Uint32(record)&hasHeader != 0
	if withHeader {
		if len(rest) < 4 || uint64(binary.LittleEndian.Uint32(rest)) > uint64(len(rest)-4) {
			return false
		}
	}
	k.hash.Reset()
	_, _ = k.hash.Write(record[4:20]) // a hash never fails
	_, _ = k.hash.Write(body[:subject])
	if withHeader {
		_, _ = k.hash.Write(rest[4:])
	} else {
		_, _ = k.hash.Write(rest)
	}
	if !bytes.Equal(k.hash.Sum(k.sum[:0]), record[len(record)-blockHash:]) {
		return false
	}
	k.hashed = true
	if sequenceOf(record)&(erasedBit|tombstoneBit) != 0 {
		return subject == 0 && !withHeader
	}
	if withHeader {
		n := binary.LittleEndian.Uint32(rest)
		header := rest[4 : 4+n]
		return bytes.HasPrefix(header, []byte("NATS/1.0")) && bytes.HasSuffix(header, []byte("\r\n\r\n")) && k.owns(string(body[:subject]))
	}
	return k.owns(string(body[:subject]))
}

// owns says whether the stream has such a subject: where it ends is not covered
// by the hash.
func (k *Block) owns(subject string) bool {
	for i := range len(subject) {
		if c := subject[i]; c <= ' ' || c > '~' {
			return false
		}
	}
	if strings.HasSuffix(subject, ".") || strings.Contains(subject, "..") {
		return false
	}
	switch k.stream {
	case names.RawStream:
		return subject == names.RawSubject || strings.HasPrefix(subject, names.RewritePrefix)
	case names.EventStream:
		return strings.HasPrefix(subject, names.EventPrefix) || subject == names.TickSubject || subject == names.ActionSubject
	case names.AlertStream:
		return strings.HasPrefix(subject, names.AlertPrefix)
	case names.DeadStream:
		return strings.HasPrefix(subject, names.DeadPrefix)
	case names.CheckpointStream:
		return strings.HasPrefix(subject, names.CheckpointPrefix)
	default:
		name, ok := strings.CutPrefix(k.stream, "KV_")
		return !ok || strings.HasPrefix(subject, "$KV."+name+".")
	}
}

// flaw is a part of a block that is not as it was written.
type flaw struct {
	from, to int    // bytes in the block
	before   uint64 // sequence of the record before; 0: there is none
	after    uint64 // of the next record behind that is no tombstone; 0: it is the last
}

// flaws finds the damaged parts of a block; last is the sequence before it.
func (k *Block) flaws(b []byte, last uint64) (found []flaw) {
	for at := 0; at < len(b); {
		n := k.size(b[at:])
		if n > 0 && k.sound(b[at:at+n]) {
			if seq := sequenceOf(b[at:]); seq&tombstoneBit == 0 {
				last = max(last, seq&^erasedBit)
			}
			at += n
			continue
		}
		f := flaw{from: at, to: len(b), before: last}
		for next := at + 1; next+emptyRecord <= len(b); next++ {
			if k.resumes(b[next:], last) {
				f.to, f.after = next, k.firstOf(b[next:])
				break
			}
		}
		found = append(found, f)
		at = f.to
	}
	return found
}

// firstOf is the first sequence of a message in b, erased ones included; 0 when
// damage or the end comes before.
func (k *Block) firstOf(b []byte) uint64 {
	for at := 0; at < len(b); {
		n := k.size(b[at:])
		if n == 0 || !k.sound(b[at:at+n]) {
			return 0
		}
		if seq := sequenceOf(b[at:]); seq&tombstoneBit == 0 {
			return seq &^ erasedBit
		}
		at += n
	}
	return 0
}

// resumes says whether a record that may follow sequence last begins b.
func (k *Block) resumes(b []byte, last uint64) bool {
	n := k.size(b)
	if n == 0 {
		return false
	}
	seq := sequenceOf(b)
	if seq&tombstoneBit == 0 {
		if seq &^= erasedBit; last > 0 && seq > last+sequenceLeap {
			return false
		}
	}
	return k.sound(b[:n])
}

// hidden reports whether the server takes a damaged part for sound: the length of a
// subject is not covered by the hash of a message without header.
func (k *Block) hidden(part []byte) bool {
	n := k.size(part)
	return n > 0 && !k.sound(part[:n]) && k.hashed
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

// maxLost is the highest sequence that a damaged part can have had.
func (f *flaw) maxLost() uint64 {
	if f.after == 0 {
		return 1<<64 - 1
	}
	return f.after - 1
}

// lastOf is the highest sequence that the sound records of b name.
func (k *Block) lastOf(b []byte) (last uint64) {
	for _, r := range k.Records(b) {
		last = max(last, sequenceOf(r)&^(erasedBit|tombstoneBit))
	}
	return last
}

// Records are the records of b that are as they were written.
func (k *Block) Records(b []byte) (records [][]byte) {
	flaws := k.flaws(b, 0)
	for at := 0; at < len(b); {
		if len(flaws) > 0 && flaws[0].from == at {
			at, flaws = flaws[0].to, flaws[1:]
			continue
		}
		n := k.size(b[at:])
		records = append(records, b[at:at+n])
		at += n
	}
	return records
}

// Messages yields the sequence and the data of each sound message of b that has no
// header and that subject.
func (k *Block) Messages(b []byte, subject string) iter.Seq2[uint64, []byte] {
	return func(yield func(uint64, []byte) bool) {
		for _, r := range k.Records(b) {
			seq := sequenceOf(r)
			if seq&(erasedBit|tombstoneBit) != 0 || binary.LittleEndian.Uint32(r)&hasHeader != 0 {
				continue
			}
			data := HeaderSize + int(binary.LittleEndian.Uint16(r[20:]))
			if string(r[HeaderSize:data]) == subject && !yield(seq, r[data:len(r)-blockHash]) {
				return
			}
		}
	}
}
