package call

import "time"

// Reading is one cumulative reading of a stream's counters. Absent counters
// were not reported.
type Reading struct {
	PacketsReceived  *int64 `json:"packetsReceived,omitempty"`
	PacketsLost      *int64 `json:"packetsLost,omitempty"` // signed: duplicates lower it
	PacketsSent      *int64 `json:"packetsSent,omitempty"`
	PacketsDiscarded *int64 `json:"packetsDiscarded,omitempty"`
	BytesReceived    *int64 `json:"bytesReceived,omitempty"`
	BytesSent        *int64 `json:"bytesSent,omitempty"`
	RemoteLost       *int64 `json:"remotePacketsLost,omitempty"`
	SamplesReceived  *int64 `json:"samplesReceived,omitempty"`  // samples that were played
	SamplesConcealed *int64 `json:"samplesConcealed,omitempty"` // of them, those the receiver had to invent
	BufferDelayUs    *int64 `json:"bufferDelayUs,omitempty"`    // time in the jitter buffer, summed over BufferEmitted samples
	BufferEmitted    *int64 `json:"bufferEmitted,omitempty"`    // samples that left the jitter buffer
}

// Counters are the readings of one report of a collector that counts since the
// start of a stream: what the fold needs to continue the counters of an earlier
// report, whichever arrives first. A report without readings has them too: it
// proves that nothing was counted in its segment.
type Counters struct {
	Start   time.Time `json:"start,omitzero"`    // when the collector, or the call it belongs to, began
	From    time.Time `json:"from,omitzero"`     // start of the first interval
	Head    time.Time `json:"head,omitzero"`     // start of the interval that First is of
	To      time.Time `json:"to,omitzero"`       // end of the last interval
	First   Reading   `json:"first"`             // the first reading, after the interval that began at Head
	Last    Reading   `json:"last"`              // reading after the last interval
	Sum     Reading   `json:"sum"`               // sum of the differences, the first interval counted from zero
	Resets  int       `json:"resets,omitzero"`   // restarts of the counters within the report
	Segment *int64    `json:"segment,omitempty"` // number of the report; absent where it is the only one
	Begins  bool      `json:"begins,omitempty"`  // no earlier report has readings
	Active  bool      `json:"active,omitempty"`  // the collector runs from the answer on, not while it rings

	RemoteJitterMs float64 `json:"remoteJitterMs,omitempty"` // sum over RemoteJitters intervals
	RemoteJitters  int     `json:"remoteJitters,omitempty"`
	States         []State `json:"states,omitempty"` // changes of the call's state, oldest first
}

// State is a change of the call's state: put on hold, or taken back.
type State struct {
	At   time.Time `json:"at"`
	Held bool      `json:"held,omitempty"`
	Was  bool      `json:"was,omitempty"` // the call was on hold before
}

// counted reports whether the report has any reading.
func (r *Counters) counted() bool { return r.Sum != Reading{} }

// Tally turns consecutive readings of one stream into differences and totals.
// The zero value counts the first reading from zero.
type Tally struct {
	last   Reading
	sum    Reading
	Resets int
}

// monotonic are the counters that only a restart of the stream can lower.
func (r *Reading) monotonic() [8]**int64 {
	return [8]**int64{
		&r.PacketsReceived, &r.PacketsSent, &r.BytesReceived, &r.BytesSent,
		&r.SamplesReceived, &r.SamplesConcealed, &r.BufferDelayUs, &r.BufferEmitted,
	}
}

func (r *Reading) all() [11]**int64 {
	return [11]**int64{
		&r.PacketsReceived, &r.PacketsLost, &r.PacketsSent, &r.PacketsDiscarded,
		&r.BytesReceived, &r.BytesSent, &r.RemoteLost,
		&r.SamplesReceived, &r.SamplesConcealed, &r.BufferDelayUs, &r.BufferEmitted,
	}
}

// ConcealedPct is the share of samples that the receiver had to invent, in
// percent; nil where it is not known or nothing was played.
func (r *Reading) ConcealedPct() *float64 {
	if r.SamplesReceived == nil || r.SamplesConcealed == nil || *r.SamplesReceived <= 0 {
		return nil
	}
	return new(min(100, 100*float64(max(0, *r.SamplesConcealed))/float64(*r.SamplesReceived)))
}

// JitterBufferMs is the mean time of a sample in the jitter buffer; nil where it
// is not known or no sample left it.
func (r *Reading) JitterBufferMs() *float64 {
	if r.BufferDelayUs == nil || r.BufferEmitted == nil || *r.BufferEmitted <= 0 || *r.BufferDelayUs < 0 {
		return nil
	}
	return new(float64(*r.BufferDelayUs) / float64(*r.BufferEmitted) / 1000)
}

// concealed is ConcealedPct without the time on hold, in which the receiver has
// nothing to play: the mean over the other intervals where some were on hold.
func (r *Reading) concealed(intervals []Interval) *float64 {
	var sum float64
	var rated time.Duration
	held := false
	for i := range intervals {
		iv := &intervals[i]
		held = held || iv.Held
		if w := iv.Duration(); !iv.Held && iv.ConcealedPct != nil {
			sum += w.Seconds() * *iv.ConcealedPct
			rated += w
		}
	}
	switch {
	case !held:
		return r.ConcealedPct()
	case rated == 0:
		return nil
	default:
		return new(sum / rated.Seconds())
	}
}

// Total gives the event the totals of its counters.
func (e *Event) Total(sum Reading) {
	e.PacketsReceived, e.PacketsLost = sum.PacketsReceived, Clamped(sum.PacketsLost)
	e.PacketsSent, e.PacketsDiscarded = sum.PacketsSent, Clamped(sum.PacketsDiscarded)
	e.BytesReceived, e.BytesSent = sum.BytesReceived, sum.BytesSent
	e.RemotePacketsLost = Clamped(sum.RemoteLost)
	e.PacketLossPct = LossPct(e.PacketsReceived, e.PacketsLost)
	e.ConcealedPct, e.JitterBufferMs = sum.concealed(e.Intervals), sum.JitterBufferMs()
}

// Count gives the interval the differences of the counters within it. Counters
// that were not read leave what the interval says.
func (iv *Interval) Count(diff Reading) {
	if diff.PacketsReceived != nil {
		iv.PacketsReceived = diff.PacketsReceived
	}
	if diff.PacketsLost != nil {
		iv.PacketsLost = Clamped(diff.PacketsLost)
	}
	if diff.PacketsDiscarded != nil {
		iv.PacketsDiscarded = Clamped(diff.PacketsDiscarded)
	}
	iv.PacketLossPct = LossPct(iv.PacketsReceived, iv.PacketsLost)
	iv.ConcealedPct, iv.JitterBufferMs = diff.ConcealedPct(), diff.JitterBufferMs()
}

// restarted says whether a monotonic counter of next is below that of prev:
// the stream restarted, so that every value of next counts from zero.
func restarted(prev, next *Reading) bool {
	p, n := prev.monotonic(), next.monotonic()
	for i := range p {
		if *p[i] != nil && *n[i] != nil && **n[i] < **p[i] {
			return true
		}
	}
	return false
}

// Add takes the next reading and returns the differences to the one before;
// packetsLost may be negative in them. A counter absent in next stays at its
// last reading, so that a gap only lengthens the next difference.
func (t *Tally) Add(next Reading) (diff Reading, reset bool) {
	if reset = restarted(&t.last, &next); reset {
		t.last = Reading{}
		t.Resets++
	}
	last, sum := t.last.all(), t.sum.all()
	out, in := diff.all(), next.all()
	d := new([len(in)]int64) // one allocation for all
	for i := range in {
		if *in[i] == nil {
			continue
		}
		d[i] = **in[i] - orZero(*last[i])
		*out[i] = &d[i]
		if *sum[i] == nil {
			*sum[i] = new(int64)
		}
		**sum[i] += d[i]
		*last[i] = *in[i]
	}
	return diff, reset
}

// Sum is the sum of all differences so far, packetsLost signed.
func (t *Tally) Sum() Reading { return Reading{}.added(t.sum) }

// Last is the latest reading of each counter.
func (t *Tally) Last() Reading { return t.last }

// plus adds the differences that a later report brings: its own sum, less what
// the earlier reports had counted already where it continues their counters.
func (r Reading) plus(last Reading, c *Counters, continued bool) Reading {
	total, prev, sum := r.all(), last.all(), c.Sum.all()
	var out Reading
	for i, o := range out.all() {
		switch {
		case *sum[i] == nil:
			*o = *total[i]
		case continued:
			*o = new(orZero(*total[i]) + **sum[i] - orZero(*prev[i]))
		default:
			*o = new(orZero(*total[i]) + **sum[i])
		}
	}
	return out
}

// after is the reading to continue from once next was read: counters absent in
// next keep their earlier reading.
func (r Reading) after(next Reading) Reading {
	old, in := r.all(), next.all()
	var out Reading
	for i, o := range out.all() {
		if *o = *in[i]; *o == nil {
			*o = *old[i]
		}
	}
	return out
}

func orZero(v *int64) int64 {
	if v == nil {
		return 0
	}
	return *v
}

// Clamped is a counter that cannot be negative: packetsLost of a call is the
// sum of signed differences, but never below 0. Absent stays absent.
func Clamped(v *int64) *int64 {
	if v == nil || *v >= 0 {
		return v
	}
	return new(int64(0))
}

// LossPct is the share of expected packets that were lost, in percent; nil
// where either counter is unknown or nothing was expected.
func LossPct(received, lost *int64) *float64 {
	if received == nil || lost == nil {
		return nil
	}
	l := float64(max(0, *lost))
	n := float64(max(0, *received)) + l
	if n == 0 {
		return nil
	}
	return new(100 * l / n)
}
