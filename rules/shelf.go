package rules

import (
	"encoding/binary"
	"iter"
)

const (
	pieceSize = 64 << 10 // bytes; a larger record has a piece of its own
	mostDead  = 4        // a piece is given back when more than one byte of so many is dead
)

// shelf holds records as bytes in few large pieces. A record takes an entry in
// the index and no pointer: the collector does not look into any of it.
type shelf struct {
	index  map[uint64]place
	pieces []*piece
	free   []uint32 // places in pieces that are nil
	open   uint32   // the piece that is written to, if there is any
	hash   func(record []byte) uint64
}

type place struct{ piece, at uint32 }

type piece struct {
	data []byte // each record behind its length and whether it is dead
	dead int    // bytes
}

func newShelf(hash func(record []byte) uint64) shelf {
	return shelf{index: map[uint64]place{}, hash: hash}
}

func (s *shelf) len() int { return len(s.index) }

func (s *shelf) has(hash uint64) bool {
	_, ok := s.index[hash]
	return ok
}

// get is a record; nil for none. It is valid until something is put or removed.
func (s *shelf) get(hash uint64) []byte {
	p, ok := s.index[hash]
	if !ok {
		return nil
	}
	record, _ := s.pieces[p.piece].record(int(p.at))
	return record
}

// put copies a record, whose hash no other has.
func (s *shelf) put(hash uint64, record []byte) {
	need := binary.MaxVarintLen64 + len(record)
	if len(s.pieces) == 0 || s.pieces[s.open] == nil || len(s.pieces[s.open].data)+need > cap(s.pieces[s.open].data) {
		s.begin(max(pieceSize, need))
	}
	p := s.pieces[s.open]
	s.index[hash] = place{s.open, uint32(len(p.data))}
	p.data = append(binary.AppendUvarint(p.data, uint64(len(record))<<1), record...)
}

func (s *shelf) begin(size int) {
	p := &piece{data: make([]byte, 0, size)}
	if n := len(s.free); n > 0 {
		s.open, s.free = s.free[n-1], s.free[:n-1]
		s.pieces[s.open] = p
		return
	}
	s.open = uint32(len(s.pieces))
	s.pieces = append(s.pieces, p)
}

// remove forgets a record. What else lives in its piece moves where too much of
// it is dead.
func (s *shelf) remove(hash uint64) {
	at, ok := s.index[hash]
	if !ok {
		return
	}
	delete(s.index, hash)
	p := s.pieces[at.piece]
	p.data[at.at] |= 1
	record, size := p.record(int(at.at))
	clear(record) // of a call that is to be erased, too
	if p.dead += size; p.dead == len(p.data) || at.piece != s.open && p.dead*mostDead > len(p.data) {
		s.pieces[at.piece] = nil
		s.free = append(s.free, at.piece)
		for record := range p.living() {
			s.put(s.hash(record), record)
		}
	}
}

// all are the records in the order of their places.
func (s *shelf) all() iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		for _, p := range s.pieces {
			if p == nil {
				continue
			}
			for record := range p.living() {
				if !yield(record) {
					return
				}
			}
		}
	}
}

// record is the one at an offset, and its size in the piece.
func (p *piece) record(at int) (record []byte, size int) {
	n, head := binary.Uvarint(p.data[at:])
	size = head + int(n>>1)
	return p.data[at+head : at+size : at+size], size
}

func (p *piece) living() iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		for at := 0; at < len(p.data); {
			dead := p.data[at]&1 != 0
			record, size := p.record(at)
			if !dead && !yield(record) {
				return
			}
			at += size
		}
	}
}
