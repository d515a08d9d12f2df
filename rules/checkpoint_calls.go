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
	"time"

	"callwatch/call"
)

// Packed calls stand in a checkpoint as they are kept, behind its JSON: writing
// and reading them costs a copy.

// maxPart bounds a part of a checkpoint, in bytes: its JSON is the largest.
const maxPart = 1 << 30

// writePacked writes the dictionaries and the packed calls, in the order of keys.
func (k *kept) writePacked(w io.Writer) error {
	out := parts{w: w}
	out.number(uint64(len(k.packer)))
	for _, provider := range slices.Sorted(maps.Keys(k.packer)) {
		out.text(provider)
		out.text(string(k.packer[provider].dictionary))
	}
	keys := slices.SortedFunc(maps.Keys(k.packed), compareKeys)
	out.number(uint64(len(keys)))
	for _, key := range keys {
		p := k.packed[key]
		out.text(key.Provider)
		out.text(key.CallID)
		out.time(p.Touched)
		out.time(p.Ended)
		out.number(p.EndedSeq)
		out.text(p.Outcomes)
		out.number(flags(p.Over, p.Settled))
		out.text(string(p.Rest))
	}
	return out.err
}

func compareKeys(a, b call.Key) int {
	if n := strings.Compare(a.Provider, b.Provider); n != 0 {
		return n
	}
	return strings.Compare(a.CallID, b.CallID)
}

// readPacked hands in what writePacked wrote, after the dictionaries.
func (k *kept) readPacked(in *partReader, each func(call.Key, *packedCall)) error {
	for range in.number() {
		provider, dictionary := in.text(), in.text()
		if in.err != nil {
			return in.err
		}
		k.packer[provider] = newCodec([]byte(dictionary))
	}
	for range in.number() {
		key := call.Key{Provider: in.text(), CallID: in.text()}
		p := &packedCall{Touched: in.time(), Ended: in.time(), EndedSeq: in.number(), Outcomes: in.text()}
		f := in.number()
		p.Over, p.Settled = f&1 != 0, f&2 != 0
		p.Rest = []byte(in.text())
		if in.err != nil {
			return in.err
		}
		if k.packer[key.Provider] == nil {
			return fmt.Errorf("packed call of %q without a dictionary", key.Provider)
		}
		each(key, p)
	}
	return in.err
}

func flags(of ...bool) (f uint64) {
	for i, set := range of {
		if set {
			f |= 1 << i
		}
	}
	return f
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

func (p *parts) text(s string) {
	p.number(uint64(len(s)))
	p.write([]byte(s))
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

// partReader reads what parts wrote.
type partReader struct {
	r   *bytes.Reader
	err error
}

func (r *partReader) number() uint64 {
	if r.err != nil {
		return 0
	}
	n, err := binary.ReadUvarint(r.r)
	if err != nil {
		r.err = noEOF(err)
		return 0
	}
	return n
}

func (r *partReader) text() string {
	n := r.number()
	if n > maxPart && r.err == nil {
		r.err = errors.New("a part is too long")
	}
	if r.err != nil {
		return ""
	}
	if n > uint64(r.r.Len()) {
		r.err = io.ErrUnexpectedEOF
		return ""
	}
	b := make([]byte, n)
	_, err := io.ReadFull(r.r, b)
	r.err = noEOF(err)
	return string(b)
}

// json reads what was written as a text of JSON.
func (r *partReader) json(to any) error {
	text := r.text()
	if r.err != nil {
		return r.err
	}
	return json.Unmarshal([]byte(text), to)
}

func (r *partReader) time() time.Time {
	s := r.number()
	if s == 0 {
		return time.Time{}
	}
	return time.Unix(int64(s-1), int64(r.number())).UTC()
}

func noEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
