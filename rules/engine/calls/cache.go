// Package calls keeps the calls that the rule engine still expects events of, within
// bounds: those used last as they are, the others compressed; and what the rules have made
// of each. It may import call and rules/engine/parts.
package calls

import (
	"bytes"
	"container/list"
	"iter"
	"maps"
	"slices"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"callwatch/call"
)

// hotCalls is how many calls are in memory as they are.
const hotCalls = 1024

// Cache holds the calls that the engine still expects events of. A call takes
// several kilobytes in memory, and most are only there in case of a late event:
// all but the ones used last are evicted to compressed JSON until then. What the
// rules made of a call stays readable without its facts.
type Cache struct {
	Capacity int // of hot calls

	folding      call.Folding
	calls        map[call.Key]*State
	hot          *list.List // of *State, used last first
	dictionaries dictionaries
}

// New returns a cache without calls, which folds events as f says.
func New(f call.Folding) *Cache {
	return &Cache{Capacity: hotCalls, folding: f, calls: map[call.Key]*State{}, hot: list.New(), dictionaries: dictionaries{}}
}

// Get returns a call without its facts; nil if there is none. See Load.
func (c *Cache) Get(key call.Key) *State { return c.calls[key] }

// Load makes the facts of a call available until the next input of the engine.
func (c *Cache) Load(cs *State) *State {
	if cs.hot != nil {
		c.hot.MoveToFront(cs.hot)
		return cs
	}
	cs.Call, cs.texts = c.factsAndTexts(cs)
	cs.hot = c.hot.PushFront(cs)
	return cs
}

// Facts returns the facts of a call without making it hot. Facts that cannot be
// read are damage to a checkpoint that its checksum did not show: they are unknown.
func (c *Cache) Facts(cs *State) *call.Call {
	known, _ := c.factsAndTexts(cs)
	return known
}

func (c *Cache) factsAndTexts(cs *State) (known *call.Call, texts [][]byte) {
	if cs.Call != nil {
		return cs.Call, cs.texts
	}
	known = &call.Call{}
	text, err := c.dictionaries.decompress(cs.Key.Provider, cs.evicted)
	switch {
	case err != nil:
	case bytes.HasPrefix(text, []byte("[")):
		texts, err = c.foldTexts(known, text)
	default:
		err = known.ReadState(text)
	}
	if err != nil || known.Key() != cs.Key {
		*known, texts = call.Call{}, nil
		known.Provider, known.Account, known.CallID = cs.Key.Provider, cs.Key.Account, cs.Key.CallID
	}
	return known, texts
}

// foldTexts folds events into a call, and returns their texts.
func (c *Cache) foldTexts(known *call.Call, list []byte) ([][]byte, error) {
	var values []jsontext.Value
	if err := json.Unmarshal(list, &values, jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true)); err != nil {
		return nil, err
	}
	texts := make([][]byte, len(values))
	for i, v := range values {
		var e call.Event
		if err := call.ReadEvent(v, &e); err != nil {
			return nil, err
		}
		known.FoldWith(&e, c.folding)
		texts[i] = v
	}
	return texts, nil
}

// A call of few and short events is kept as these: they need not be written.
const (
	maxTexts     = 8
	maxTextBytes = 64 << 10
)

// Fold folds an event into a call whose facts are there, keeps the text of the event, and
// puts the call into the cache, in place of one with its key; text is nil if it is not
// known. It reports whether anything of the call changed.
func (c *Cache) Fold(cs *State, e *call.Event, text []byte, at time.Time) (changed bool) {
	before := cs.Call.Events
	changed = cs.Call.FoldWith(e, c.folding)
	if cs.Call.Events > before { // else the call had the event before
		cs.keepText(text)
	}
	cs.Touched, cs.evicted = at, nil
	c.put(cs)
	return changed
}

// keepText keeps the text of the event that was folded last; nil if it is not known.
func (cs *State) keepText(text []byte) {
	size := len(text)
	for _, t := range cs.texts {
		size += len(t)
	}
	if cs.Call.Events > len(cs.texts)+1 || text == nil || len(cs.texts) >= maxTexts || size > maxTextBytes {
		cs.texts = nil
	} else {
		cs.texts = append(cs.texts, text)
	}
}

// state is all that is known of a call as text: a list of its events, or what call.AppendState writes.
func (cs *State) state() ([]byte, error) {
	if cs.texts == nil {
		return cs.Call.AppendState(nil)
	}
	return slices.Concat([]byte("["), bytes.Join(cs.texts, []byte(",")), []byte("]")), nil
}

// put adds a call, in place of one with its key. Its facts are there.
func (c *Cache) put(cs *State) {
	if old := c.calls[cs.Key]; old != cs {
		if old != nil {
			c.Remove(old)
		}
		c.calls[cs.Key] = cs
	}
	c.Load(cs)
}

// Remove removes a call. One that is no longer in the cache stays out.
func (c *Cache) Remove(cs *State) {
	if cs.hot != nil {
		c.hot.Remove(cs.hot)
		cs.hot = nil
	}
	if c.calls[cs.Key] == cs {
		delete(c.calls, cs.Key)
	}
}

// Evict compresses the calls beyond the capacity, those not used for longest
// first. The facts of no call may be in use.
func (c *Cache) Evict() {
	for c.hot.Len() > c.Capacity {
		cs := c.hot.Back().Value.(*State)
		if !c.compress(cs) {
			c.hot.MoveToFront(cs.hot)
			return
		}
		c.hot.Remove(cs.hot)
		cs.hot, cs.Call, cs.texts = nil, nil, nil
	}
}

// compress sets the compressed facts of a call; false for facts that JSON cannot
// express, such as an infinite number.
func (c *Cache) compress(cs *State) bool {
	if cs.evicted != nil {
		return true // and not changed since
	}
	text, err := cs.state()
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
func (c *Cache) learn(provider string, first []byte) {
	samples := [][]byte{first}
	for at := c.hot.Back(); at != nil && len(samples) < maxSamplesOfDictionary; at = at.Prev() {
		if cs := at.Value.(*State); cs.Key.Provider == provider {
			if text, err := cs.state(); err == nil {
				samples = append(samples, text)
			}
		}
	}
	c.dictionaries.learn(provider, samples)
}

// Forget removes a call and all traces of it, and reports whether there were any.
// Where the dictionary of its provider was made from it, the calls of the provider
// are compressed with another one.
func (c *Cache) Forget(key call.Key) (found bool) {
	if cs := c.calls[key]; cs != nil {
		c.Remove(cs)
		found = true
	}
	if !c.dictionaries[key.Provider].mentions(key) {
		return found
	}
	var others []*State
	for _, cs := range c.Sorted() {
		if cs.Key.Provider == key.Provider {
			cs.Call, cs.texts = c.factsAndTexts(cs)
			cs.evicted = nil
			others = append(others, cs)
		}
	}
	delete(c.dictionaries, key.Provider)
	for _, cs := range others {
		if c.compress(cs) && cs.hot == nil {
			cs.Call, cs.texts = nil, nil
		}
	}
	return true
}

// Len returns the number of calls.
func (c *Cache) Len() int { return len(c.calls) }

// All returns all calls, in no order.
func (c *Cache) All() iter.Seq[*State] { return maps.Values(c.calls) }

// Sorted returns all calls, those without an event for longest first.
func (c *Cache) Sorted() []*State {
	all := make([]*State, 0, len(c.calls))
	for _, cs := range c.calls {
		all = append(all, cs)
	}
	slices.SortFunc(all, func(a, b *State) int {
		if n := a.Touched.Compare(b.Touched); n != 0 {
			return n
		}
		return a.Key.Compare(b.Key)
	})
	return all
}
