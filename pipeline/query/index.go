package query

import (
	"hash/maphash"
	"slices"
	"sync"

	"callwatch/call"
	"callwatch/stream/events"
)

// chunkEvents is how many events one piece of the index holds: growing copies
// nothing, and what retention removed is let go piece by piece.
const chunkEvents = 1 << 16

// callIndex tells which stored events may be about a call: four bytes for each
// sequence, a hash of the call's key. A look through a million of them takes
// less than a millisecond. The seed is the process's own, so that nobody can
// make up calls that share a hash.
type callIndex struct {
	seed maphash.Seed

	mu     sync.RWMutex
	base   uint64 // sequence of the first place; 0 while empty
	next   uint64 // sequence behind the last place
	chunks [][]uint32
}

func newCallIndex() *callIndex { return &callIndex{seed: maphash.MakeSeed()} }

// hash of a call's key as headers have it.
func (x *callIndex) hash(k call.Key) uint64 {
	return maphash.Comparable(x.seed, k.With(events.HeaderID(k.CallID)))
}

// short is what is kept of a hash; never 0, which is no event.
func short(hash uint64) uint32 { return max(uint32(hash&0xffffffff), 1) } //nolint:gosec // the lower half

// add notes the event at a sequence. Sequences come in order; those left out are
// no events.
func (x *callIndex) add(seq, hash uint64) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if seq < x.next {
		return
	}
	if x.base == 0 {
		x.base = seq
	}
	at := seq - x.base
	for at/chunkEvents >= uint64(len(x.chunks)) {
		x.chunks = append(x.chunks, make([]uint32, chunkEvents))
	}
	x.chunks[at/chunkEvents][at%chunkEvents] = short(hash)
	x.next = seq + 1
}

// full says whether the next event begins a new piece.
func (x *callIndex) full() bool {
	x.mu.RLock()
	defer x.mu.RUnlock()
	return x.next > 0 && (x.next-x.base)%chunkEvents == 0
}

// forget lets go of what lies before the first stored sequence.
func (x *callIndex) forget(first uint64) {
	x.mu.Lock()
	defer x.mu.Unlock()
	for len(x.chunks) > 0 && x.base+chunkEvents <= min(first, x.next) {
		x.chunks, x.base = slices.Delete(x.chunks, 0, 1), x.base+chunkEvents
	}
}

// find lists the sequences that a hash may be at, newest first.
func (x *callIndex) find(hash uint64) (seqs []uint64) {
	want := short(hash)
	x.mu.RLock()
	defer x.mu.RUnlock()
	for i, chunk := range x.chunks {
		for j, have := range chunk {
			if have == want {
				seqs = append(seqs, x.base+uint64(i)*chunkEvents+uint64(j))
			}
		}
	}
	slices.Reverse(seqs)
	return seqs
}

func (x *callIndex) end() uint64 {
	x.mu.RLock()
	defer x.mu.RUnlock()
	return x.next
}

// incidentIndex tells which stored transitions are of an incident, and which
// incidents name a call.
type incidentIndex struct {
	seed maphash.Seed

	mu    sync.RWMutex
	next  uint64
	steps []step    // in order
	named []mention // in order, each call of an incident once
	known map[mention]bool
}

type step struct {
	incident uint64 // hash of its id
	seq      uint64
}

// mention of a call by an incident, both as hashes.
type mention struct{ call, incident uint64 }

func newIncidentIndex() *incidentIndex {
	return &incidentIndex{seed: maphash.MakeSeed(), known: map[mention]bool{}}
}

func (x *incidentIndex) hash(id string) uint64 { return maphash.String(x.seed, id) }

// add notes the transition at a sequence and the calls it names.
func (x *incidentIndex) add(seq uint64, id string, calls []uint64) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if seq < x.next {
		return
	}
	x.next = seq + 1
	h := x.hash(id)
	x.steps = append(x.steps, step{h, seq})
	for _, c := range calls {
		m := mention{c, h}
		if !x.known[m] {
			x.known[m] = true
			x.named = append(x.named, m)
		}
	}
}

// of lists the sequences of an incident's transitions, oldest first.
func (x *incidentIndex) of(incident uint64) (seqs []uint64) {
	x.mu.RLock()
	defer x.mu.RUnlock()
	for _, s := range x.steps {
		if s.incident == incident {
			seqs = append(seqs, s.seq)
		}
	}
	return seqs
}

// naming lists the incidents that name a call, newest first.
func (x *incidentIndex) naming(hash uint64) (incidents []uint64) {
	x.mu.RLock()
	defer x.mu.RUnlock()
	for _, m := range slices.Backward(x.named) {
		if m.call == hash {
			incidents = append(incidents, m.incident)
		}
	}
	return incidents
}

func (x *incidentIndex) end() uint64 {
	x.mu.RLock()
	defer x.mu.RUnlock()
	return x.next
}
