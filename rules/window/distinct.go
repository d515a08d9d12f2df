package window

import (
	"cmp"
	"math"
	"math/bits"
	"slices"
)

const (
	// maxDistinct is up to how many values of one bucket are kept. Beyond, every
	// second one is kept and counts twice, then every fourth, and so on: between
	// half of them and all stay, which errs by 1.6 % (one standard deviation).
	maxDistinct = 8192
	// maxDistinctKept bounds all buckets together: 1 MB a key.
	maxDistinctKept = 65_536
)

// distinctValues tells how many different values the buckets of a window hold.
// A value is kept once, with the buckets it was seen in. Each bucket has a level
// of its own, so that a burst makes only the windows that hold it inexact.
type distinctValues struct {
	Values []distinctValue  `json:"values,omitempty"` // by hash
	Of     []distinctBucket `json:"of,omitempty"`     // by place in the ring
}

type distinctValue struct {
	Hash uint64 `json:"h"`
	Seen uint64 `json:"s"` // one bit for each bucket of the ring
}

// distinctBucket keeps the values whose hash begins with Level zero bits, one in
// 2^Level.
type distinctBucket struct {
	Level uint8 `json:"l,omitempty"`
	Kept  int   `json:"n,omitempty"`
}

func (d *distinctValues) add(value string, bucket int) {
	for len(d.Of) <= bucket {
		d.Of = append(d.Of, distinctBucket{})
	}
	of := &d.Of[bucket]
	h := mixed(hash64(value))
	if bits.LeadingZeros64(h) < int(of.Level) {
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
	for of.Kept++; of.Kept > maxDistinct; {
		d.thin(bucket)
	}
	for len(d.Values) > maxDistinctKept {
		d.thin(d.largest())
	}
}

// thin keeps every second value of a bucket.
func (d *distinctValues) thin(bucket int) {
	of := &d.Of[bucket]
	of.Level++
	of.Kept = 0
	for i := range d.Values {
		v := &d.Values[i]
		switch {
		case v.Seen&(1<<bucket) == 0:
		case bits.LeadingZeros64(v.Hash) < int(of.Level):
			v.Seen &^= 1 << bucket
		default:
			of.Kept++
		}
	}
	d.tidy()
}

func (d *distinctValues) largest() int {
	most := 0
	for i := range d.Of {
		if d.Of[i].Kept > d.Of[most].Kept {
			most = i
		}
	}
	return most
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
	d.Values = slices.DeleteFunc(d.Values, func(v distinctValue) bool { return v.Seen == 0 })
	switch {
	case len(d.Values) == 0:
		*d = distinctValues{Of: d.Of}
	case cap(d.Values) > 4*len(d.Values)+16:
		d.Values = slices.Clone(d.Values)
	}
}

// count is the number of values in the buckets of a mask. A value counts for as
// many as are not kept by the bucket, of those it was seen in, that keeps most.
func (d *distinctValues) count(mask uint64) float64 {
	n, exact := 0.0, true
	for i := range d.Of {
		exact = exact && d.Of[i].Level == 0
	}
	for _, v := range d.Values {
		seen := v.Seen & mask
		switch {
		case seen == 0:
		case exact:
			n++
		default:
			level := uint8(math.MaxUint8)
			for ; seen != 0; seen &= seen - 1 {
				level = min(level, d.Of[bits.TrailingZeros64(seen)].Level)
			}
			n += float64(uint64(1) << level)
		}
	}
	return n
}

// mixed spreads a hash so that each of its bits depends on all (the last step of
// MurmurHash3).
func mixed(h uint64) uint64 {
	h = (h ^ h>>33) * 0xff51afd7ed558ccd
	h = (h ^ h>>33) * 0xc4ceb9fe1a85ec53
	return h ^ h>>33
}

// hash64 is FNV-1a: the same in every process, since checkpoints hold it.
func hash64(s string) uint64 {
	h := uint64(14695981039346656037)
	for i := range len(s) {
		h = (h ^ uint64(s[i])) * 1099511628211
	}
	return h
}
