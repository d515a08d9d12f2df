package window

import (
	"math"
	"slices"
)

// sketch counts values by size: each cell holds those within 0.5 % of its own
// value (DDSketch of Masson, Rim and Lee), whatever their order and range. Cells
// are sorted, the size in the upper and the count in the lower 16 bits; sketches
// of several buckets are merged by adding up their cells.
//
// A sketch takes four bytes a call at most, and stops growing where every size
// is in use: 1,000 cells for values from 1 to 20,000, 1,612 cells (6 KB) for
// seven decades.
type sketch []uint32

const (
	sketchError = 0.005
	sizeZero    = 1 << 15 // of the value 0: negative values lie below
	sizeShift   = 1400    // the smallest value told from 0 is 1e-6
	maxSize     = 8000    // 1e28
	maxCell     = 1<<16 - 1
)

var logGamma = math.Log((1 + sketchError) / (1 - sketchError))

// sizeOf is the size of a value, growing with it.
func sizeOf(v float64) uint32 {
	a := math.Abs(v)
	if a < 1e-6 {
		return sizeZero
	}
	i := min(max(int(math.Ceil(math.Log(a)/logGamma))+sizeShift, 1), maxSize)
	if v < 0 {
		i = -i
	}
	return uint32(sizeZero + i)
}

// valueOf is the value in the middle of a size.
func valueOf(size uint32) float64 {
	i := int(size) - sizeZero
	switch {
	case i == 0:
		return 0
	case i < 0:
		return -valueOf(uint32(sizeZero - i))
	}
	gamma := math.Exp(logGamma)
	return 2 * math.Pow(gamma, float64(i-sizeShift)) / (gamma + 1)
}

// add counts one value.
func (s sketch) add(v float64) sketch {
	size := sizeOf(v)
	i, _ := slices.BinarySearch(s, size<<16)
	for ; i < len(s) && s[i]>>16 == size; i++ {
		if s[i]&maxCell < maxCell {
			s[i]++
			return s
		}
	}
	return slices.Insert(s, i, size<<16|1)
}

// merged adds up sketches. It is used again for each window and cleared by
// reading it.
type merged struct {
	counts []uint32 // by size
	lo, hi uint32
	n      int
}

func (m *merged) add(s sketch) {
	if len(s) == 0 {
		return
	}
	if m.counts == nil {
		m.counts = make([]uint32, sizeZero+maxSize+1)
	}
	if first := s[0] >> 16; m.n == 0 || first < m.lo {
		m.lo = first
	}
	m.hi = max(m.hi, s[len(s)-1]>>16)
	for _, c := range s {
		m.counts[c>>16] += c & maxCell
		m.n += int(c & maxCell)
	}
}

// quantile is the value at a rank of 0..1 by nearest rank, NaN where nothing was
// added, and forgets what was added.
func (m *merged) quantile(q float64) float64 {
	if m.n == 0 {
		return math.NaN()
	}
	rank, seen, size := int(max(1, math.Ceil(q*float64(m.n)))), 0, m.hi
	for i := m.lo; i <= m.hi; i++ {
		if seen += int(m.counts[i]); seen >= rank {
			size = i
			break
		}
	}
	clear(m.counts[m.lo : m.hi+1])
	m.lo, m.hi, m.n = 0, 0, 0
	return valueOf(size)
}
