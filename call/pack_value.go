package call

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"time"
)

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
