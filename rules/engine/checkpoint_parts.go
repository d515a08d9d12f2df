package engine

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"slices"
	"time"
)

// maxPart bounds a part of a checkpoint, in bytes: its JSON is the largest.
const maxPart = 1 << 30

// parts writes the parts of a checkpoint one after the other.
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

// time writes UTC to the nanosecond; the zero time as 0.
func (p *parts) time(t time.Time) {
	if t.IsZero() {
		p.number(0)
		return
	}
	p.number(uint64(t.Unix()) + 1)
	p.number(uint64(t.Nanosecond()))
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

// count is the length of a list: each member takes a byte or more.
func (r *partReader) count() uint64 {
	n := r.number()
	if n > uint64(len(r.b)) && r.err == nil {
		r.err = io.ErrUnexpectedEOF
	}
	if r.err != nil {
		return 0
	}
	return n
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

func (r *partReader) time() time.Time {
	s := r.number()
	if s == 0 {
		return time.Time{}
	}
	return time.Unix(int64(s-1), int64(r.number())).UTC()
}

// json reads what was written as JSON.
func (r *partReader) json(to any) error {
	text := r.bytes()
	if r.err != nil {
		return r.err
	}
	return json.Unmarshal(text, to)
}
