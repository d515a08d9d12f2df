package normalizer

// mean gathers the values of intervals.
type mean struct {
	sum, most float64
	n         int
}

// add takes a value where it is known, and returns it.
func (m *mean) add(v *float64) *float64 {
	if v != nil {
		m.sum += *v
		m.most = max(m.most, *v)
		m.n++
	}
	return v
}

func (m *mean) value() *float64 {
	if m.n == 0 {
		return nil
	}
	return new(m.sum / float64(m.n))
}

func (m *mean) largest() *float64 {
	if m.n == 0 {
		return nil
	}
	return new(m.most)
}

// many are values that are pointed to, a block of them to an allocation.
type many[T any] struct{ block []T }

// of points to a value where it is known.
func (m *many[T]) of(v T, known bool) *T {
	if !known {
		return nil
	}
	if len(m.block) == cap(m.block) {
		m.block = make([]T, 0, 64)
	}
	m.block = append(m.block, v)
	return &m.block[len(m.block)-1]
}
