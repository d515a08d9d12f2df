package frame

import (
	"encoding/binary"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// Record is one webhook or fetched report, as received.
type Record struct {
	At          Position // where it is stored; set when read
	Provider    string
	Account     string            // of the provider; "" where it has one
	Source      string            // how it came: webhook, fetch, import
	ContentType string            // of Body
	Key         string            // which verification key matched
	CallID      string            // when it is known before normalizing
	Header      map[string]string // the few headers a normalizer needs
	ReceivedAt  time.Time
	Body        []byte

	// Replays is the record whose body is normalized once more; zero for a body of
	// its own. CountsAt, when set, says that the events correct those of that record
	// and count at the time given, not when they are stored.
	Replays  Position
	CountsAt time.Time
}

// ID is the record's identity in RAW, "<sequence>.<index>".
func (r *Record) ID() string { return r.At.String() }

// Position is a place in RAW: a frame and the record in it.
type Position struct {
	Seq   uint64 // of the frame, from 1; 0 is before the first
	Index int    // of the record in its frame, from 0
}

func (p Position) String() string {
	return strconv.FormatUint(p.Seq, 10) + "." + strconv.Itoa(p.Index)
}

// Before says whether p comes earlier in RAW than o.
func (p Position) Before(o Position) bool {
	return p.Seq < o.Seq || p.Seq == o.Seq && p.Index < o.Index
}

// ParsePosition reads what Position.String wrote.
func ParsePosition(id string) (Position, error) {
	seq, index, ok := strings.Cut(id, ".")
	s, err := strconv.ParseUint(seq, 10, 64)
	i, err2 := strconv.ParseUint(index, 10, 31)
	if !ok || err != nil || err2 != nil || s == 0 {
		return Position{}, fmt.Errorf("%q is not a raw id such as 17.0", id)
	}
	return Position{Seq: s, Index: int(i)}, nil
}

// AppendRecord writes r behind b: fields with their length before them, the
// body last.
func AppendRecord(b []byte, r *Record) []byte {
	for _, s := range [...]string{r.Provider, r.Source, r.ContentType, r.Key, r.CallID} {
		b = appendString(b, s)
	}
	var at int64
	if !r.ReceivedAt.IsZero() {
		at = r.ReceivedAt.UnixNano()
	}
	b = binary.AppendVarint(b, at)
	header := r.allHeaders()
	b = binary.AppendUvarint(b, uint64(len(header)))
	for k, v := range header {
		b = appendString(appendString(b, k), v)
	}
	b = binary.AppendUvarint(b, uint64(len(r.Body)))
	return append(b, r.Body...)
}

func appendString(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

// RecordSize is an upper bound of what AppendRecord adds.
func RecordSize(r *Record) int {
	n := 256 + len(r.Provider) + len(r.Account) + len(r.Source) + len(r.ContentType) + len(r.Key) + len(r.CallID) + len(r.Body)
	for k, v := range r.Header {
		n += len(k) + len(v) + 2*binary.MaxVarintLen32
	}
	return n
}

// reader takes fields off the front of b; bad is set once one does not fit.
type reader struct {
	b   []byte
	bad bool
}

// readRecord reads one record; its body shares memory with b.
func readRecord(b []byte) (Record, []byte, bool) {
	d := reader{b: b}
	r := Record{Provider: d.string(), Source: d.string(), ContentType: d.string(), Key: d.string(), CallID: d.string()}
	if at := d.varint(); at != 0 {
		r.ReceivedAt = time.Unix(0, at).UTC()
	}
	if n := d.uvarint(); n > 0 && n <= uint64(len(d.b)/2) {
		r.Header = make(map[string]string, min(n, 64))
		for ; n > 0 && !d.bad; n-- {
			k := d.string()
			r.Header[k] = d.string()
		}
	} else if n > 0 {
		d.bad = true
	}
	r.Body = d.bytes()
	r.takeHeaders()
	return r, d.b, !d.bad
}

func (d *reader) uvarint() uint64 {
	v, n := binary.Uvarint(d.b)
	return take(d, v, n)
}

func (d *reader) varint() int64 {
	v, n := binary.Varint(d.b)
	return take(d, v, n)
}

func take[T int64 | uint64](d *reader, v T, n int) T {
	if n <= 0 {
		d.bad, d.b = true, nil
		return 0
	}
	d.b = d.b[n:]
	return v
}

func (d *reader) bytes() []byte {
	n := d.uvarint()
	if n > uint64(len(d.b)) || n > math.MaxInt32 {
		d.bad, d.b = true, nil
		return nil
	}
	v := d.b[:n:n]
	d.b = d.b[n:]
	return v
}

func (d *reader) string() string { return string(d.bytes()) }

// AsStored is r as it is read back from at.
func (r *Record) AsStored(at Position) Record {
	out := *r
	out.At = at
	if !r.ReceivedAt.IsZero() {
		out.ReceivedAt = time.Unix(0, r.ReceivedAt.UnixNano()).UTC()
	}
	switch {
	case r.Replays == (Position{}):
		out.CountsAt = time.Time{}
	case !r.CountsAt.IsZero():
		out.CountsAt = r.CountsAt.Round(0).UTC()
	}
	if len(r.Header) == 0 {
		out.Header = nil
	}
	if r.Body == nil {
		out.Body = []byte{}
	}
	return out
}

// SourceErased is the source of the blank that an erased record leaves.
const SourceErased = "erased"

// Erased reports whether r is the blank of an erased record.
func (r *Record) Erased() bool { return r.Source == SourceErased && len(r.Body) == 0 }
