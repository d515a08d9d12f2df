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
}

// Counters are the readings of one report of a stream: what the fold needs to
// continue the counters of an earlier report, whichever arrives first.
type Counters struct {
	Stream string    `json:"stream"`          // which run of the counters, e.g. the collector's start time
	From   time.Time `json:"from,omitzero"`   // start of the first interval
	To     time.Time `json:"to,omitzero"`     // end of the last interval
	First  Reading   `json:"first"`           // reading after the first interval
	Last   Reading   `json:"last"`            // reading after the last interval
	Sum    Reading   `json:"sum"`             // sum of the differences, the first interval counted from zero
	Resets int       `json:"resets,omitzero"` // restarts of the counters within the report
}

// Tally turns consecutive readings of one stream into differences and totals.
// The zero value counts the first reading from zero.
type Tally struct {
	last   Reading
	sum    Reading
	Resets int
}

// monotonic are the counters that only a restart of the stream can lower.
func (r *Reading) monotonic() [4]**int64 {
	return [4]**int64{&r.PacketsReceived, &r.PacketsSent, &r.BytesReceived, &r.BytesSent}
}

func (r *Reading) all() [7]**int64 {
	return [7]**int64{
		&r.PacketsReceived, &r.PacketsLost, &r.PacketsSent, &r.PacketsDiscarded,
		&r.BytesReceived, &r.BytesSent, &r.RemoteLost,
	}
}

// restarted says whether a monotonic counter of next is below that of prev:
// the stream started anew, so that every value of next counts from zero.
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

// plus adds the differences that a later report of the same stream brings: its
// own sum, less what the earlier reports had counted already.
func (r Reading) plus(last Reading, c *Counters) Reading {
	continued := !restarted(&last, &c.First)
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
