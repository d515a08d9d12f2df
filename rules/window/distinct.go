package window

import (
	"cmp"
	"encoding/json"
	"errors"
	"math/bits"
	"slices"

	"github.com/axiomhq/hyperloglog"
	"github.com/cespare/xxhash/v2"
)

// distinctPrecision makes an estimate of 2^13 registers, 8 KB: it errs by 1.15 % (one
// standard deviation), 3.5 % at three of them.
const distinctPrecision = 13

// distinctValues tells how many different values the buckets of a window hold. A value
// is kept once, with the buckets it was seen in. A bucket with more than maxExact values
// is estimated instead, so that a burst makes only the windows that hold it inexact, and
// a window of no more values than that is always exact.
type distinctValues struct {
	Values []distinctValue  `json:"values,omitempty"` // by hash
	Of     []distinctBucket `json:"of,omitempty"`     // by place in the ring

	unions map[uint64]*hyperloglog.Sketch // of the buckets of a mask, until one is emptied
}

type distinctValue struct {
	Hash uint64 `json:"h"`
	Seen uint64 `json:"s"` // one bit for each bucket of the ring
}

// distinctBucket is one bucket of a ring: the number of its values that are kept, or all
// of them estimated.
type distinctBucket struct {
	Kept     int       `json:"n,omitempty"`
	Estimate *estimate `json:"e,omitempty"`
}

func (d *distinctValues) add(value string, bucket int) {
	for len(d.Of) <= bucket {
		d.Of = append(d.Of, distinctBucket{})
	}
	of := &d.Of[bucket]
	h := xxhash.Sum64String(value)
	if of.Estimate != nil {
		of.Estimate.InsertHash(h)
		for mask, union := range d.unions {
			if mask&(1<<bucket) != 0 {
				union.InsertHash(h)
			}
		}
		return
	}
	i, found := slices.BinarySearchFunc(d.Values, h, func(v distinctValue, h uint64) int { return cmp.Compare(v.Hash, h) })
	if !found {
		d.Values = slices.Insert(d.Values, i, distinctValue{Hash: h})
	}
	if d.Values[i].Seen&(1<<bucket) != 0 {
		return
	}
	d.Values[i].Seen |= 1 << bucket
	if of.Kept++; of.Kept > maxExact {
		d.estimate(bucket)
	}
}

// estimate gives up the values of a bucket for an estimate of their number.
func (d *distinctValues) estimate(bucket int) {
	e := newEstimate()
	for i := range d.Values {
		if v := &d.Values[i]; v.Seen&(1<<bucket) != 0 {
			e.InsertHash(v.Hash)
			v.Seen &^= 1 << bucket
		}
	}
	d.Of[bucket] = distinctBucket{Estimate: e}
	d.tidy()
}

// forget empties one bucket.
func (d *distinctValues) forget(bucket int) {
	if bucket >= len(d.Of) || d.Of[bucket] == (distinctBucket{}) {
		return
	}
	d.Of[bucket] = distinctBucket{}
	for i := range d.Values {
		d.Values[i].Seen &^= 1 << bucket
	}
	d.tidy()
}

// tidy leaves out values that no bucket has, and gives memory back after a burst.
func (d *distinctValues) tidy() {
	d.unions = nil
	d.Values = slices.DeleteFunc(d.Values, func(v distinctValue) bool { return v.Seen == 0 })
	switch {
	case len(d.Values) == 0:
		d.Values = nil
	case cap(d.Values) > 4*len(d.Values)+16:
		d.Values = slices.Clone(d.Values)
	}
}

// count is the number of values in the buckets of a mask.
func (d *distinctValues) count(mask uint64) float64 {
	estimated := false
	for b := range d.Of {
		estimated = estimated || d.Of[b].Estimate != nil && mask&(1<<b) != 0
	}
	if !estimated {
		n := 0
		for _, v := range d.Values {
			if v.Seen&mask != 0 {
				n++
			}
		}
		return float64(n)
	}
	union := d.unions[mask]
	if union == nil {
		union = newEstimate().Sketch
		for b := range d.Of {
			if e := d.Of[b].Estimate; e != nil && mask&(1<<b) != 0 {
				_ = union.Merge(e.Sketch) // fails only for another precision
			}
		}
		if d.unions == nil || len(d.unions) >= 2 { // the window and the one before
			d.unions = map[uint64]*hyperloglog.Sketch{}
		}
		d.unions[mask] = union
	}
	// A value that is kept may be in an estimated bucket as well: it joins the union, which
	// is given up when a bucket is emptied.
	for _, v := range d.Values {
		if v.Seen&mask != 0 {
			union.InsertHash(v.Hash)
		}
	}
	return float64(union.Estimate())
}

// fits reports whether values that were read from a checkpoint are those of a ring.
func (d *distinctValues) fits(ring int) bool {
	if len(d.Of) > ring {
		return false
	}
	kept := make([]int, len(d.Of))
	for i, v := range d.Values {
		if v.Seen == 0 || bits.Len64(v.Seen) > len(d.Of) || i > 0 && v.Hash <= d.Values[i-1].Hash {
			return false
		}
		for seen := v.Seen; seen != 0; seen &= seen - 1 {
			kept[bits.TrailingZeros64(seen)]++
		}
	}
	for b, of := range d.Of {
		if of.Kept != kept[b] || of.Kept > maxExact || of.Estimate != nil && of.Kept > 0 {
			return false
		}
	}
	return true
}

// estimate is a HyperLogLog sketch of distinctPrecision.
type estimate struct{ *hyperloglog.Sketch }

func newEstimate() *estimate {
	s, err := hyperloglog.NewSketch(distinctPrecision, false)
	if err != nil {
		panic(err) // the precision is a constant
	}
	return &estimate{s}
}

// estimateHeader is how the encoding of every estimate begins: version 2, the precision,
// no bias, not sparse.
var estimateHeader = [4]byte{2, distinctPrecision, 0, 0}

// MarshalJSON writes the registers, as text.
func (e *estimate) MarshalJSON() ([]byte, error) {
	b, err := e.MarshalBinary()
	if err != nil {
		return nil, err
	}
	return json.Marshal(b)
}

// UnmarshalJSON reads what MarshalJSON wrote, and nothing else.
func (e *estimate) UnmarshalJSON(text []byte) error {
	var b []byte
	if err := json.Unmarshal(text, &b); err != nil {
		return err
	}
	if len(b) < len(estimateHeader) || [4]byte(b) != estimateHeader {
		return errors.New("an estimate of distinct values is damaged")
	}
	e.Sketch = &hyperloglog.Sketch{}
	return e.UnmarshalBinary(b)
}
