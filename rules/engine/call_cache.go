package engine

import (
	"container/list"
	"slices"

	"callwatch/call"
)

// hotCalls is how many calls are in memory as they are.
const hotCalls = 1024

// callCache holds the calls that the engine still expects events of. A call takes
// several kilobytes in memory, and most are only there in case of a late event:
// all but the ones used last are evicted to compressed JSON until then. What the
// rules made of a call stays readable without its facts.
type callCache struct {
	capacity     int // of hot calls
	calls        map[call.Key]*CallState
	hot          *list.List // of *callState, used last first
	dictionaries dictionaries
}

func newCallCache() *callCache {
	return &callCache{capacity: hotCalls, calls: map[call.Key]*CallState{}, hot: list.New(), dictionaries: dictionaries{}}
}

// get returns a call without its facts; nil if there is none. See load.
func (c *callCache) get(key call.Key) *CallState { return c.calls[key] }

// load makes the facts of a call available until the next input of the engine.
func (c *callCache) load(cs *CallState) *CallState {
	if cs.hot != nil {
		c.hot.MoveToFront(cs.hot)
		return cs
	}
	cs.Call = c.facts(cs)
	cs.hot = c.hot.PushFront(cs)
	return cs
}

// facts returns the facts of a call without making it hot. Facts that cannot be
// read are damage to a checkpoint that its checksum did not show: they are unknown.
func (c *callCache) facts(cs *CallState) *call.Call {
	if cs.Call != nil {
		return cs.Call
	}
	known := &call.Call{}
	text, err := c.dictionaries.decompress(cs.Key.Provider, cs.evicted)
	if err == nil {
		err = known.ReadState(text)
	}
	if err != nil || known.Key() != cs.Key {
		*known = call.Call{}
		known.Provider, known.Account, known.CallID = cs.Key.Provider, cs.Key.Account, cs.Key.CallID
	}
	return known
}

// put adds a call, in place of one with its key. Its facts are there.
func (c *callCache) put(cs *CallState) {
	if old := c.calls[cs.Key]; old != cs {
		if old != nil {
			c.remove(old)
		}
		c.calls[cs.Key] = cs
	}
	c.load(cs)
}

// remove removes a call. One that is no longer in the cache stays out.
func (c *callCache) remove(cs *CallState) {
	if cs.hot != nil {
		c.hot.Remove(cs.hot)
		cs.hot = nil
	}
	if c.calls[cs.Key] == cs {
		delete(c.calls, cs.Key)
	}
}

// evict compresses the calls beyond the capacity, those not used for longest
// first. The facts of no call may be in use.
func (c *callCache) evict() {
	for c.hot.Len() > c.capacity {
		cs := c.hot.Back().Value.(*CallState)
		if !c.compress(cs) {
			c.hot.MoveToFront(cs.hot)
			return
		}
		c.hot.Remove(cs.hot)
		cs.hot, cs.Call = nil, nil
	}
}

// compress sets the compressed facts of a call; false for facts that JSON cannot
// express, such as an infinite number.
func (c *callCache) compress(cs *CallState) bool {
	if cs.evicted != nil {
		return true // and not changed since
	}
	text, err := cs.Call.AppendState(nil)
	if err != nil {
		return false
	}
	if c.dictionaries[cs.Key.Provider] == nil {
		c.learn(cs.Key.Provider, text)
	}
	cs.evicted = c.dictionaries.compress(cs.Key.Provider, text)
	return true
}

// learn makes the dictionary of a provider from one call and the hot ones.
func (c *callCache) learn(provider string, first []byte) {
	samples := [][]byte{first}
	for at := c.hot.Back(); at != nil && len(samples) < maxSamplesOfDictionary; at = at.Prev() {
		if cs := at.Value.(*CallState); cs.Key.Provider == provider {
			if text, err := cs.Call.AppendState(nil); err == nil {
				samples = append(samples, text)
			}
		}
	}
	c.dictionaries.learn(provider, samples)
}

// forget removes a call and all traces of it, and reports whether there were any.
// Where the dictionary of its provider was made from it, the calls of the provider
// are compressed with another one.
func (c *callCache) forget(key call.Key) (found bool) {
	if cs := c.calls[key]; cs != nil {
		c.remove(cs)
		found = true
	}
	if !c.dictionaries[key.Provider].mentions(key) {
		return found
	}
	var others []*CallState
	for _, cs := range c.sorted() {
		if cs.Key.Provider == key.Provider {
			cs.Call = c.facts(cs)
			cs.evicted = nil
			others = append(others, cs)
		}
	}
	delete(c.dictionaries, key.Provider)
	for _, cs := range others {
		if c.compress(cs) && cs.hot == nil {
			cs.Call = nil
		}
	}
	return true
}

// sorted returns all calls, those without an event for longest first.
func (c *callCache) sorted() []*CallState {
	all := make([]*CallState, 0, len(c.calls))
	for _, cs := range c.calls {
		all = append(all, cs)
	}
	slices.SortFunc(all, func(a, b *CallState) int {
		if n := a.Touched.Compare(b.Touched); n != 0 {
			return n
		}
		return a.Key.Compare(b.Key)
	})
	return all
}
