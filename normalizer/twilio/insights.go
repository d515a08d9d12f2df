package twilio

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"callwatch/call"
	"callwatch/normalizer"
	"callwatch/normalizer/lenient"
)

// Voice Insights measures a call at the edges of Twilio's network, each of them in both
// directions: inbound is what the edge received. Voice SDK calls have sdk_edge, in the
// app, and client_edge, Twilio's end of the same path; calls of the telephone network
// have carrier_edge, SIP calls sip_edge, calls of a trunk both of these
// (twilio.com/docs/voice/voice-insights/api/call/call-summary-resource, details-call-summary).
const (
	sdkEdge     = "sdk_edge"
	clientEdge  = "client_edge"
	carrierEdge = "carrier_edge"
	sipEdge     = "sip_edge"
)

// sampled is how much time a sample of metrics is of.
const sampled = 10 * time.Second

// cloudEvent maps an event of Event Streams, whose data is an object or its text.
func cloudEvent(n lenient.Node, kind string) ([]call.Event, error) {
	about, ok := strings.CutPrefix(kind, "com.twilio.voice.insights.")
	if !ok {
		return nil, nil // of another product
	}
	data := n.At("data")
	if text := data.Text(); text != "" {
		parsed, err := lenient.ParseJSON([]byte(text))
		if err != nil {
			return nil, fmt.Errorf("data: %w", err)
		}
		data = parsed
	}
	var events []call.Event
	var err error
	switch topic, _, _ := strings.Cut(about, "."); topic {
	case "call-summary":
		events, err = summary(data)
	case "call-metrics":
		events, err = metrics(data)
	case "call-event":
		events = callEvent(data)
	}
	if id := n.At("id").Text(); id != "" {
		for i := range events {
			events[i].ID = normalizer.JoinID("event", id)
		}
	}
	return events, err
}

// summary maps a call summary. A call has several, each with more than the one before:
// partial ones, one that is predicted to be complete, the complete one. They have the
// same time, so that their order is told by what they say of their processing. Raw is
// the summary, less what customers wrote about the call.
func summary(n lenient.Node) ([]call.Event, error) {
	e := call.Event{Identity: call.Identity{
		ID:           normalizer.RecordID(n),
		Kind:         call.Report,
		CallID:       n.At("call_sid").Text(),
		ParentCallID: n.At("parent_call_sid").Text(),
		Transport:    transport(n.At("call_type").Text()),
		Tags:         n.At("tags").Texts(),
	}}
	if e.CallID == "" {
		return nil, errors.New("a summary names no call")
	}
	p := n.At("properties")
	e.Direction = direction(p.At("direction").Text())
	e.ConnectionID, e.UserAgent = p.At("trunk_sid").Text(), p.At("user_agent").Text()
	e.Region = known(p.At("media_region"))
	e.Status = state(n.At("call_state").Text())
	e.From, e.To = n.At("from", "caller").Text(), n.At("to", "callee").Text()
	e.FromCountry, e.ToCountry = n.At("from", "country_code").Text(), n.At("to", "country_code").Text()
	e.StartedAt, e.EndedAt = n.At("start_time").Time(), n.At("end_time").Time()
	e.DurationSec = n.At("connect_duration").Positive()
	// In properties 0 is unknown: a canceled call has pdd_ms 0.
	e.PDDMs = p.At("pdd_ms").Positive()
	if code := p.At("q850_cause").Count(); code != nil && *code > 0 {
		e.HangupCode = code
	}
	e.SIPCode = p.At("last_sip_response_num").SIPCode()
	e.HangupSource = known(p.At("disconnected_by"))
	if e.Status != "" && e.Status != call.Completed && e.Status != call.InProgress {
		e.HangupCause = e.Status
	}
	processed := lenient.FoldWord(n.At("processing_state").Text())
	if e.Final = processed == "complete"; e.Final && e.Status == call.InProgress {
		e.Status = "" // a call that is over does not ring
	}
	e.OccurredAt = normalizer.FirstTime(e.EndedAt, e.StartedAt, n.At("created_time").Time())
	if !e.OccurredAt.IsZero() {
		e.OccurredAt = e.OccurredAt.Add(laterBy(n, e.Final))
	}
	summaryQuality(&e, n)
	e.Raw = normalizer.RawOf(n, []string{"annotation", "attributes", "trust"}, nil)
	return []call.Event{e}, nil
}

// laterBy puts the summaries of one call into their order.
func laterBy(n lenient.Node, complete bool) time.Duration {
	later := time.Duration(0)
	if v := n.At("processing_version").Count(); v != nil {
		later = time.Duration(min(*v, 999)) * time.Microsecond
	}
	if complete {
		later += time.Millisecond
	}
	return later
}

// summaryQuality takes the figures of the edge where the user listens: in the app, else
// where the call enters Twilio. What Twilio's end of an app's path received is what the
// app sent. Round-trip times and a MOS are measured in the app only; latency is of the
// way through Twilio, not a round trip.
func summaryQuality(e *call.Event, n lenient.Node) {
	for _, edge := range []string{sdkEdge, carrierEdge, sipEdge, clientEdge} {
		in, out := n.At(edge, "metrics", "inbound"), n.At(edge, "metrics", "outbound")
		if !measured(in) && !measured(out) {
			continue
		}
		e.Codec = in.At("codec_name").Or(out.At("codec_name")).Text()
		e.PacketsReceived, e.PacketsLost = in.At("packets_received").Count(), in.At("packets_lost").Count()
		e.PacketsSent = out.At("packets_sent").Count()
		e.BytesReceived, e.BytesSent = in.At("bytes_received").Count(), out.At("bytes_sent").Count()
		e.PacketLossPct = lossPct(e, in)
		e.JitterMs, e.JitterMaxMs = in.At("jitter", "avg").Amount(), in.At("jitter", "max").Amount()
		rtt := in.At("rtt").Or(out.At("rtt"))
		e.RTTMs, e.RTTMaxMs = rtt.At("avg").Positive(), rtt.At("max").Positive()
		normalizer.AcceptMOS(e, in.At("mos", "avg").Positive(), e.PacketsReceived)
		if edge == sdkEdge {
			remote(e, n.At(clientEdge, "metrics", "inbound"))
		}
		return
	}
}

// lossPct is the share of lost packets that the edge tells, where its counters do not
// give it.
func lossPct(e *call.Event, n lenient.Node) *float64 {
	if pct := call.LossPct(e.PacketsReceived, e.PacketsLost); pct != nil {
		return pct
	}
	return n.At("packets_loss_percentage").Amount()
}

// measured says whether an edge counted anything in a direction.
func measured(n lenient.Node) bool {
	return !n.At("packets_received").IsNull() || !n.At("packets_sent").IsNull() || !n.At("packets_lost").IsNull()
}

// remote takes what the far end received of what the app sent.
func remote(e *call.Event, in lenient.Node) {
	e.RemotePacketsLost = in.At("packets_lost").Count()
	e.RemoteJitterMs = in.At("jitter", "avg").Amount()
	if e.RemotePacketLossPct = call.LossPct(in.At("packets_received").Count(), e.RemotePacketsLost); e.RemotePacketLossPct == nil {
		e.RemotePacketLossPct = in.At("packets_loss_percentage").Amount()
	}
}

// metrics maps a sample of ten seconds. The interval is of those; the totals are of the
// call up to then (twilio.com/docs/voice/voice-insights/api/call/call-metrics-resource).
// Raw is the sample.
func metrics(n lenient.Node) ([]call.Event, error) {
	edge := n.At("edge").Text()
	at := n.At(edge)
	e := call.Event{Identity: call.Identity{
		ID:         normalizer.RecordID(n),
		Kind:       call.Stats,
		CallID:     n.At("call_sid").Text(),
		OccurredAt: n.At("timestamp").Time(),
	}}
	if e.CallID == "" {
		return nil, errors.New("metrics name no call")
	}
	interval, total := at.At("interval"), at.At("cumulative")
	e.Raw = normalizer.RawOf(n, nil, nil)
	switch direction := lenient.FoldWord(n.At("direction").Text()); {
	case edge != sdkEdge && direction == call.Outbound:
		e.PacketsSent = total.At("packets_sent").Count()
		return []call.Event{e}, nil
	case edge == clientEdge:
		remote(&e, total)
		return []call.Event{e}, nil
	}
	e.Region = known(at.At("metadata", "region"))
	e.Codec = at.At("codec_name").Or(interval.At("codec_name")).Text()
	e.PacketsReceived, e.PacketsLost = total.At("packets_received").Count(), total.At("packets_lost").Count()
	e.PacketsSent = total.At("packets_sent").Count()
	e.BytesReceived, e.BytesSent = total.At("bytes_received").Count(), total.At("bytes_sent").Count()
	e.PacketLossPct = lossPct(&e, total)
	jitter := interval.At("jitter", "value").Amount()
	if e.JitterMs, e.JitterMaxMs = total.At("jitter", "avg").Amount(), total.At("jitter", "max").Amount(); e.JitterMs == nil {
		e.JitterMs = jitter
	}
	e.RTTMs = interval.At("rtt", "value").Positive()
	received := interval.At("packets_received").Count()
	normalizer.AcceptMOS(&e, interval.At("mos", "value").Positive(), received)
	switch {
	case e.OccurredAt.IsZero():
	case edge == sipEdge: // of a trunk's two edges the carrier's has the word
		e.OccurredAt = e.OccurredAt.Add(-time.Millisecond)
	default:
		e.Intervals = []call.Interval{{
			Start: e.OccurredAt.Add(-sampled), End: e.OccurredAt,
			PacketsReceived: received, PacketsLost: interval.At("packets_lost").Count(), PacketLossPct: interval.At("packets_loss_percentage").Amount(),
			JitterMs: jitter, RTTMs: e.RTTMs,
		}}
	}
	return []call.Event{e}, nil
}

// metricsPage maps the samples of a call as the REST API lists them: one event for each
// edge and direction, with the last totals and all the intervals.
func metricsPage(records []lenient.Node) ([]call.Event, error) {
	if len(records) > normalizer.MaxRecords {
		return nil, fmt.Errorf("%d samples in one body, more than %d", len(records), normalizer.MaxRecords)
	}
	type stream struct{ call, edge, direction string }
	byStream := map[stream][]call.Event{}
	var first error
	for _, n := range records {
		some, err := metrics(n)
		if err != nil {
			first = cmp.Or(first, err)
			continue
		}
		key := stream{some[0].CallID, n.At("edge").Text(), n.At("direction").Text()}
		byStream[key] = append(byStream[key], some...)
	}
	keys := slices.SortedFunc(maps.Keys(byStream), func(a, b stream) int {
		return cmp.Or(cmp.Compare(a.call, b.call), cmp.Compare(a.edge, b.edge), cmp.Compare(a.direction, b.direction))
	})
	var events []call.Event
	for _, key := range keys {
		samples := byStream[key]
		slices.SortStableFunc(samples, func(a, b call.Event) int { return a.OccurredAt.Compare(b.OccurredAt) })
		events = append(events, joined(samples))
	}
	if len(events) == 0 {
		return nil, first
	}
	return events, nil
}

// joined is the last of the samples of a stream, with the intervals of all and their
// means.
func joined(samples []call.Event) call.Event {
	e := samples[len(samples)-1]
	e.Intervals = nil
	var jitter, rtt, mos normalizer.Mean
	for i := range samples {
		s := &samples[i]
		e.Intervals = append(e.Intervals, s.Intervals...)
		mos.Add(s.MOS)
		for j := range s.Intervals {
			jitter.Add(s.Intervals[j].JitterMs)
			rtt.Add(s.Intervals[j].RTTMs)
		}
	}
	if e.JitterMaxMs == nil {
		e.JitterMs, e.JitterMaxMs = jitter.Value(), jitter.Largest()
	}
	if rtt.N > 0 {
		e.RTTMs, e.RTTMaxMs = rtt.Value(), rtt.Largest()
	}
	if mean := mos.Value(); mean != nil {
		normalizer.AcceptMOS(&e, mean)
	}
	return e
}

// callEvent maps an event during a call where it is a warning or an error; the others
// say nothing that a status callback does not say.
func callEvent(n lenient.Node) []call.Event {
	e := call.Event{Identity: call.Identity{
		ID:         normalizer.RecordID(n),
		Kind:       call.Progress,
		CallID:     n.At("call_sid").Text(),
		OccurredAt: n.At("timestamp").Time(),
	}}
	level := lenient.FoldWord(n.At("level").Text())
	if e.CallID == "" || level != "warning" && level != "error" {
		return nil
	}
	failure := n.At(sdkEdge, "error")
	if level == "error" {
		e.ErrorCode, e.ErrorMessage = failure.At("code").Text(), failure.At("message").Text()
	}
	e.Raw = normalizer.RawOf(n, nil, nil)
	return []call.Event{e}
}

// known is a word that does not say that it is unknown.
func known(n lenient.Node) string {
	if s := n.Text(); !strings.HasPrefix(s, "unknown") {
		return s
	}
	return ""
}

// state is the status of a call_state. A call that was never dialed has none.
func state(s string) string {
	switch lenient.FoldWord(s) {
	case "completed":
		return call.Completed
	case "busy":
		return call.Busy
	case "fail", "failed":
		return call.Failed
	case "noanswer", "no-answer":
		return call.NoAnswer
	case "canceled":
		return call.Canceled
	case "ringing", "answered":
		return call.InProgress
	default:
		return ""
	}
}

func transport(s string) string {
	switch lenient.FoldWord(s) {
	case "carrier":
		return call.PSTN
	case "sip", "trunking":
		return call.SIP
	case "client":
		return call.WebRTC
	default:
		return ""
	}
}
