package normalizer

import (
	"fmt"
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
	// telnyxLateStart is how long after the collector's start the first interval
	// of a complete report may begin. Later ones continue an earlier chunk.
	telnyxLateStart = 10 * time.Second
)

// telnyxStats are the intervals of one report. Counters are cumulative since the
// start of the stream, averages are per interval.
type telnyxStats struct {
	sdk       telnyxSDK
	continued bool // the readings before the first interval are unknown here
	intervals []call.Interval
	counters  call.Counters
	tally     call.Tally
	counted   bool // some counter was read
	samples   sampleTally
	figures   many[float64]
	counts    many[int64]

	jitter, rtt, level, remoteJitter mean
	codec, ice, dtls, candidate      string
	relayed                          *bool
	local, remote                    string // kinds of candidates, as the last entry has them
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
	s.counters.Stream = sdk.stream
	if segment := n.at("segment").integer(); segment != nil {
		s.continued = *segment > 0
	}
	if started := n.at("summary", "startTimestamp").time(); len(entries) > 0 && !started.IsZero() {
		if first := entries[0].at("intervalStartUtc").time(); first.Sub(started) > telnyxLateStart {
			s.continued = true
		}
	}
	s.codec = n.at("android_extra", "deviceInfo", "selectedCodec").text()
	s.intervals = slices.Grow(s.intervals, min(len(entries), telnyxMaxIntervals))
	for _, entry := range entries {
		s.add(entry)
	}
	if s.counters.Stream == "" {
		s.counters.Stream = "sdk"
	}
	s.counters.Last, s.counters.Sum, s.counters.Resets = s.tally.Last(), s.tally.Sum(), s.tally.Resets
	return s, nil
}

// add takes one entry of stats. One that ends before what was already read, or
// repeats it, would look like a restart of the counters.
func (s *telnyxStats) add(n node) {
	iv := call.Interval{Start: n.at("intervalStartUtc").time(), End: n.at("intervalEndUtc").time()}
	if len(s.intervals) > 0 && !iv.End.IsZero() {
		last := s.intervals[len(s.intervals)-1]
		if iv.End.Before(s.counters.To) || iv.Start.Equal(last.Start) && iv.End.Equal(last.End) {
			return
		}
	}
	in := n.at("audio", "inbound")
	unknown := s.continued && !s.counted
	reading := s.reading(n)
	diff, reset := s.tally.Add(reading)
	concealed, buffer := s.samples.add(in, reset)
	if reading != (call.Reading{}) && !s.counted {
		s.counters.First = s.tally.Last()
		s.counted = true
	}
	if !unknown {
		iv.PacketsReceived, iv.PacketsLost = diff.PacketsReceived, call.Clamped(diff.PacketsLost)
		iv.PacketsDiscarded = call.Clamped(diff.PacketsDiscarded)
		iv.PacketLossPct = call.LossPct(iv.PacketsReceived, iv.PacketsLost)
		iv.ConcealedPct = s.figures.of(concealed.value, concealed.known)
		iv.JitterBufferMs = s.figures.of(buffer.value, buffer.known)
	}
	remote := n.at("remoteRtcp", "inbound")
	iv.JitterMs = s.jitter.add(s.figure(in.at("jitterAvg"), 1))
	iv.RTTMs = s.rtt.add(s.roundTrip(n, remote))
	s.level.add(s.figure(in.at("audioLevelAvg"), 1))
	s.remoteJitter.add(s.figure(remote.at("jitter"), s.sdk.remoteJitter))
	s.connection(n)

	if s.counters.From.IsZero() {
		s.counters.From = iv.Start
	}
	if iv.End.After(s.counters.To) {
		s.counters.To = iv.End
	}
	if len(s.intervals) < telnyxMaxIntervals {
		s.intervals = append(s.intervals, iv)
	}
}

// reading are the counters of one entry. Where 0 may mean unknown, a direction
// without any packet is unknown, and so is what would be counted beside it.
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
	}
	if s.sdk.zeroCounts {
		if none(r.PacketsReceived) && none(r.PacketsLost) {
			r.PacketsReceived, r.PacketsLost, r.BytesReceived, r.PacketsDiscarded = nil, nil, nil, nil
		}
		if none(r.PacketsSent) {
			r.PacketsSent, r.BytesSent, r.RemoteLost = nil, nil, nil
		}
	}
	return r
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
	e.AudioLevel, e.RemoteJitterMs = s.level.value(), s.remoteJitter.value()
	concealed, buffer := s.samples.total()
	e.ConcealedPct, e.JitterBufferMs = s.figures.of(concealed.value, concealed.known), s.figures.of(buffer.value, buffer.known)
	e.Intervals = s.intervals
	if !s.counted {
		return
	}
	sum := s.tally.Sum()
	e.PacketsReceived, e.PacketsLost = sum.PacketsReceived, call.Clamped(sum.PacketsLost)
	e.PacketsSent, e.PacketsDiscarded = sum.PacketsSent, sum.PacketsDiscarded
	e.BytesReceived, e.BytesSent = sum.BytesReceived, sum.BytesSent
	e.RemotePacketsLost = call.Clamped(sum.RemoteLost)
	e.Counters = &s.counters
	if s.continued {
		e.PacketLossPct = ownLoss(s.intervals)
	}
}

// ownLoss is the share of packets lost within the intervals of one segment: its
// counters also hold what was lost before.
func ownLoss(intervals []call.Interval) *float64 {
	var received, lost int64
	for _, iv := range intervals {
		if iv.PacketsReceived != nil && iv.PacketsLost != nil {
			received += *iv.PacketsReceived
			lost += *iv.PacketsLost
		}
	}
	return call.LossPct(&received, &lost)
}
