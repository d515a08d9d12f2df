package telnyx

import (
	"errors"
	"slices"

	"callwatch/call"
	"callwatch/normalizer"
	"callwatch/normalizer/lenient"
)

// webhook maps one Voice API event: the data object of the envelope, or
// the flat form. Event types that say nothing about the outcome of a call give
// no event.
//
// Raw is the payload with Telnyx' own member names, so that rules read
// raw.hangup_cause or raw.call_quality_stats.inbound.mos; beside it are
// event_type, record_type and meta of the envelope.
func webhook(n, meta lenient.Node) ([]call.Event, error) {
	mapping := events(n.At("event_type").Text())
	if mapping == nil {
		return nil, nil
	}
	p := n.At("payload")
	e := call.Event{Identity: call.Identity{
		ID:           n.At("id").Or(n.At("webhook_id")).Text(),
		CallID:       p.At("call_leg_id").Or(p.At("call_control_id")).Or(p.At("call_session_id")).Text(),
		SessionID:    p.At("call_session_id").Text(),
		ConnectionID: p.At("connection_id").Text(),
		Transport:    transport(p),
		Tags:         p.At("tags").Texts(),
		OccurredAt:   n.At("occurred_at").Or(p.At("occurred_at")).Or(n.At("created_at")).Time(),
	}}
	if e.CallID == "" {
		return nil, errors.New("webhook names no call")
	}
	e.Aliases = otherIDs(e.CallID, p.At("call_control_id"))
	e.From = number(p.At("from"))
	e.To = number(p.At("to"))
	e.Raw = normalizer.RawOf(p, nil, map[string]lenient.Node{
		"event_type": n.At("event_type"), "record_type": n.At("record_type"), "meta": meta,
	})
	mapping(&e, p)
	return []call.Event{e}, nil
}

// otherIDs are the ids of a call besides the one it is known by. TeXML's CallSid
// is the call_control_id of the Voice API.
func otherIDs(id string, others ...lenient.Node) []string {
	var aliases []string
	for _, n := range others {
		if other := n.Text(); other != "" && other != id && len(other) <= maxAlias && !slices.Contains(aliases, other) {
			aliases = append(aliases, other)
		}
	}
	return aliases
}

// maxAlias bounds an alias in bytes; a longer one is none.
const maxAlias = 512

// events is the mapping of an event type, nil for those of no interest.
func events(eventType string) func(e *call.Event, p lenient.Node) {
	switch eventType {
	case "call.initiated":
		return initiated
	case "call.answered":
		return answered
	case "call.bridged":
		return func(e *call.Event, _ lenient.Node) { e.Kind = call.Progress }
	case "call.hangup":
		return hangup
	case "call.cost":
		return cost
	case "call.conversation.ended":
		return conversation
	case "call.conversation_insights.generated":
		return func(e *call.Event, _ lenient.Node) { e.Kind = call.Report }
	case "streaming.failed":
		return func(e *call.Event, p lenient.Node) {
			e.Kind = call.Report
			e.ErrorMessage = p.At("failure_reason").Text()
		}
	default:
		return nil
	}
}

func initiated(e *call.Event, p lenient.Node) {
	e.Kind, e.Status = call.Progress, call.InProgress
	e.Direction = direction(p.At("direction").Text())
	if e.StartedAt = p.At("start_time").Time(); e.StartedAt.IsZero() {
		e.StartedAt = e.OccurredAt
	}
}

func answered(e *call.Event, p lenient.Node) {
	e.Kind, e.Status, e.Answered = call.Progress, call.InProgress, new(true)
	e.StartedAt = p.At("start_time").Time()
	e.AnsweredAt = e.OccurredAt
	e.Codec = p.At("codec").Text()
}

func cost(e *call.Event, p lenient.Node) {
	e.Kind = call.Report
	if p.At("status").Text() == "error" {
		return
	}
	e.Cost = p.At("total_cost").Number()
	if parts := p.At("cost_parts").List(); e.Cost != nil && len(parts) > 0 {
		e.CostCurrency = parts[0].At("currency").Text()
	}
}

func conversation(e *call.Event, p lenient.Node) {
	e.Kind = call.Report
	e.EndReason = p.At("reason").Text()
	e.AgentID = p.At("assistant_id").Text()
}

func hangup(e *call.Event, p lenient.Node) {
	e.Kind = call.Ended
	e.StartedAt = p.At("start_time").Time()
	if e.EndedAt = p.At("end_time").Time(); e.EndedAt.IsZero() {
		e.EndedAt = e.OccurredAt
	}
	if e.OccurredAt.IsZero() {
		e.OccurredAt = e.EndedAt
	}
	cause(e, p.At("hangup_cause"), p.At("hangup_source"), p.At("sip_hangup_cause"))
	quality(e, p.At("call_quality_stats"))
	e.Status = status(e)
	if unanswered(lenient.FoldWord(e.HangupCause)) {
		e.DurationSec = new(0.0)
	} else if !e.StartedAt.IsZero() && !e.EndedAt.Before(e.StartedAt) {
		e.DurationSec = new(e.EndedAt.Sub(e.StartedAt).Seconds())
	}
	e.Final = normalizer.QualitySettled(e)
}

// cause takes why and by whom the call ended; "unknown" and "unspecified"
// are no answers to who and to which SIP response.
func cause(e *call.Event, cause, source, sip lenient.Node) {
	e.HangupCause = cause.Text()
	if s := lenient.FoldWord(source.Text()); s != "unknown" {
		e.HangupSource = s
	}
	if code := sip.Integer(); code != nil && *code >= 100 && *code <= 699 {
		e.SIPCode = code
	}
}

// quality takes the figures of the leg's media server. skip_packet_count
// is not loss: it counts playout slots with nothing to play. With a jitter buffer
// the packets are counted in jitter_packet_count instead of packet_count.
func quality(e *call.Event, stats lenient.Node) {
	in, out := stats.At("inbound"), stats.At("outbound")
	packets, buffered := in.At("packet_count").Count(), in.At("jitter_packet_count").Count()
	e.PacketsReceived = packets
	if buffered != nil && *buffered > 0 && (packets == nil || *packets == 0) {
		e.PacketsReceived = buffered
	}
	e.PacketsSent = out.At("packet_count").Count()
	e.PacketsSkipped = in.At("skip_packet_count").Count()
	e.JitterMaxMs = normalizer.StandardDeviation(in.At("jitter_max_variance").Number())
	normalizer.AcceptMOS(e, in.At("mos").Number(), packets, buffered)
}

// status is our reading of the hangup cause. No cause says nothing.
func status(e *call.Event) string {
	cause := lenient.FoldWord(e.HangupCause)
	switch {
	case cause == "normal-clearing" || cause == "time-limit":
		return call.Completed
	case cause == "user-busy" || e.SIPCode != nil && *e.SIPCode == 486:
		return call.Busy
	case cause == "unspecified" && e.PacketsReceived != nil && *e.PacketsReceived > 0:
		return call.Completed
	case cause == "no-answer" || cause == "timeout":
		return call.NoAnswer
	case cause == "originator-cancel":
		return call.Canceled
	case cause == "":
		return ""
	default:
		return call.Failed
	}
}

// unanswered says whether a cause can only end a call nobody answered.
func unanswered(cause string) bool {
	switch cause {
	case "user-busy", "no-answer", "timeout", "originator-cancel", "call-rejected", "not-found":
		return true
	}
	return false
}

func direction(s string) string {
	switch lenient.FoldWord(s) {
	case "incoming", call.Inbound:
		return call.Inbound
	case "outgoing", call.Outbound:
		return call.Outbound
	default:
		return ""
	}
}

func number(n lenient.Node) string { return n.At("phone_number").Or(n).Text() }

// transport is the kind of the leg. A leg with the SDK's own call id in a
// custom header is a browser or app, whatever the calling party is called.
func transport(p lenient.Node) string {
	for _, h := range p.At("custom_headers").List() {
		if lenient.FoldWord(h.At("name").Text()) == "x-rtc-callid" {
			return call.WebRTC
		}
	}
	switch t := lenient.FoldWord(p.At("calling_party_type").Text()); t {
	case call.PSTN, call.SIP:
		return t
	default:
		return ""
	}
}
