package window

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"math"
	"slices"
)

// sketch holds the values of one bucket, as they are or counted by size: each cell
// holds those within 0.5 % of its own value (DDSketch of Masson, Rim and Lee), whatever
// their order and range. Cells are sorted, the size in the upper and the count in the
// lower 16 bits; sketches of several buckets are merged by adding up their cells.
//
// Values as they are take eight bytes each. Cells take four bytes a value at most, and
// stop growing where every size is in use: 1,000 cells for values from 1 to 20,000,
// 1,612 cells (6 KB) for seven decades.
type sketch struct {
	values []float64 // unordered
	cells  []uint32
}

const (
	maxExact = 512 // values of one window that are kept as they are

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

// add counts one value, as it is where exact says so and the others are.
func (s *sketch) add(v float64, exact bool) {
	if exact && len(s.cells) == 0 && len(s.values) < maxExact {
		s.values = append(s.values, v)
		return
	}
	for _, v := range s.values {
		s.count(v)
	}
	s.values = nil
	s.count(v)
}

func (s *sketch) count(v float64) {
	size := sizeOf(v)
	i, _ := slices.BinarySearch(s.cells, size<<16)
	for ; i < len(s.cells) && s.cells[i]>>16 == size; i++ {
		if s.cells[i]&maxCell < maxCell {
			s.cells[i]++
			return
		}
	}
	s.cells = slices.Insert(s.cells, i, size<<16|1)
}

// remove takes away one value that was added.
func (s *sketch) remove(v float64) {
	if i := slices.Index(s.values, v); i >= 0 {
		s.values = slices.Delete(s.values, i, i+1)
		return
	}
	size := sizeOf(v)
	i, _ := slices.BinarySearch(s.cells, size<<16)
	switch {
	case i == len(s.cells) || s.cells[i]>>16 != size:
	case s.cells[i]&maxCell > 1:
		s.cells[i]--
	default:
		s.cells = slices.Delete(s.cells, i, i+1)
	}
}

// MarshalJSON writes the sketch as text: values of eight bytes behind their number, then
// the cells, each as the difference from the size before and its count.
func (s sketch) MarshalJSON() ([]byte, error) {
	b := binary.AppendUvarint(nil, uint64(len(s.values)))
	for _, v := range s.values {
		b = binary.LittleEndian.AppendUint64(b, math.Float64bits(v))
	}
	last := uint32(0)
	for _, c := range s.cells {
		b = binary.AppendUvarint(b, uint64(c>>16-last))
		b = binary.AppendUvarint(b, uint64(c&maxCell))
		last = c >> 16
	}
	return json.Marshal(b)
}

var errSketch = errors.New("a sketch is damaged")

// UnmarshalJSON reads what MarshalJSON wrote. What it accepts has sorted cells of sizes
// that exist, and takes no more memory than its text.
func (s *sketch) UnmarshalJSON(text []byte) error {
	var b []byte
	if err := json.Unmarshal(text, &b); err != nil {
		return err
	}
	number := func() uint64 {
		v, n := binary.Uvarint(b)
		if n <= 0 {
			b = nil
			return math.MaxUint64
		}
		b = b[n:]
		return v
	}
	*s = sketch{}
	n := number()
	if n > maxExact || n > uint64(len(b))/8 {
		return errSketch
	}
	for ; n > 0; n-- {
		s.values = append(s.values, math.Float64frombits(binary.LittleEndian.Uint64(b)))
		b = b[8:]
	}
	if len(s.values) > 0 && len(b) > 0 {
		return errSketch
	}
	size := uint64(0)
	for len(b) > 0 {
		step, count := number(), number()
		if step > sizeZero+maxSize || count == 0 || count > maxCell {
			return errSketch
		}
		if size += step; size < sizeZero-maxSize || size > sizeZero+maxSize {
			return errSketch
		}
		s.cells = append(s.cells, uint32(size)<<16|uint32(count))
	}
	return nil
}

// merged adds up sketches. It is used again for each window and cleared by
// reading it.
type merged struct {
	values []float64
	counts []uint32 // by size
	lo, hi uint32
	n      int // counted by size
}

func (m *merged) add(s *sketch) {
	m.values = append(m.values, s.values...)
	if len(s.cells) == 0 {
		return
	}
	for _, c := range s.cells {
		m.count(c>>16, c&maxCell)
	}
}

func (m *merged) count(size, n uint32) {
	if m.counts == nil {
		m.counts = make([]uint32, sizeZero+maxSize+1)
	}
	if m.n == 0 || size < m.lo {
		m.lo = size
	}
	m.hi = max(m.hi, size)
	m.counts[size] += n
	m.n += int(n)
}

// quantile is the value at a rank of 0..1 by nearest rank, NaN where nothing was
// added, and forgets what was added. It is one of the values where all of them were
// added as they are, else within 0.5 %.
func (m *merged) quantile(q float64) float64 {
	defer func() { m.values = m.values[:0] }()
	if m.n == 0 {
		if len(m.values) == 0 {
			return math.NaN()
		}
		slices.Sort(m.values)
		return m.values[rank(q, len(m.values))-1]
	}
	for _, v := range m.values {
		m.count(sizeOf(v), 1)
	}
	at, seen, size := rank(q, m.n), 0, m.hi
	for i := m.lo; i <= m.hi; i++ {
		if seen += int(m.counts[i]); seen >= at {
			size = i
			break
		}
	}
	clear(m.counts[m.lo : m.hi+1])
	m.lo, m.hi, m.n = 0, 0, 0
	return valueOf(size)
}

// rank is the nearest rank of a share of n values, from 1.
func rank(q float64, n int) int { return int(max(1, math.Ceil(q*float64(n)-1e-9))) }
