package rules

import (
	"cmp"
	"math/bits"
	"slices"
)

// maxDistinct is up to how many values are counted exactly.
const maxDistinct = 512

// distinctValues tells how many different values the buckets of a window hold:
// exactly up to 512; beyond, every second value is remembered and counts twice,
// then every fourth, and so on, which errs by some 5 %.
type distinctValues struct {
	Level  uint8           `json:"level,omitempty"`
	Values []distinctValue `json:"values,omitempty"` // by hash
}

type distinctValue struct {
	Hash uint64 `json:"h"`
	Seen uint64 `json:"s"` // one bit for each bucket of the ring
}

func (d *distinctValues) add(value string, bucket int) {
	// The upper bits choose who is remembered: FNV mixes them last.
	h := hash64(value) * 0x9E3779B97F4A7C15
	if bits.LeadingZeros64(h) < int(d.Level) {
		return
	}
	i, found := slices.BinarySearchFunc(d.Values, h, func(v distinctValue, h uint64) int { return cmp.Compare(v.Hash, h) })
	if !found {
		d.Values = slices.Insert(d.Values, i, distinctValue{Hash: h})
	}
	d.Values[i].Seen |= 1 << bucket
	for len(d.Values) > maxDistinct {
		d.Level++
		d.Values = slices.DeleteFunc(d.Values, func(v distinctValue) bool { return bits.LeadingZeros64(v.Hash) < int(d.Level) })
	}
}

// forget empties one bucket.
func (d *distinctValues) forget(bucket int) {
	d.Values = slices.DeleteFunc(d.Values, func(v distinctValue) bool { return v.Seen == 1<<bucket })
	for i := range d.Values {
		d.Values[i].Seen &^= 1 << bucket
	}
	if len(d.Values) == 0 {
		*d = distinctValues{}
	}
}

// count is the number of values in the buckets of a mask.
func (d *distinctValues) count(mask uint64) float64 {
	n := 0
	for _, v := range d.Values {
		if v.Seen&mask != 0 {
			n++
		}
	}
	return float64(n << d.Level)
}
