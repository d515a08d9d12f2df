package emodel

import "math"

// Input is what is known about the audio received in one interval or one call.
// Counters are differences, not readings. nil is unknown; a negative, infinite or
// NaN time counts as unknown too.
type Input struct {
	PacketsReceived  *int64
	PacketsLost      *int64 // negative (duplicates) counts as 0
	PacketsDiscarded *int64 // arrived too late or too early to be played

	TotalSamplesReceived   *int64
	ConcealedSamples       *int64
	SilentConcealedSamples *int64
	ConcealedPct           *float64 // percent, where a source gives the share instead of the samples

	Codec          string // as the provider writes it
	PtimeMs        *float64
	JitterMs       *float64
	RTTMs          *float64
	JitterBufferMs *float64
	BurstRatio     *float64
	ExtraDelayMs   float64 // what the operator knows to lie beyond the media server

	// For the question whether nothing was received at all.
	BytesReceived       *int64
	JitterBufferPackets *int64
	AnsweredSec         *float64 // how long the call was answered
	Held                bool
}

const (
	maxMs          = 1e9 // times beyond are no call's; keeps the arithmetic finite
	minAnsweredSec = 5   // silence shorter than this happens at the start of good calls
)

// NoMedia says whether an answered call received nothing at all, which no loss
// figure can tell: MOS 1 without an estimate.
func (in Input) NoMedia() bool {
	if _, _, ok := in.loss(); ok || in.Held {
		return false
	}
	return in.PacketsReceived != nil && *in.PacketsReceived == 0 &&
		!above0(in.BytesReceived) && !above0(in.JitterBufferPackets) &&
		in.AnsweredSec != nil && *in.AnsweredSec >= minAnsweredSec
}

// loss is the loss in percent at the output of the jitter buffer, where G.113
// defines it, or as near to it as the input tells.
func (in *Input) loss() (pct float64, basis string, ok bool) {
	if above0(in.TotalSamplesReceived) && in.ConcealedSamples != nil {
		audible := float64(*in.ConcealedSamples) - float64(orZero(in.SilentConcealedSamples))
		return clampPct(100 * audible / float64(*in.TotalSamplesReceived)), Concealment, true
	}
	if pct := in.ConcealedPct; pct != nil && !math.IsNaN(*pct) {
		return clampPct(*pct), Concealment, true
	}
	if n := in.expected(); n > 0 {
		gone := float64(max(0, *in.PacketsLost)) + float64(max(0, orZero(in.PacketsDiscarded)))
		return clampPct(100 * gone / n), Network, true
	}
	return 0, "", false
}

// expected is the packets that should have come, 0 where a counter is unknown.
func (in *Input) expected() float64 {
	if in.PacketsReceived == nil || in.PacketsLost == nil {
		return 0
	}
	return float64(max(0, *in.PacketsReceived)) + float64(max(0, *in.PacketsLost))
}

// burstRatio is bounded by what G.107 was validated for.
func (in *Input) burstRatio(lossPct float64) float64 {
	if in.BurstRatio == nil || math.IsNaN(*in.BurstRatio) {
		return 1
	}
	limit := 2.0
	if lossPct < 2 {
		limit = 8
	}
	return min(max(*in.BurstRatio, 1), limit)
}

// delay is the one-way delay in ms, nil without a round-trip time. The round trip
// is that to the media server, so it is a lower bound from mouth to ear.
func (in *Input) delay(c Codec) (ms *float64, basis string) {
	rtt := known(in.RTTMs)
	if rtt == nil {
		return nil, NoDelay
	}
	ptime := c.PtimeMs
	if p := known(in.PtimeMs); p != nil && *p > 0 {
		ptime = *p
	}
	buffer, basis := 2*ptime, AssumedDelay
	if b := known(in.JitterBufferMs); b != nil {
		buffer, basis = *b, Measured
	} else if j := known(in.JitterMs); j != nil {
		buffer, basis = max(ptime, 2**j), FromJitter
	}
	total := *rtt/2 + ptime + c.LookaheadMs + buffer
	if extra := known(&in.ExtraDelayMs); extra != nil {
		total += *extra
	}
	return &total, basis
}

// missing lists what was absent, in a fixed order.
func (in *Input) missing(codecKnown, lossKnown bool) []string {
	var out []string
	add := func(name string, absent bool) {
		if absent {
			out = append(out, name)
		}
	}
	add("packetsReceived", !lossKnown && in.PacketsReceived == nil)
	add("packetsLost", !lossKnown && in.PacketsLost == nil)
	add("codec", !codecKnown)
	add("rttMs", known(in.RTTMs) == nil)
	add("jitterMs", known(in.JitterMs) == nil && known(in.JitterBufferMs) == nil)
	return out
}

// known is a time that can be one, at most maxMs; nil otherwise.
func known(ms *float64) *float64 {
	if ms == nil || math.IsNaN(*ms) || math.IsInf(*ms, 0) || *ms < 0 {
		return nil
	}
	return new(min(*ms, maxMs))
}

func clampPct(pct float64) float64 { return min(max(pct, 0), 100) }

func above0(v *int64) bool { return v != nil && *v > 0 }

func orZero(v *int64) int64 {
	if v == nil {
		return 0
	}
	return *v
}
