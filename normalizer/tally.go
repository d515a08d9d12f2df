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
type sampleTally struct{ last, sum [4]*float64 }

const (
	samplesReceived = iota
	samplesConcealed
	bufferDelay
	bufferEmitted
)

// add takes the next reading and returns the share of concealed samples in
// percent and the mean delay in ms since the one before. All four count from
// zero again when the packet counters did, or when one of them fell.
func (t *sampleTally) add(inbound node, reset bool) (concealedPct, bufferMs *float64) {
	next := [4]*float64{
		samplesReceived:  inbound.at("totalSamplesReceived").number(),
		samplesConcealed: inbound.at("concealedSamples").number(),
		bufferDelay:      inbound.at("jitterBufferDelay").number(),
		bufferEmitted:    inbound.at("jitterBufferEmittedCount").number(),
	}
	for i, v := range next {
		reset = reset || v != nil && t.last[i] != nil && *v < *t.last[i]
	}
	if reset {
		t.last = [4]*float64{}
	}
	var diff [4]*float64
	for i, v := range next {
		if v == nil || *v < 0 {
			continue
		}
		d := *v - orZero(t.last[i])
		diff[i] = &d
		t.sum[i] = new(orZero(t.sum[i]) + d)
		t.last[i] = v
	}
	return sampleFigures(diff)
}

// total is what add returns, over all readings.
func (t *sampleTally) total() (concealedPct, bufferMs *float64) { return sampleFigures(t.sum) }

func sampleFigures(v [4]*float64) (concealedPct, bufferMs *float64) {
	if v[samplesReceived] != nil && v[samplesConcealed] != nil && *v[samplesReceived] > 0 {
		concealedPct = new(min(100, 100**v[samplesConcealed] / *v[samplesReceived]))
	}
	if v[bufferDelay] != nil && v[bufferEmitted] != nil && *v[bufferEmitted] > 0 {
		bufferMs = new(1000 * *v[bufferDelay] / *v[bufferEmitted])
	}
	return concealedPct, bufferMs
}

func orZero(f *float64) float64 {
	if f == nil {
		return 0
	}
	return *f
}
