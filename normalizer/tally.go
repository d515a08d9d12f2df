package normalizer

// Mean gathers the values of intervals.
type Mean struct {
	Sum, most float64
	N         int
}

// Add takes a value where it is known, and returns it.
func (m *Mean) Add(v *float64) *float64 {
	if v != nil {
		m.Sum += *v
		m.most = max(m.most, *v)
		m.N++
	}
	return v
}

func (m *Mean) Value() *float64 {
	if m.N == 0 {
		return nil
	}
	return new(m.Sum / float64(m.N))
}

func (m *Mean) Largest() *float64 {
	if m.N == 0 {
		return nil
	}
	return new(m.most)
}

// Arena allocates values in blocks, so that many pointers cost one allocation.
type Arena[T any] struct{ block []T }

// Of returns a pointer to v, nil where it is unknown.
func (m *Arena[T]) Of(v T, known bool) *T {
	if !known {
		return nil
	}
	if len(m.block) == cap(m.block) {
		m.block = make([]T, 0, 64)
	}
	m.block = append(m.block, v)
	return &m.block[len(m.block)-1]
}
