package rules

import (
	"encoding/binary"
	"errors"
	"math"
	"time"

	"callwatch/call"
)

// record is a callState at rest: what is looked at without an event stands before
// the rest.
type record struct {
	Key      call.Key
	Touched  time.Time
	Ended    time.Time
	EndedSeq uint64
	Outcomes []outcome // by the rule's place in the set
	Over     bool      // the call has ended
	Settled  bool
	Plain    bool   // the rest is not compressed
	Rest     []byte // holds and call, see appendRest
}

var errRecord = errors.New("a packed call is damaged")

func (c *callState) header() record {
	return record{
		Key: c.Call.Key(), Touched: c.Touched, Ended: c.Ended, EndedSeq: c.EndedSeq, Outcomes: c.Outcomes,
		Over: c.ended(), Settled: c.Settled,
	}
}

const (
	flagOver = 1 << iota
	flagSettled
	flagPlain
	flagEnded // the time of the end stands in the record
)

// append writes the record: its key first, two outcomes a byte.
func (r *record) append(b []byte) []byte {
	b = appendKey(b, r.Key)
	flags := byte(0)
	for i, set := range [...]bool{r.Over, r.Settled, r.Plain, !r.Ended.IsZero()} {
		if set {
			flags |= 1 << i
		}
	}
	b = appendTime(append(b, flags), r.Touched)
	if flags&flagEnded != 0 {
		b = binary.AppendUvarint(appendTime(b, r.Ended), r.EndedSeq)
	}
	b = binary.AppendUvarint(b, uint64(len(r.Outcomes)))
	for i := 0; i < len(r.Outcomes); i += 2 {
		two := r.Outcomes[i] << 4
		if i+1 < len(r.Outcomes) {
			two |= r.Outcomes[i+1]
		}
		b = append(b, byte(two))
	}
	return append(b, r.Rest...)
}

// readRecord reads what append wrote; of a damaged one what can be read.
func readRecord(b []byte) (r record) {
	in := recordReader{call.Packed{Rest: b}}
	r.Key = call.Key{Provider: string(in.text()), CallID: string(in.text())}
	flags := byte(0)
	if f := in.Take(1); f != nil {
		flags = f[0]
	}
	r.Over, r.Settled, r.Plain = flags&flagOver != 0, flags&flagSettled != 0, flags&flagPlain != 0
	r.Touched = in.time()
	if flags&flagEnded != 0 {
		r.Ended, r.EndedSeq = in.time(), in.Number()
	}
	n := int(min(in.Number(), uint64(2*len(in.Rest))))
	packed := in.Take((n + 1) / 2)
	if packed != nil {
		r.Outcomes = make([]outcome, n)
	}
	for i := range r.Outcomes {
		r.Outcomes[i] = outcome(packed[i/2] >> (4 * (1 - i%2)) & 15)
	}
	r.Rest = in.Rest
	return r
}

func keyOfRecord(b []byte) call.Key {
	in := recordReader{call.Packed{Rest: b}}
	return call.Key{Provider: string(in.text()), CallID: string(in.text())}
}

func touchOfRecord(b []byte) touch {
	in := recordReader{call.Packed{Rest: b}}
	in.text()
	in.text()
	flags := in.Take(1)
	return touch{in.time(), flags != nil && flags[0]&flagOver != 0}
}

// appendRest writes the holds of a call, then the call less its key.
func appendRest(b []byte, c *callState) []byte {
	b = binary.AppendUvarint(b, uint64(len(c.Holds)))
	for _, h := range c.Holds {
		b = appendTime(binary.AppendUvarint(b, uint64(h.Rule)), h.Since)
		b = binary.AppendUvarint(b, uint64(len(h.Recent)))
		for _, held := range h.Recent {
			if held {
				b = append(b, 1)
			} else {
				b = append(b, 0)
			}
		}
	}
	return c.Call.AppendPacked(b)
}

// hasHolds says whether what appendRest wrote has any.
func hasHolds(rest []byte) bool { return len(rest) > 0 && rest[0] != 0 }

func (c *callState) readRest(key call.Key, b []byte) error {
	in := recordReader{call.Packed{Rest: b}}
	var holds []callHold
	for range in.Count() {
		h := callHold{Rule: int(min(in.Number(), math.MaxInt32)), Since: in.time()}
		for _, held := range in.text() {
			h.Recent = append(h.Recent, held != 0)
		}
		holds = append(holds, h)
	}
	if in.Damaged {
		return errRecord
	}
	c.Holds = holds
	return c.Call.Unpack(key, in.Rest)
}

func appendKey(b []byte, k call.Key) []byte {
	b = append(binary.AppendUvarint(b, uint64(len(k.Provider))), k.Provider...)
	return append(binary.AppendUvarint(b, uint64(len(k.CallID))), k.CallID...)
}

// appendTime writes UTC to the nanosecond; the zero time as 0.
func appendTime(b []byte, t time.Time) []byte {
	if t.IsZero() {
		return append(b, 0)
	}
	return binary.AppendUvarint(binary.AppendUvarint(b, uint64(t.Unix())+1), uint64(t.Nanosecond()))
}

// recordReader reads a record; after damage everything is empty.
type recordReader struct{ call.Packed }

func (r *recordReader) text() []byte { return r.Take(r.Count()) }

func (r *recordReader) time() time.Time {
	s := r.Number()
	if s == 0 {
		return time.Time{}
	}
	return time.Unix(int64(s-1), int64(r.Number())).UTC()
}
