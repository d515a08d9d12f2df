package call

import (
	"encoding/binary"
	"encoding/json"
	"math"
	"time"
)

// Unpack is the call of a key that AppendPacked wrote. c is left as it was where
// data is damaged.
func (c *Call) Unpack(key Key, data []byte) error {
	r := unpacking{Packed: Packed{Rest: data}}
	out := Call{Event: Event{Identity: Identity{Provider: key.Provider, CallID: key.CallID}}}
	r.event(&out.Event)
	out.Events = int(r.whole())
	for range r.Count() {
		out.Reports = append(out.Reports, r.counters())
	}
	for range r.Count() {
		out.Scores = append(out.Scores, Score{Source: r.text(), MOS: r.float(), Scope: r.text(), Grounding: r.text(), Missing: r.texts(), Stamp: r.stamp()})
	}
	out.Seen = r.texts()
	out.Latest = r.stamp()
	for range r.Count() {
		out.Sources.Stamps = append(out.Sources.Stamps, r.stamp())
	}
	if of := r.text(); of != "" {
		out.Sources.Of = []byte(of)
	}
	if r.Damaged || len(r.Rest) > 0 {
		return errPacked
	}
	*c = out
	return nil
}

// unpacking reads what packing wrote; after damage everything is zero.
type unpacking struct {
	Packed
	last int64
}

func (r *unpacking) event(e *Event) {
	table := fieldTable()
	known := r.Take((len(table) + 7) / 8)
	if r.Damaged {
		return
	}
	for i := range table {
		if known[i/8]>>(i%8)&1 == 0 {
			continue
		}
		switch s := table[i].slot; s.form {
		case formFloat:
			*at[*float64](s, e) = new(r.float())
		case formWhole:
			*at[*int64](s, e) = new(r.whole())
		case formBool:
			*at[*bool](s, e) = new(r.truth())
		case formPlain:
			*at[bool](s, e) = r.truth()
		case formText:
			*at[string](s, e) = r.text()
		case formTime:
			*at[time.Time](s, e) = r.time()
		case formTexts:
			*at[[]string](s, e) = r.texts()
		}
	}
	for range r.Count() {
		e.Intervals = append(e.Intervals, r.interval())
	}
	if r.truth() {
		e.Counters = new(r.counters())
	}
	if n := r.Count(); n > 0 {
		e.Raw = r.members(n)
	}
}

func (r *unpacking) counters() Counters {
	c := Counters{Start: r.time(), From: r.time(), Head: r.time(), To: r.time(), First: r.reading(), Last: r.reading(), Sum: r.reading(), Resets: int(r.whole())}
	if r.truth() {
		c.Segment = new(r.whole())
	}
	c.Begins, c.Active = r.truth(), r.truth()
	c.RemoteJitterMs, c.RemoteJitters = r.float(), int(r.whole())
	for range r.Count() {
		c.States = append(c.States, State{At: r.time(), Held: r.truth(), Was: r.truth()})
	}
	return c
}

func (r *unpacking) interval() (iv Interval) {
	iv.Start, iv.End = r.time(), r.time()
	known := r.Number()
	iv.Held = known>>heldBit&1 != 0
	for i, v := range iv.wholes() {
		if known>>i&1 != 0 {
			*v = new(r.whole())
		}
	}
	for i, v := range iv.floats() {
		if known>>(3+i)&1 != 0 {
			*v = new(r.float())
		}
	}
	return iv
}

func (r *unpacking) reading() (out Reading) {
	known := r.Number()
	for i, v := range out.all() {
		if known>>i&1 != 0 {
			*v = new(r.whole())
		}
	}
	return out
}

func (r *unpacking) stamp() stamp { return stamp{Kind(r.text()), r.time()} }

func (r *unpacking) whole() int64 { return unzigzag(r.Number()) }
func (r *unpacking) text() string { return string(r.Take(r.Count())) }

func (r *unpacking) texts() (list []string) {
	for range r.Count() {
		list = append(list, r.text())
	}
	return list
}

func (r *unpacking) truth() bool {
	b := r.Take(1)
	return b != nil && b[0] != 0
}

func (r *unpacking) float() float64 {
	if n := r.Number(); n != 1 {
		return float64(unzigzag(n>>1)) / 1000
	}
	b := r.Take(8)
	if b == nil {
		return 0
	}
	return math.Float64frombits(binary.LittleEndian.Uint64(b))
}

func (r *unpacking) time() time.Time {
	n := r.Number()
	if n == timeZero {
		return time.Time{}
	}
	r.last += unzigzag(n >> 2)
	var nano, east int64
	if n&3 >= timeNano {
		v := r.Number()
		if nano = int64(v >> 1); v&1 == 0 {
			nano *= 1e6
		}
	}
	if n&3 < timeZone {
		return time.Unix(r.last, nano).UTC()
	}
	east = r.whole()
	return time.Unix(r.last, nano).In(time.FixedZone("", int(east)))
}

func (r *unpacking) members(n int) map[string]any {
	m := make(map[string]any, n)
	for range n {
		name := r.text()
		m[name] = r.value()
	}
	return m
}

func (r *unpacking) value() any {
	form := r.Take(1)
	if form == nil {
		return nil
	}
	switch form[0] {
	case rawFalse:
		return false
	case rawTrue:
		return true
	case rawNumber:
		return r.float()
	case rawText:
		return r.text()
	case rawList:
		list := make([]any, r.Count())
		for i := range list {
			list[i] = r.value()
		}
		return list
	case rawObject:
		return r.members(r.Count())
	case rawOther:
		var v any
		r.Damaged = json.Unmarshal([]byte(r.text()), &v) != nil || r.Damaged
		return v
	}
	return nil
}
