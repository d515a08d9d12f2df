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

// sampleTally follows the cumulative counters of the jitter buffer: samples
// played and concealed, delay in seconds and how many samples it is the sum of.
type sampleTally struct{ last, sum [4]reading }

// reading is a figure that may be unknown.
type reading struct {
	value float64
	known bool
}

const (
	samplesReceived = iota
	samplesConcealed
	bufferDelay
	bufferEmitted
)

// add takes the next reading and returns the share of concealed samples in
// percent and the mean delay in ms since the one before. All four count from
// zero again when the packet counters did, or when one of them fell.
func (t *sampleTally) add(inbound node, reset bool) (concealedPct, bufferMs reading) {
	var next [4]reading
	for i, name := range [4]string{"totalSamplesReceived", "concealedSamples", "jitterBufferDelay", "jitterBufferEmittedCount"} {
		r := &next[i]
		r.value, r.known = inbound.at(name).float()
		reset = reset || r.known && t.last[i].known && r.value < t.last[i].value
	}
	if reset {
		t.last = [4]reading{}
	}
	var diff [4]reading
	for i, r := range next {
		if !r.known || r.value < 0 {
			continue
		}
		diff[i] = reading{r.value - t.last[i].value, true}
		t.sum[i] = reading{t.sum[i].value + diff[i].value, true}
		t.last[i] = r
	}
	return sampleFigures(diff)
}

// total is what add returns, over all readings.
func (t *sampleTally) total() (concealedPct, bufferMs reading) { return sampleFigures(t.sum) }

func sampleFigures(v [4]reading) (concealedPct, bufferMs reading) {
	if v[samplesReceived].known && v[samplesConcealed].known && v[samplesReceived].value > 0 {
		concealedPct = reading{min(100, 100*v[samplesConcealed].value/v[samplesReceived].value), true}
	}
	if v[bufferDelay].known && v[bufferEmitted].known && v[bufferEmitted].value > 0 {
		bufferMs = reading{1000 * v[bufferDelay].value / v[bufferEmitted].value, true}
	}
	return concealedPct, bufferMs
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
