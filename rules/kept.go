package rules

import (
	"iter"
	"slices"
	"time"

	"callwatch/call"
)

// looseCalls is how many calls are kept as they are; those untouched for longest
// are packed beyond it.
const looseCalls = 4096

// kept are the calls the engine keeps. A call takes ten kilobytes as it is, and
// most calls are kept only for the case that something more is told of them: all
// but those touched last are packed to a few hundred bytes until then.
type kept struct {
	limit  int
	loose  map[call.Key]*callState
	packed map[call.Key]*packedCall
	queue  []queued // loose calls, longest untouched first; a call touched again stands there again
	turn   uint64
	packer packer
}

type queued struct {
	key  call.Key
	turn uint64
}

func newKept(limit int) *kept {
	return &kept{limit: limit, loose: map[call.Key]*callState{}, packed: map[call.Key]*packedCall{}, packer: packer{}}
}

func (k *kept) len() int { return len(k.loose) + len(k.packed) }

// find is the call as it is kept; nil for none. What is done to it is kept.
func (k *kept) find(key call.Key) *callState {
	if cs := k.loose[key]; cs != nil {
		return cs
	}
	p := k.packed[key]
	if p == nil {
		return nil
	}
	delete(k.packed, key)
	cs := k.packer.unpack(key, p)
	k.put(key, cs)
	return cs
}

// put keeps a call that was just touched.
func (k *kept) put(key call.Key, cs *callState) {
	k.loose[key] = cs
	k.turn++
	cs.turn = k.turn
	k.queue = append(k.queue, queued{key, k.turn})
}

// touched is when the call was, and whether it is over; false for none. It leaves
// a packed call as it is.
func (k *kept) touched(key call.Key) (at time.Time, ended, ok bool) {
	if cs := k.loose[key]; cs != nil {
		return cs.Touched, cs.ended(), true
	}
	if p := k.packed[key]; p != nil {
		return p.Touched, p.Over, true
	}
	return time.Time{}, false, false
}

func (k *kept) drop(key call.Key) {
	delete(k.loose, key)
	delete(k.packed, key)
}

// tidy packs what is too much. Nobody may hold a call of a loose key meanwhile.
func (k *kept) tidy() {
	for len(k.loose) > k.limit && len(k.queue) > 0 {
		q := k.queue[0]
		k.queue = k.queue[1:]
		cs := k.loose[q.key]
		switch {
		case cs == nil || cs.turn != q.turn:
		case !cs.packable():
			k.put(q.key, cs)
			return // all may be so: one look a turn
		default:
			k.packed[q.key] = k.packer.pack(q.key.Provider, cs)
			delete(k.loose, q.key)
		}
	}
	if len(k.queue) > 4*max(k.limit, len(k.loose)) {
		k.queue = slices.DeleteFunc(k.queue, func(q queued) bool {
			cs := k.loose[q.key]
			return cs == nil || cs.turn != q.turn
		})
	}
}

// packable says whether nothing waits for the call: one with a condition that has
// begun to hold stays as it is.
func (c *callState) packable() bool {
	return !slices.ContainsFunc(c.Holds, func(h callHold) bool {
		return !h.Since.IsZero() || slices.Contains(h.Recent, true)
	})
}

// keys are those of all calls, in no order.
func (k *kept) keys() iter.Seq[call.Key] {
	return func(yield func(call.Key) bool) {
		for key := range k.loose {
			if !yield(key) {
				return
			}
		}
		for key := range k.packed {
			if !yield(key) {
				return
			}
		}
	}
}

// ends are the calls that have ended and that not every window has counted.
func (k *kept) ends() iter.Seq2[call.Key, ending] {
	return func(yield func(call.Key, ending) bool) {
		for key, cs := range k.loose {
			if !cs.Ended.IsZero() && !cs.Settled && !yield(key, ending{cs.Ended, cs.EndedSeq}) {
				return
			}
		}
		for key, p := range k.packed {
			if !p.Ended.IsZero() && !p.Settled && !yield(key, ending{p.Ended, p.EndedSeq}) {
				return
			}
		}
	}
}

// ending is when and where the end of a call was stored.
type ending struct {
	at  time.Time
	seq uint64
}
