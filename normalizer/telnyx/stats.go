package telnyx

import (
	"fmt"
	"math"
	"slices"
	"time"

	"callwatch/call"
	"callwatch/normalizer"
	"callwatch/normalizer/lenient"
)

const (
	// maxIntervals is four times the SDKs' own limit of a report. Past it
	// only the totals go on.
	maxIntervals = 1200
	// maxEntries is more than the largest accepted body holds of real
	// entries of stats.
	maxEntries = 20000
	// packetRate is more packets a second than an audio stream has. A first
	// reading above it counts more than its interval.
	packetRate = 150
)

// stats are the intervals of one report. Counters are cumulative since the
// start of the stream, averages are per interval.
type stats struct {
	sdk       sdk
	whole     bool      // the report has no number: it is the only one, or a part of one that Android divided
	started   time.Time // start of the first interval
	intervals []call.Interval
	counters  call.Counters
	tally     call.Tally
	counted   bool // some counter was read
	figures   normalizer.Arena[float64]
	counts    normalizer.Arena[int64]

	jitter, rtt, remoteJitter   normalizer.Mean
	codec, ice, dtls, candidate string
	relayed                     *bool
	local, remote               string // kinds of candidates, as the last entry has them
}

// statsOf reads stats, an array of intervals or one object.
func statsOf(n lenient.Node, sdk sdk) (*stats, error) {
	s := &stats{sdk: sdk}
	entries := n.At("stats").List()
	if n.At("stats").IsObject() {
		entries = []lenient.Node{n.At("stats")}
	}
	if len(entries) > maxEntries {
		return nil, fmt.Errorf("%d entries of stats, more than %d", len(entries), maxEntries)
	}
	s.counters.Start, s.counters.Active = n.At("summary", "startTimestamp").Time(), sdk.active
	s.counters.Segment = n.At("segment").Count()
	s.whole = s.counters.Segment == nil
	s.counters.Begins = s.whole || *s.counters.Segment == 0
	s.codec = n.At("android_extra", "deviceInfo", "selectedCodec").Text()
	s.intervals = slices.Grow(s.intervals, min(len(entries), maxIntervals))
	for _, entry := range entries {
		s.add(entry)
	}
	s.counters.From = s.started
	s.counters.RemoteJitterMs, s.counters.RemoteJitters = s.remoteJitter.Sum, s.remoteJitter.N
	s.counters.States = states(n, s)
	call.MarkHeld(s.intervals, s.counters.States)
	s.counters.Last, s.counters.Sum, s.counters.Resets = s.tally.Last(), s.tally.Sum(), s.tally.Resets
	return s, nil
}

// add takes one entry of stats. One that ends before what was already read, or
// repeats it, would look like a restart of the counters, unless they went on: then
// the clock was set back, and the entry counts without being an interval.
func (s *stats) add(n lenient.Node) {
	iv := call.Interval{Start: n.At("intervalStartUtc").Time(), End: n.At("intervalEndUtc").Time()}
	reading := s.reading(n)
	past := false
	if len(s.intervals) > 0 && !iv.End.IsZero() {
		last := s.intervals[len(s.intervals)-1]
		past = iv.End.Before(s.counters.To) || iv.Start.Equal(last.Start) && iv.End.Equal(last.End)
		if past && !advanced(s.tally.Last(), reading) {
			return
		}
	}
	if reading != (call.Reading{}) && !s.counted && s.whole && s.sdk.divides && tooMany(&reading, iv.Duration()) {
		s.counters.Begins = false
	}
	known := s.counted || s.counters.Begins
	silent := s.silent(&reading)
	diff, _ := s.tally.Add(reading)
	if reading != (call.Reading{}) && !s.counted {
		s.counters.First, s.counters.Head = s.tally.Last(), iv.Start
		s.counted = true
	}
	if silent && (diff.PacketsSent == nil || *diff.PacketsSent > 0) {
		iv.PacketsReceived = new(int64(0))
	}
	if known {
		iv.Count(diff)
	}
	remote := n.At("remoteRtcp", "inbound")
	in := n.At("audio", "inbound")
	iv.JitterMs = s.jitter.Add(s.figure(in.At("jitterAvg"), 1))
	iv.RTTMs = s.rtt.Add(s.roundTrip(n, remote))
	if iv.AudioLevel = s.figure(in.At("audioLevelAvg"), 1); iv.AudioLevel != nil && *iv.AudioLevel > 1 {
		iv.AudioLevel = nil
	}
	s.remoteJitter.Add(s.figure(remote.At("jitter"), s.sdk.remoteJitter))
	s.connection(n)

	if past {
		return
	}
	if s.started.IsZero() {
		s.started = iv.Start
	}
	if iv.End.After(s.counters.To) {
		s.counters.To = iv.End
	}
	if len(s.intervals) < maxIntervals {
		s.intervals = append(s.intervals, iv)
	}
}

// advanced reports whether some packets were counted since the last reading, and
// none fewer.
func advanced(last, next call.Reading) bool {
	more := false
	for _, c := range [...][2]*int64{{last.PacketsReceived, next.PacketsReceived}, {last.PacketsSent, next.PacketsSent}} {
		if c[0] == nil || c[1] == nil {
			continue
		}
		if *c[1] < *c[0] {
			return false
		}
		more = more || *c[1] > *c[0]
	}
	return more
}

// tooMany reports whether a reading counts more packets than an interval has.
func tooMany(r *call.Reading, length time.Duration) bool {
	most := int64(packetRate * (length + time.Second).Seconds())
	return r.PacketsReceived != nil && *r.PacketsReceived > most || r.PacketsSent != nil && *r.PacketsSent > most
}

// silent reports whether an entry has packets that were sent, and nothing at all
// that was received: WebRTC has no inbound stream before its first packet. Where
// none was received before either, the reading becomes 0.
func (s *stats) silent(r *call.Reading) bool {
	if r.PacketsReceived != nil || none(r.PacketsSent) {
		return false
	}
	if s.counters.Begins && s.tally.Last().PacketsReceived == nil {
		r.PacketsReceived = new(int64(0))
	}
	return true
}

// reading are the counters of one entry. Where 0 may mean unknown, an entry without
// any packet is unknown. Packets that were sent prove that the rest was read.
func (s *stats) reading(n lenient.Node) call.Reading {
	in, out := n.At("audio", "inbound"), n.At("audio", "outbound")
	r := call.Reading{
		PacketsReceived:  s.count(in.At("packetsReceived")),
		PacketsLost:      s.counts.Of(in.At("packetsLost").Whole()),
		PacketsDiscarded: s.count(in.At("packetsDiscarded")),
		BytesReceived:    s.count(in.At("bytesReceived")),
		PacketsSent:      s.count(out.At("packetsSent")),
		BytesSent:        s.count(out.At("bytesSent")),
		RemoteLost:       s.counts.Of(n.At("remoteRtcp", "inbound", "packetsLost").Whole()),
		SamplesReceived:  s.samples(in.At("totalSamplesReceived"), 1),
		SamplesConcealed: s.samples(in.At("concealedSamples"), 1),
		BufferDelayUs:    s.samples(in.At("jitterBufferDelay"), 1e6),
		BufferEmitted:    s.samples(in.At("jitterBufferEmittedCount"), 1),
	}
	if s.sdk.zeroCounts && none(r.PacketsReceived) && none(r.PacketsLost) && none(r.PacketsSent) {
		return call.Reading{}
	}
	if s.sdk.zeroCounts && none(r.PacketsSent) {
		r.PacketsSent, r.BytesSent, r.RemoteLost = nil, nil, nil
	}
	return r
}

// samples counts samples, or seconds in microseconds.
func (s *stats) samples(n lenient.Node, factor float64) *int64 {
	f, ok := n.Float()
	f = math.Round(f * factor)
	return s.counts.Of(int64(f), ok && f >= 0 && f < 1<<53)
}

func none(n *int64) bool { return n == nil || *n == 0 }

// count is a counter of 0 or more.
func (s *stats) count(n lenient.Node) *int64 {
	i, ok := n.Whole()
	return s.counts.Of(i, ok && i >= 0)
}

// figure is a number times factor. What cannot be a figure is unknown: a negative
// one, and a 0 of an SDK that writes it for unknown.
func (s *stats) figure(n lenient.Node, factor float64) *float64 {
	f, ok := n.Float()
	f *= factor
	return s.figures.Of(f, ok && f >= 0 && !(f == 0 && s.sdk.zeroFigures))
}

// roundTrip is the mean round-trip time of an interval in ms, never 0.
func (s *stats) roundTrip(n, remote lenient.Node) *float64 {
	seconds, ok := n.At("connection", "roundTripTimeAvg").Float()
	if !ok || seconds <= 0 {
		seconds, ok = remote.At("roundTripTimeAvg").Float()
	}
	return s.figures.Of(1000*seconds, ok && seconds > 0)
}

// connection takes the texts of an entry; the last known ones are the report's.
func (s *stats) connection(n lenient.Node) {
	take := func(field *string, value lenient.Node) {
		if text := value.TextLike(*field); text != "" {
			*field = text
		}
	}
	in, out := n.At("audio", "inbound", "codec"), n.At("audio", "outbound", "codec")
	take(&s.codec, in.At("mimeType").Or(in).Or(out.At("mimeType")).Or(out))
	take(&s.ice, n.At("transport", "iceState"))
	take(&s.dtls, n.At("transport", "dtlsState"))
	ice := n.At("ice")
	local, remote := ice.At("local", "candidateType").TextLike(s.local), ice.At("remote", "candidateType").TextLike(s.remote)
	if local == "" && remote == "" || s.relayed != nil && local == s.local && remote == s.remote {
		return
	}
	s.local, s.remote = local, remote
	if local != "" {
		s.candidate = lenient.FoldWord(local)
	}
	s.relayed = new(lenient.FoldWord(local) == "relay" || lenient.FoldWord(remote) == "relay")
}

// fill writes the report's own figures. Lost packets are the sum of the signed
// differences, but never below 0.
func (s *stats) fill(e *call.Event) {
	e.Codec, e.ICEState, e.DTLSState, e.CandidateType, e.Relayed = s.codec, s.ice, s.dtls, s.candidate, s.relayed
	e.JitterMs, e.JitterMaxMs = s.jitter.Value(), s.jitter.Largest()
	e.RTTMs, e.RTTMaxMs = s.rtt.Value(), s.rtt.Largest()
	e.RemoteJitterMs = s.remoteJitter.Value()
	e.Intervals = s.intervals
	var level normalizer.Mean
	for i := range s.intervals {
		if iv := &s.intervals[i]; !iv.Held {
			level.Add(iv.AudioLevel)
		}
	}
	e.AudioLevel = level.Value()
	if s.counted {
		e.Total(s.tally.Sum())
	}
	if s.counted || s.counters.Segment != nil || len(s.counters.States) > 0 {
		e.Counters = &s.counters
	}
}
