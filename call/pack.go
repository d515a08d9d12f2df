package call

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/fnv"
	"time"
)

// A call at rest is written by the field table: which fields are known, then
// their values. That takes a tenth of the time of JSON and a third of its bytes.
// What is written is read only by the same field table: see TableDigest.

// TableDigest tells field tables apart: packed calls are read by the one they were
// written by.
func TableDigest() string {
	h := fnv.New64a()
	for _, f := range fieldTable() {
		fmt.Fprintln(h, f.Name, f.slot.form)
	}
	return hex.EncodeToString(h.Sum(nil))
}

var errPacked = errors.New("call: packed call is damaged")

// AppendPacked writes all that is known of the call, but for its key, behind b.
func (c *Call) AppendPacked(b []byte) []byte {
	var names [64]string
	w := packing{b: b, names: names[:0]}
	w.event(&c.Event)
	w.whole(int64(c.Events))
	w.count(len(c.Reports))
	for i := range c.Reports {
		w.counters(&c.Reports[i])
	}
	w.count(len(c.Scores))
	for _, s := range c.Scores {
		w.text(s.Source)
		w.float(s.MOS)
		w.text(s.Scope)
		w.text(s.Grounding)
		w.texts(s.Missing)
		w.stamp(s.Stamp)
	}
	w.texts(c.Seen)
	w.stamp(c.Latest)
	w.count(len(c.Sources.Stamps))
	for _, s := range c.Sources.Stamps {
		w.stamp(s)
	}
	w.text(string(c.Sources.Of))
	return w.b
}

// packing writes values one behind the other.
type packing struct {
	b     []byte
	last  int64    // seconds of the latest time: those of a call are close to one another
	names []string // of the objects that are being written
}

func (w *packing) event(e *Event) {
	table := fieldTable()
	from := len(w.b)
	w.b = append(w.b, make([]byte, (len(table)+7)/8)...)
	for i := range table {
		s := table[i].slot
		if !s.known(e) || table[i].inKey() {
			continue
		}
		w.b[from+i/8] |= 1 << (i % 8)
		switch s.form {
		case formFloat:
			w.float(**at[*float64](s, e))
		case formWhole:
			w.whole(**at[*int64](s, e))
		case formBool:
			w.truth(**at[*bool](s, e))
		case formPlain:
			w.truth(*at[bool](s, e))
		case formText:
			w.text(*at[string](s, e))
		case formTime:
			w.time(*at[time.Time](s, e))
		case formTexts:
			w.texts(*at[[]string](s, e))
		}
	}
	w.count(len(e.Intervals))
	for i := range e.Intervals {
		w.interval(&e.Intervals[i])
	}
	w.truth(e.Counters != nil)
	if c := e.Counters; c != nil {
		w.counters(c)
	}
	w.count(len(e.Raw))
	w.members(e.Raw)
}

func (w *packing) counters(c *Counters) {
	w.time(c.Start)
	w.time(c.From)
	w.time(c.Head)
	w.time(c.To)
	w.reading(&c.First)
	w.reading(&c.Last)
	w.reading(&c.Sum)
	w.whole(int64(c.Resets))
	w.truth(c.Segment != nil)
	if c.Segment != nil {
		w.whole(*c.Segment)
	}
	w.truth(c.Begins)
	w.truth(c.Active)
	w.float(c.RemoteJitterMs)
	w.whole(int64(c.RemoteJitters))
	w.count(len(c.States))
	for _, s := range c.States {
		w.time(s.At)
		w.truth(s.Held)
		w.truth(s.Was)
	}
}

func (f *Field) inKey() bool {
	return f.fold == foldOwn && (f.Name == "provider" || f.Name == "callId")
}

func (w *packing) interval(iv *Interval) {
	w.time(iv.Start)
	w.time(iv.End)
	var known uint64
	for i, v := range iv.wholes() {
		if *v != nil {
			known |= 1 << i
		}
	}
	for i, v := range iv.floats() {
		if *v != nil {
			known |= 1 << (3 + i)
		}
	}
	if iv.Held {
		known |= 1 << heldBit
	}
	w.b = binary.AppendUvarint(w.b, known)
	for _, v := range iv.wholes() {
		if *v != nil {
			w.whole(**v)
		}
	}
	for _, v := range iv.floats() {
		if *v != nil {
			w.float(**v)
		}
	}
}

func (iv *Interval) wholes() [3]**int64 {
	return [3]**int64{&iv.PacketsReceived, &iv.PacketsLost, &iv.PacketsDiscarded}
}

func (iv *Interval) floats() [8]**float64 {
	return [8]**float64{
		&iv.PacketLossPct, &iv.JitterMs, &iv.RTTMs, &iv.ConcealedPct, &iv.JitterBufferMs, &iv.AudioLevel, &iv.RFactor, &iv.MOS,
	}
}

const heldBit = 11

func (w *packing) reading(r *Reading) {
	var known uint64
	for i, v := range r.all() {
		if *v != nil {
			known |= 1 << i
		}
	}
	w.b = binary.AppendUvarint(w.b, known)
	for _, v := range r.all() {
		if *v != nil {
			w.whole(**v)
		}
	}
}

func (w *packing) stamp(s stamp) {
	w.text(string(s.Kind))
	w.time(s.At)
}
