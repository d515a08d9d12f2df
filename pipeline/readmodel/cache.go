package readmodel

import (
	"container/list"
	"time"

	"callwatch/call"
	"callwatch/handlers/backend"
)

// Bounds of the calls that are held in memory between batches.
const (
	mostCached    = 20_000  // while a file is built: a call that comes again is then folded at the end
	mostFed       = 2_000   // of a complete file: a call that comes again is read from it
	mostIntervals = 400_000 // of all of them together

	// mostOfCall is how many events of a call are folded; further ones are left out.
	mostOfCall = 10_000
)

// entry is a call while it is fed.
type entry struct {
	key   call.Key
	fold  call.Call
	seqs  []uint64  // of its events, ascending
	first time.Time // when the first of them counts, in the order in which they count
	last  time.Time // and the last

	absent  bool // fold, first and last are not in memory
	changed bool // its events are others than in the file
	renamed bool // its incidents are others than in the file
	dirty   bool // it is among feed.dirty

	// As it is in the file; stored is 0 if it is not there.
	stored  uint64
	row     backend.CallRow
	aliases []string
}

// cache holds the calls that were fed last.
type cache struct {
	most      int        // calls
	order     *list.List // of *entry, the latest first
	calls     map[call.Key]*list.Element
	intervals int
}

func newCache(most int) *cache {
	return &cache{most: most, order: list.New(), calls: map[call.Key]*list.Element{}}
}

func (c *cache) get(k call.Key) *entry {
	el, ok := c.calls[k]
	if !ok {
		return nil
	}
	c.order.MoveToFront(el)
	return el.Value.(*entry)
}

func (c *cache) put(e *entry) { c.calls[e.key] = c.order.PushFront(e) }

func (c *cache) drop(k call.Key) {
	if el, ok := c.calls[k]; ok {
		c.intervals -= len(el.Value.(*entry).fold.Intervals)
		c.order.Remove(el)
		delete(c.calls, k)
	}
}

// full reports whether calls have to go where so many may stay.
func (c *cache) full(most int) bool {
	return c.order.Len() > most || c.intervals > mostIntervals && c.order.Len() > 1
}

// oldest is the call that was not fed for longest.
func (c *cache) oldest() *entry { return c.order.Back().Value.(*entry) }

// entries are all calls, those first that were not fed for longest.
func (c *cache) entries() []*entry {
	all := make([]*entry, 0, c.order.Len())
	for el := c.order.Back(); el != nil; el = el.Prev() {
		all = append(all, el.Value.(*entry))
	}
	return all
}

// trim lets the calls go that were not fed for longest; the file is complete. None is dirty.
func (c *cache) trim() {
	for c.full(min(c.most, mostFed)) {
		c.drop(c.oldest().key)
	}
}
