package call

import (
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"maps"
	"math"
	"slices"
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
	w.count(len(c.Streams))
	for _, name := range slices.Sorted(maps.Keys(c.Streams)) {
		s := c.Streams[name]
		w.text(name)
		w.time(s.To)
		w.reading(&s.Last)
		w.reading(&s.Total)
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
		w.text(c.Stream)
		w.time(c.From)
		w.time(c.To)
		w.reading(&c.First)
		w.reading(&c.Last)
		w.reading(&c.Sum)
		w.whole(int64(c.Resets))
	}
	w.count(len(e.Raw))
	w.members(e.Raw)
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

func (iv *Interval) floats() [7]**float64 {
	return [7]**float64{&iv.PacketLossPct, &iv.JitterMs, &iv.RTTMs, &iv.ConcealedPct, &iv.JitterBufferMs, &iv.RFactor, &iv.MOS}
}

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

func (w *packing) count(n int)   { w.b = binary.AppendUvarint(w.b, uint64(n)) }
func (w *packing) whole(n int64) { w.b = binary.AppendVarint(w.b, n) }
func (w *packing) text(s string) { w.b = append(binary.AppendUvarint(w.b, uint64(len(s))), s...) }
func (w *packing) texts(l []string) {
	w.count(len(l))
	for _, s := range l {
		w.text(s)
	}
}

func (w *packing) truth(v bool) {
	if v {
		w.b = append(w.b, 1)
	} else {
		w.b = append(w.b, 0)
	}
}

// float writes thousandths where that is exact, else all bits behind an odd byte.
func (w *packing) float(f float64) {
	if n := math.Round(f * 1000); math.Abs(n) < 1<<50 {
		if n := int64(n); math.Float64bits(float64(n)/1000) == math.Float64bits(f) {
			w.b = binary.AppendUvarint(w.b, zigzag(n)<<1)
			return
		}
	}
	w.b = binary.LittleEndian.AppendUint64(append(w.b, 1), math.Float64bits(f))
}

func zigzag(n int64) uint64   { return uint64(n)<<1 ^ uint64(n>>63) }
func unzigzag(u uint64) int64 { return int64(u>>1) ^ -int64(u&1) }

// How a time is written: the last two bits of the difference to the time before.
const (
	timeZero = iota
	timeUTC  // whole seconds
	timeNano // UTC, and nanoseconds
	timeZone // nanoseconds and the seconds east of UTC
)

func (w *packing) time(t time.Time) {
	if t.IsZero() {
		w.b = append(w.b, timeZero)
		return
	}
	form, nano := uint64(timeUTC), uint64(t.Nanosecond())
	_, east := t.Zone()
	switch {
	case t.Location() != time.UTC:
		form = timeZone
	case nano > 0:
		form = timeNano
	}
	w.b = binary.AppendUvarint(w.b, zigzag(t.Unix()-w.last)<<2|form)
	w.last = t.Unix()
	if form >= timeNano {
		if nano%1e6 == 0 {
			nano = nano / 1e6 << 1
		} else {
			nano = nano<<1 | 1
		}
		w.b = binary.AppendUvarint(w.b, nano)
	}
	if form == timeZone {
		w.whole(int64(east))
	}
}

// How a value of Raw is written.
const (
	rawNil = iota
	rawFalse
	rawTrue
	rawNumber
	rawText
	rawList
	rawObject
	rawOther // as JSON
)

func (w *packing) members(m map[string]any) {
	from := len(w.names)
	for name := range m {
		w.names = append(w.names, name)
	}
	slices.Sort(w.names[from:])
	for i := from; i < from+len(m); i++ {
		w.text(w.names[i])
		w.value(m[w.names[i]])
	}
	w.names = w.names[:from]
}

func (w *packing) value(v any) {
	switch v := v.(type) {
	case nil:
		w.b = append(w.b, rawNil)
	case bool:
		if v {
			w.b = append(w.b, rawTrue)
		} else {
			w.b = append(w.b, rawFalse)
		}
	case float64:
		w.b = append(w.b, rawNumber)
		w.float(v)
	case string:
		w.b = append(w.b, rawText)
		w.text(v)
	case []any:
		w.b = append(w.b, rawList)
		w.count(len(v))
		for _, x := range v {
			w.value(x)
		}
	case map[string]any:
		w.b = append(w.b, rawObject)
		w.count(len(v))
		w.members(v)
	default:
		text, err := json.Marshal(v)
		if err != nil {
			panic(fmt.Sprintf("call: a member of Raw cannot be written: %v", err))
		}
		w.b = append(w.b, rawOther)
		w.text(string(text))
	}
}
