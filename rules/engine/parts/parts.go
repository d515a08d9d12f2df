// Package parts writes and reads what a checkpoint of the rule engine is made of: numbers,
// texts, times, sets of hashes and keys of calls, one after the other. It imports call.
package parts

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"callwatch/call"
)

// maxPart bounds a part of a checkpoint, in bytes: its JSON is the largest.
const maxPart = 1 << 30

// Writer writes the parts of a checkpoint one after the other. After an error, which is in
// Err, it writes nothing.
type Writer struct {
	Err error
	w   io.Writer
	buf [binary.MaxVarintLen64]byte
}

// NewWriter returns a writer to w.
func NewWriter(w io.Writer) *Writer { return &Writer{w: w} }

func (p *Writer) write(b []byte) {
	if p.Err == nil {
		_, p.Err = p.w.Write(b)
	}
}

// Number writes a number, few bytes of a small one.
func (p *Writer) Number(n uint64) { p.write(p.buf[:binary.PutUvarint(p.buf[:], n)]) }

// Text writes a text behind its length.
func (p *Writer) Text(s string) { p.Bytes([]byte(s)) }

// Bytes writes bytes behind their length.
func (p *Writer) Bytes(b []byte) {
	p.Number(uint64(len(b)))
	p.write(b)
}

// Time writes UTC to the nanosecond; the zero time as 0.
func (p *Writer) Time(t time.Time) {
	if t.IsZero() {
		p.Number(0)
		return
	}
	p.Number(uint64(t.Unix()) + 1)
	p.Number(uint64(t.Nanosecond()))
}

// Hashes writes a set of them, eight bytes each.
func (p *Writer) Hashes(set map[uint64]struct{}) {
	p.Number(uint64(len(set)))
	for _, h := range slices.Sorted(maps.Keys(set)) {
		binary.LittleEndian.PutUint64(p.buf[:8], h)
		p.write(p.buf[:8])
	}
}

// Reader reads what a Writer wrote. It copies nothing. After an error, which is in Err, it
// reads zero values.
type Reader struct {
	Err error
	b   []byte
}

// NewReader returns a reader of b.
func NewReader(b []byte) *Reader { return &Reader{b: b} }

// Number reads a number.
func (r *Reader) Number() uint64 {
	if r.Err != nil {
		return 0
	}
	v, n := binary.Uvarint(r.b)
	if n <= 0 {
		r.Err = io.ErrUnexpectedEOF
		return 0
	}
	r.b = r.b[n:]
	return v
}

// Count is the length of a list: each member takes a byte or more.
func (r *Reader) Count() uint64 {
	n := r.Number()
	if n > uint64(len(r.b)) && r.Err == nil {
		r.Err = io.ErrUnexpectedEOF
	}
	if r.Err != nil {
		return 0
	}
	return n
}

func (r *Reader) take(n uint64) []byte {
	if n > maxPart && r.Err == nil {
		r.Err = errors.New("a part is too long")
	}
	if r.Err == nil && n > uint64(len(r.b)) {
		r.Err = io.ErrUnexpectedEOF
	}
	if r.Err != nil {
		return nil
	}
	taken := r.b[:n:n]
	r.b = r.b[n:]
	return taken
}

// Bytes reads bytes, which are not copied.
func (r *Reader) Bytes() []byte { return r.take(r.Number()) }

// Text reads a text.
func (r *Reader) Text() string { return string(r.Bytes()) }

// Hashes reads a set of them.
func (r *Reader) Hashes() map[uint64]struct{} {
	n := r.Number()
	b := r.take(min(n, maxPart) * 8)
	set := make(map[uint64]struct{}, len(b)/8)
	for ; len(b) >= 8; b = b[8:] {
		set[binary.LittleEndian.Uint64(b)] = struct{}{}
	}
	return set
}

// Time reads a time.
func (r *Reader) Time() time.Time {
	s := r.Number()
	if s == 0 {
		return time.Time{}
	}
	return time.Unix(int64(s-1), int64(r.Number())).UTC()
}

// JSON reads what was written as JSON.
func (r *Reader) JSON(to any) error {
	text := r.Bytes()
	if r.Err != nil {
		return r.Err
	}
	return json.Unmarshal(text, to)
}

// Key writes the key of a call.
func (p *Writer) Key(k call.Key) {
	p.Text(Source(k))
	p.Text(k.CallID)
}

// Key reads the key of a call.
func (r *Reader) Key() call.Key {
	provider, account, _ := strings.Cut(r.Text(), accountSign)
	return call.Key{Provider: provider, Account: account, CallID: r.Text()}
}

// Source is the provider of a call, and behind a separator the account that few
// have: older checkpoints hold none.
func Source(k call.Key) string {
	if k.Account == "" {
		return k.Provider
	}
	return k.Provider + accountSign + k.Account
}

// accountSign is in no name of a provider.
const accountSign = "\x01"

// Hash is FNV-1a: the same in every process, since checkpoints hold it.
func Hash(s string) uint64 {
	h := uint64(14695981039346656037)
	for i := range len(s) {
		h = (h ^ uint64(s[i])) * 1099511628211
	}
	return h
}
