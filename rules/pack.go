package rules

import (
	"bytes"

	"github.com/klauspost/compress/s2"

	"callwatch/call"
)

// packer compresses calls with a dictionary per provider: a provider's calls have
// the same members, so a few of them tell most of what the others look like.
type packer struct {
	codecs              map[string]*codec
	plain, rest, record []byte // reused
}

type codec struct {
	dictionary []byte
	dict       *s2.Dict
}

const (
	maxDictionary = 32 << 10 // bytes
	maxSampled    = 32       // calls that are looked at for a dictionary
	maxUnpacked   = 64 << 20 // bytes; a call with an hour of intervals has about a quarter of a million
)

func newPacker() packer { return packer{codecs: map[string]*codec{}} }

// learn sets a provider's dictionary.
func (p *packer) learn(provider string, dictionary []byte) {
	p.codecs[provider] = &codec{dictionary, s2.MakeDict(dictionary, nil)}
}

// sample adds a call to a dictionary, unless that is long enough. The call's key
// stands before it: who erases the call finds it there.
func sample(dictionary []byte, cs *callState) []byte {
	more := appendRest(appendKey(nil, cs.Call.Key()), cs)
	if len(dictionary) == 0 {
		return more[:min(len(more), maxDictionary)]
	}
	if len(dictionary)+len(more) > maxDictionary {
		return dictionary
	}
	return append(dictionary, more...)
}

// madeOf says whether the dictionary has been made of the call, among others.
func (c *codec) madeOf(key call.Key) bool {
	return c != nil && bytes.Contains(c.dictionary, appendKey(nil, key))
}

// pack is the record of a call; it is valid until the next is packed.
func (p *packer) pack(cs *callState) []byte {
	r := cs.header()
	if r.Rest = cs.packed; r.Rest == nil {
		p.plain = appendRest(p.plain[:0], cs)
		if n := s2.MaxEncodedLen(len(p.plain)); n > cap(p.rest) {
			p.rest = make([]byte, n)
		}
		r.Rest = p.codecs[cs.Call.Provider].dict.Encode(p.rest[:cap(p.rest)], p.plain)
	}
	p.record = r.append(p.record[:0])
	return p.record
}

// unpack is the call as it was. A rest that cannot be read is damage to a
// checkpoint that its checksum did not show: the call is what stands before it.
func (p *packer) unpack(record []byte) *callState {
	r := readRecord(record)
	cs := &callState{Touched: r.Touched, Ended: r.Ended, EndedSeq: r.EndedSeq, Settled: r.Settled, Outcomes: r.Outcomes}
	plain, err := p.open(r)
	if err == nil {
		err = cs.readRest(r.Key, plain)
	}
	if err != nil {
		cs.Call.Provider, cs.Call.CallID = r.Key.Provider, r.Key.CallID
	} else if !r.Plain {
		cs.packed = bytes.Clone(r.Rest)
	}
	return cs
}

// open is the rest of a record, not compressed.
func (p *packer) open(r record) ([]byte, error) {
	if r.Plain {
		return r.Rest, nil
	}
	c := p.codecs[r.Key.Provider]
	n, err := s2.DecodedLen(r.Rest)
	if err != nil || n > maxUnpacked || c == nil {
		return nil, errRecord
	}
	return c.dict.Decode(nil, r.Rest)
}
