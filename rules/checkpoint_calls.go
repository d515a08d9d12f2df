package rules

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/klauspost/compress/s2"

	"callwatch/call"
)

// Calls stand in a checkpoint as they are packed, behind its JSON: writing and
// reading them costs a copy.

// maxPart bounds a part of a checkpoint, in bytes: its JSON is the largest.
const maxPart = 1 << 30

// write writes the dictionaries, the packed calls and the loose ones, each as a
// record; those untouched for longest come first.
func (k *kept) write(out *parts) {
	out.number(uint64(len(k.packer.codecs)))
	for _, provider := range slices.Sorted(maps.Keys(k.packer.codecs)) {
		out.text(provider)
		out.bytes(k.packer.codecs[provider].dictionary)
	}
	out.number(uint64(k.packed.len()))
	for record := range k.packed.all() {
		out.bytes(record)
	}
	out.number(uint64(k.count))
	loose := slices.SortedFunc(k.looseOnes(), func(a, b *callState) int {
		if n := a.Touched.Compare(b.Touched); n != 0 {
			return n
		}
		return compareKeys(a.Call.Key(), b.Call.Key())
	})
	var plain, record []byte
	for _, cs := range loose {
		r := cs.header()
		plain = appendRest(plain[:0], cs)
		r.Plain, r.Rest = true, plain
		record = r.append(record[:0])
		out.bytes(record)
	}
}

// read hands in the records that write wrote, after the dictionaries.
func (k *kept) read(in *partReader, each func(record []byte, loose bool)) error {
	for range in.number() {
		provider, dictionary := in.text(), in.bytes()
		if in.err != nil {
			return in.err
		}
		if len(dictionary) < s2.MinDictSize {
			return fmt.Errorf("dictionary of %q: %w", provider, errRecord)
		}
		k.packer.learn(provider, bytes.Clone(dictionary))
	}
	for _, loose := range []bool{false, true} {
		for range in.number() {
			record := in.bytes()
			if in.err != nil {
				return in.err
			}
			if key := keyOfRecord(record); !loose && k.packer.codecs[key.Provider] == nil {
				return fmt.Errorf("packed call of %q without a dictionary", key.Provider)
			}
			each(record, loose)
		}
	}
	return in.err
}

// parts writes numbers and texts one behind the other.
type parts struct {
	w   io.Writer
	buf [binary.MaxVarintLen64]byte
	err error
}

func (p *parts) write(b []byte) {
	if p.err == nil {
		_, p.err = p.w.Write(b)
	}
}

func (p *parts) number(n uint64) { p.write(p.buf[:binary.PutUvarint(p.buf[:], n)]) }

func (p *parts) text(s string) { p.bytes([]byte(s)) }

func (p *parts) bytes(b []byte) {
	p.number(uint64(len(b)))
	p.write(b)
}

// hashes writes a set of them, eight bytes each.
func (p *parts) hashes(set map[uint64]struct{}) {
	p.number(uint64(len(set)))
	for _, h := range slices.Sorted(maps.Keys(set)) {
		binary.LittleEndian.PutUint64(p.buf[:8], h)
		p.write(p.buf[:8])
	}
}

// partReader reads what parts wrote. It copies nothing.
type partReader struct {
	b   []byte
	err error
}

func (r *partReader) number() uint64 {
	if r.err != nil {
		return 0
	}
	v, n := binary.Uvarint(r.b)
	if n <= 0 {
		r.err = io.ErrUnexpectedEOF
		return 0
	}
	r.b = r.b[n:]
	return v
}

func (r *partReader) take(n uint64) []byte {
	if n > maxPart && r.err == nil {
		r.err = errors.New("a part is too long")
	}
	if r.err == nil && n > uint64(len(r.b)) {
		r.err = io.ErrUnexpectedEOF
	}
	if r.err != nil {
		return nil
	}
	taken := r.b[:n:n]
	r.b = r.b[n:]
	return taken
}

func (r *partReader) bytes() []byte { return r.take(r.number()) }
func (r *partReader) text() string  { return string(r.bytes()) }

func (r *partReader) hashes() map[uint64]struct{} {
	n := r.number()
	b := r.take(min(n, maxPart) * 8)
	set := make(map[uint64]struct{}, len(b)/8)
	for ; len(b) >= 8; b = b[8:] {
		set[binary.LittleEndian.Uint64(b)] = struct{}{}
	}
	return set
}

// json reads what was written as a text of JSON.
func (r *partReader) json(to any) error {
	text := r.bytes()
	if r.err != nil {
		return r.err
	}
	return json.Unmarshal(text, to)
}

func compareKeys(a, b call.Key) int {
	if n := strings.Compare(a.Provider, b.Provider); n != 0 {
		return n
	}
	return strings.Compare(a.CallID, b.CallID)
}
