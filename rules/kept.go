package rules

import (
	"hash/maphash"
	"slices"

	"callwatch/call"
)

// looseCalls is how many calls are kept as they are; those untouched for longest
// are packed beyond it.
const looseCalls = 1024

// kept are the calls the engine keeps. A call takes several kilobytes as it is,
// and most calls are kept only for the case that something more is told of them:
// all but those touched last are packed to one or two hundred bytes until then.
//
// Calls are found by a hash of their key. Of two calls with the same hash, one
// stays loose.
type kept struct {
	limit  int
	loose  map[uint64]*callState // those of the same hash are chained
	count  int                   // of loose calls
	packed shelf
	queue  []queued // loose calls, longest untouched first; a call touched again stands there again
	turn   uint64
	packer packer
	hash   func(call.Key) uint64
}

type queued struct {
	hash, turn uint64
}

// newKept keeps nothing yet. Without a hash it takes one that nobody can foresee.
func newKept(limit int, hash func(call.Key) uint64) *kept {
	if hash == nil {
		seed := maphash.MakeSeed()
		hash = func(key call.Key) uint64 { return maphash.Comparable(seed, key) }
	}
	return &kept{
		limit: limit, loose: map[uint64]*callState{}, packer: newPacker(), hash: hash,
		packed: newShelf(func(record []byte) uint64 { return hash(keyOfRecord(record)) }),
	}
}

func (k *kept) len() int { return k.count + k.packed.len() }

// find is the call as it is kept; nil for none. What is done to it is kept.
func (k *kept) find(key call.Key) *callState {
	hash := k.hash(key)
	if cs := k.looseCall(hash, key); cs != nil {
		return cs
	}
	cs := k.unpacked(hash, key)
	if cs != nil {
		k.put(cs)
	}
	return cs
}

// peek is find for who changes nothing, and lets the call lie where it is.
func (k *kept) peek(key call.Key) *callState {
	hash := k.hash(key)
	if cs := k.looseCall(hash, key); cs != nil {
		return cs
	}
	return k.unpacked(hash, key)
}

func (k *kept) looseCall(hash uint64, key call.Key) *callState {
	for cs := k.loose[hash]; cs != nil; cs = cs.next {
		if cs.Call.Key() == key {
			return cs
		}
	}
	return nil
}

func (k *kept) unpacked(hash uint64, key call.Key) *callState {
	record := k.packed.get(hash)
	if record == nil || keyOfRecord(record) != key {
		return nil
	}
	return k.packer.unpack(record)
}

// put keeps a call that was just touched, in place of one with its key, and
// returns its hash.
func (k *kept) put(cs *callState) (hash uint64) {
	key := cs.Call.Key()
	hash = k.hash(key)
	if old := k.looseCall(hash, key); old != cs {
		if old != nil {
			k.remove(hash, old)
		}
		if record := k.packed.get(hash); record != nil && keyOfRecord(record) == key {
			k.packed.remove(hash)
		}
		cs.next, k.loose[hash] = k.loose[hash], cs
		k.count++
	}
	k.turn++
	cs.turn = k.turn
	k.queue = append(k.queue, queued{hash, k.turn})
	return hash
}

// remove takes a loose call away.
func (k *kept) remove(hash uint64, cs *callState) {
	first := k.loose[hash]
	if first == cs {
		if k.loose[hash] = cs.next; cs.next == nil {
			delete(k.loose, hash)
		}
	} else {
		for first.next != cs {
			first = first.next
		}
		first.next = cs.next
	}
	cs.next = nil
	k.count--
}

// touched is when the call was; false for none. It leaves a packed call as it is.
func (k *kept) touched(key call.Key) (t touch, ok bool) {
	hash := k.hash(key)
	if cs := k.looseCall(hash, key); cs != nil {
		return touch{cs.Touched, cs.ended()}, true
	}
	if record := k.packed.get(hash); record != nil && keyOfRecord(record) == key {
		return touchOfRecord(record), true
	}
	return touch{}, false
}

// findEnded is find for the call of a hash whose end was stored there; nil for
// none and for one that is gone.
func (k *kept) findEnded(hash, seq uint64, gone func(touch) bool) *callState {
	for cs := k.loose[hash]; cs != nil; cs = cs.next {
		if cs.EndedSeq == seq && !gone(touch{cs.Touched, cs.ended()}) {
			return cs
		}
	}
	record := k.packed.get(hash)
	if record == nil {
		return nil
	}
	r := readRecord(record)
	if r.EndedSeq != seq || gone(touch{r.Touched, r.Over}) {
		return nil
	}
	return k.find(r.Key)
}

// dropGone drops the calls of a hash that are gone and passes their outcomes on. It
// says when the next of the others was touched; false for none.
func (k *kept) dropGone(hash uint64, gone func(touch) bool, dropped func(call.Key, []outcome)) (left touch, some bool) {
	keep := func(t touch) {
		if !some || t.at.Before(left.at) {
			left, some = t, true
		}
	}
	for cs := k.loose[hash]; cs != nil; {
		next, t := cs.next, touch{cs.Touched, cs.ended()}
		if gone(t) {
			dropped(cs.Call.Key(), cs.Outcomes)
			k.remove(hash, cs)
		} else {
			keep(t)
		}
		cs = next
	}
	if record := k.packed.get(hash); record != nil {
		if t := touchOfRecord(record); gone(t) {
			r := readRecord(record)
			dropped(r.Key, r.Outcomes)
			k.packed.remove(hash)
		} else {
			keep(t)
		}
	}
	return left, some
}

// tidy packs what is too much. Nobody may hold a loose call meanwhile.
func (k *kept) tidy() {
	for k.count > k.limit && len(k.queue) > 0 {
		q := k.queue[0]
		k.queue = k.queue[1:]
		cs := k.queuedCall(q)
		switch {
		case cs == nil:
		case !cs.packable() || k.packed.has(q.hash):
			k.put(cs)
			return // all may be so: one look a turn
		default:
			k.packed.put(q.hash, k.pack(cs))
			k.remove(q.hash, cs)
		}
	}
	if len(k.queue) > 4*max(k.limit, k.count) {
		k.queue = slices.DeleteFunc(k.queue, func(q queued) bool { return k.queuedCall(q) == nil })
	}
}

// queuedCall is the call that stands there for the last time; nil for none.
func (k *kept) queuedCall(q queued) *callState {
	cs := k.loose[q.hash]
	for cs != nil && cs.turn != q.turn {
		cs = cs.next
	}
	return cs
}

// pack packs a call. The first loose calls of its provider make the dictionary.
func (k *kept) pack(cs *callState) []byte {
	provider := cs.Call.Provider
	if k.packer.codecs[provider] == nil {
		dictionary := sample(nil, cs)
		for _, q := range k.queue[:min(len(k.queue), maxSampled)] {
			if other := k.queuedCall(q); other != nil && other.Call.Provider == provider {
				dictionary = sample(dictionary, other)
			}
		}
		k.packer.learn(provider, dictionary)
	}
	return k.packer.pack(cs)
}

// packable says whether nothing waits for the call: one with a condition that has
// begun to hold stays as it is.
func (c *callState) packable() bool {
	return !slices.ContainsFunc(c.Holds, func(h callHold) bool {
		return !h.Since.IsZero() || slices.Contains(h.Recent, true)
	})
}
