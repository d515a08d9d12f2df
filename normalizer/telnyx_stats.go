package normalizer

import (
	"fmt"
	"math"
	"slices"
	"time"

	"callwatch/call"
)

const (
	// telnyxMaxIntervals is four times the SDKs' own limit of a report. Past it
	// only the totals go on.
	telnyxMaxIntervals = 1200
	// telnyxMaxEntries is more than the largest accepted body holds of real
	// entries of stats.
	telnyxMaxEntries = 20000
	// telnyxPacketRate is more packets a second than an audio stream has. A first
	// reading above it counts more than its interval.
	telnyxPacketRate = 150
)

// telnyxStats are the intervals of one report. Counters are cumulative since the
// start of the stream, averages are per interval.
type telnyxStats struct {
	sdk       telnyxSDK
	whole     bool      // the report has no number: it is the only one, or a part of one that Android divided
	started   time.Time // start of the first interval
	intervals []call.Interval
	counters  call.Counters
	tally     call.Tally
	counted   bool // some counter was read
	figures   many[float64]
	counts    many[int64]

	jitter, rtt, remoteJitter   mean
	codec, ice, dtls, candidate string
	relayed                     *bool
	local, remote               string // kinds of candidates, as the last entry has them
}

// telnyxStatsOf reads stats, an array of intervals or one object.
func telnyxStatsOf(n node, sdk telnyxSDK) (*telnyxStats, error) {
	s := &telnyxStats{sdk: sdk}
	entries := n.at("stats").list()
	if n.at("stats").isObject() {
		entries = []node{n.at("stats")}
	}
	if len(entries) > telnyxMaxEntries {
		return nil, fmt.Errorf("%d entries of stats, more than %d", len(entries), telnyxMaxEntries)
	}
	s.counters.Start, s.counters.Active = n.at("summary", "startTimestamp").time(), sdk.active
	s.counters.Segment = n.at("segment").count()
	s.whole = s.counters.Segment == nil
	s.counters.Begins = s.whole || *s.counters.Segment == 0
	s.codec = n.at("android_extra", "deviceInfo", "selectedCodec").text()
	s.intervals = slices.Grow(s.intervals, min(len(entries), telnyxMaxIntervals))
	for _, entry := range entries {
		s.add(entry)
	}
	s.counters.From = s.started
	s.counters.RemoteJitterMs, s.counters.RemoteJitters = s.remoteJitter.sum, s.remoteJitter.n
	s.counters.States = telnyxStates(n, s)
	call.MarkHeld(s.intervals, s.counters.States)
	s.counters.Last, s.counters.Sum, s.counters.Resets = s.tally.Last(), s.tally.Sum(), s.tally.Resets
	return s, nil
}

// add takes one entry of stats. One that ends before what was already read, or
// repeats it, would look like a restart of the counters, unless they went on: then
// the clock was set back, and the entry counts without being an interval.
func (s *telnyxStats) add(n node) {
	iv := call.Interval{Start: n.at("intervalStartUtc").time(), End: n.at("intervalEndUtc").time()}
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
	remote := n.at("remoteRtcp", "inbound")
	in := n.at("audio", "inbound")
	iv.JitterMs = s.jitter.add(s.figure(in.at("jitterAvg"), 1))
	iv.RTTMs = s.rtt.add(s.roundTrip(n, remote))
	if iv.AudioLevel = s.figure(in.at("audioLevelAvg"), 1); iv.AudioLevel != nil && *iv.AudioLevel > 1 {
		iv.AudioLevel = nil
	}
	s.remoteJitter.add(s.figure(remote.at("jitter"), s.sdk.remoteJitter))
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
	if len(s.intervals) < telnyxMaxIntervals {
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
	most := int64(telnyxPacketRate * (length + time.Second).Seconds())
	return r.PacketsReceived != nil && *r.PacketsReceived > most || r.PacketsSent != nil && *r.PacketsSent > most
}

// silent reports whether an entry has packets that were sent, and nothing at all
// that was received: WebRTC has no inbound stream before its first packet. Where
// none was received before either, the reading becomes 0.
func (s *telnyxStats) silent(r *call.Reading) bool {
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
func (s *telnyxStats) reading(n node) call.Reading {
	in, out := n.at("audio", "inbound"), n.at("audio", "outbound")
	r := call.Reading{
		PacketsReceived:  s.count(in.at("packetsReceived")),
		PacketsLost:      s.counts.of(in.at("packetsLost").whole()),
		PacketsDiscarded: s.count(in.at("packetsDiscarded")),
		BytesReceived:    s.count(in.at("bytesReceived")),
		PacketsSent:      s.count(out.at("packetsSent")),
		BytesSent:        s.count(out.at("bytesSent")),
		RemoteLost:       s.counts.of(n.at("remoteRtcp", "inbound", "packetsLost").whole()),
		SamplesReceived:  s.samples(in.at("totalSamplesReceived"), 1),
		SamplesConcealed: s.samples(in.at("concealedSamples"), 1),
		BufferDelayUs:    s.samples(in.at("jitterBufferDelay"), 1e6),
		BufferEmitted:    s.samples(in.at("jitterBufferEmittedCount"), 1),
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
func (s *telnyxStats) samples(n node, factor float64) *int64 {
	f, ok := n.float()
	f = math.Round(f * factor)
	return s.counts.of(int64(f), ok && f >= 0 && f < 1<<53)
}

func none(n *int64) bool { return n == nil || *n == 0 }

// count is a counter of 0 or more.
func (s *telnyxStats) count(n node) *int64 {
	i, ok := n.whole()
	return s.counts.of(i, ok && i >= 0)
}

// figure is a number times factor. What cannot be a figure is unknown: a negative
// one, and a 0 of an SDK that writes it for unknown.
func (s *telnyxStats) figure(n node, factor float64) *float64 {
	f, ok := n.float()
	f *= factor
	return s.figures.of(f, ok && f >= 0 && !(f == 0 && s.sdk.zeroFigures))
}

// roundTrip is the mean round-trip time of an interval in ms, never 0.
func (s *telnyxStats) roundTrip(n, remote node) *float64 {
	seconds, ok := n.at("connection", "roundTripTimeAvg").float()
	if !ok || seconds <= 0 {
		seconds, ok = remote.at("roundTripTimeAvg").float()
	}
	return s.figures.of(1000*seconds, ok && seconds > 0)
}

// connection takes the texts of an entry; the last known ones are the report's.
func (s *telnyxStats) connection(n node) {
	take := func(field *string, value node) {
		if text := value.textLike(*field); text != "" {
			*field = text
		}
	}
	in, out := n.at("audio", "inbound", "codec"), n.at("audio", "outbound", "codec")
	take(&s.codec, in.at("mimeType").or(in).or(out.at("mimeType")).or(out))
	take(&s.ice, n.at("transport", "iceState"))
	take(&s.dtls, n.at("transport", "dtlsState"))
	ice := n.at("ice")
	local, remote := ice.at("local", "candidateType").textLike(s.local), ice.at("remote", "candidateType").textLike(s.remote)
	if local == "" && remote == "" || s.relayed != nil && local == s.local && remote == s.remote {
		return
	}
	s.local, s.remote = local, remote
	if local != "" {
		s.candidate = foldWord(local)
	}
	s.relayed = new(foldWord(local) == "relay" || foldWord(remote) == "relay")
}

// fill writes the report's own figures. Lost packets are the sum of the signed
// differences, but never below 0.
func (s *telnyxStats) fill(e *call.Event) {
	e.Codec, e.ICEState, e.DTLSState, e.CandidateType, e.Relayed = s.codec, s.ice, s.dtls, s.candidate, s.relayed
	e.JitterMs, e.JitterMaxMs = s.jitter.value(), s.jitter.largest()
	e.RTTMs, e.RTTMaxMs = s.rtt.value(), s.rtt.largest()
	e.RemoteJitterMs = s.remoteJitter.value()
	e.Intervals = s.intervals
	var level mean
	for i := range s.intervals {
		if iv := &s.intervals[i]; !iv.Held {
			level.add(iv.AudioLevel)
		}
	}
	e.AudioLevel = level.value()
	if s.counted {
		e.Total(s.tally.Sum())
	}
	if s.counted || s.counters.Segment != nil || len(s.counters.States) > 0 {
		e.Counters = &s.counters
	}
}
