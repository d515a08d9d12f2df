package normalizer

import (
	"errors"
	"slices"

	"callwatch/call"
)

// telnyxWebhook maps one Voice API event: the data object of the envelope, or
// the flat form. Event types that say nothing about the outcome of a call give
// no event.
//
// Raw is the payload with Telnyx' own member names, so that rules read
// raw.hangup_cause or raw.call_quality_stats.inbound.mos; beside it stand
// event_type, record_type and meta of the envelope.
func telnyxWebhook(n, meta node) ([]call.Event, error) {
	mapping := telnyxEvents(n.at("event_type").text())
	if mapping == nil {
		return nil, nil
	}
	p := n.at("payload")
	e := call.Event{Identity: call.Identity{
		ID:           n.at("id").or(n.at("webhook_id")).text(),
		CallID:       p.at("call_leg_id").or(p.at("call_control_id")).or(p.at("call_session_id")).text(),
		SessionID:    p.at("call_session_id").text(),
		ConnectionID: p.at("connection_id").text(),
		Transport:    telnyxTransport(p),
		Tags:         p.at("tags").texts(),
		OccurredAt:   n.at("occurred_at").or(p.at("occurred_at")).or(n.at("created_at")).time(),
	}}
	if e.CallID == "" {
		return nil, errors.New("webhook names no call")
	}
	e.Aliases = otherIDs(e.CallID, p.at("call_control_id"))
	e.From = telnyxNumber(p.at("from"))
	e.To = telnyxNumber(p.at("to"))
	e.Raw = rawOf(p, nil, map[string]node{
		"event_type": n.at("event_type"), "record_type": n.at("record_type"), "meta": meta,
	})
	mapping(&e, p)
	return []call.Event{e}, nil
}

// otherIDs are the ids of a call besides the one it is known by. TeXML's CallSid
// is the call_control_id of the Voice API.
func otherIDs(id string, others ...node) []string {
	var aliases []string
	for _, n := range others {
		if other := n.text(); other != "" && other != id && len(other) <= maxAlias && !slices.Contains(aliases, other) {
			aliases = append(aliases, other)
		}
	}
	return aliases
}

// maxAlias bounds an alias in bytes; a longer one is none.
const maxAlias = 512

// telnyxEvents is the mapping of an event type, nil for those of no interest.
func telnyxEvents(eventType string) func(e *call.Event, p node) {
	switch eventType {
	case "call.initiated":
		return telnyxInitiated
	case "call.answered":
		return telnyxAnswered
	case "call.bridged":
		return func(e *call.Event, _ node) { e.Kind = call.Progress }
	case "call.hangup":
		return telnyxHangup
	case "call.cost":
		return telnyxCost
	case "call.conversation.ended":
		return telnyxConversation
	case "call.conversation_insights.generated":
		return func(e *call.Event, _ node) { e.Kind = call.Report }
	case "streaming.failed":
		return func(e *call.Event, p node) {
			e.Kind = call.Report
			e.ErrorMessage = p.at("failure_reason").text()
		}
	default:
		return nil
	}
}

func telnyxInitiated(e *call.Event, p node) {
	e.Kind, e.Status = call.Progress, call.InProgress
	e.Direction = telnyxDirection(p.at("direction").text())
	if e.StartedAt = p.at("start_time").time(); e.StartedAt.IsZero() {
		e.StartedAt = e.OccurredAt
	}
}

func telnyxAnswered(e *call.Event, p node) {
	e.Kind, e.Status, e.Answered = call.Progress, call.InProgress, new(true)
	e.StartedAt = p.at("start_time").time()
	e.AnsweredAt = e.OccurredAt
	e.Codec = p.at("codec").text()
}

func telnyxCost(e *call.Event, p node) {
	e.Kind = call.Report
	if p.at("status").text() == "error" {
		return
	}
	e.Cost = p.at("total_cost").number()
	if parts := p.at("cost_parts").list(); e.Cost != nil && len(parts) > 0 {
		e.CostCurrency = parts[0].at("currency").text()
	}
}

func telnyxConversation(e *call.Event, p node) {
	e.Kind = call.Report
	e.EndReason = p.at("reason").text()
	e.AgentID = p.at("assistant_id").text()
}

func telnyxHangup(e *call.Event, p node) {
	e.Kind = call.Ended
	e.StartedAt = p.at("start_time").time()
	if e.EndedAt = p.at("end_time").time(); e.EndedAt.IsZero() {
		e.EndedAt = e.OccurredAt
	}
	if e.OccurredAt.IsZero() {
		e.OccurredAt = e.EndedAt
	}
	telnyxCause(e, p.at("hangup_cause"), p.at("hangup_source"), p.at("sip_hangup_cause"))
	telnyxQuality(e, p.at("call_quality_stats"))
	e.Status = telnyxStatus(e)
	if telnyxUnanswered(foldWord(e.HangupCause)) {
		e.DurationSec = new(0.0)
	} else if !e.StartedAt.IsZero() && !e.EndedAt.Before(e.StartedAt) {
		e.DurationSec = new(e.EndedAt.Sub(e.StartedAt).Seconds())
	}
	e.Final = settled(e)
}

// telnyxCause takes why and by whom the call ended; "unknown" and "unspecified"
// are no answers to who and to which SIP response.
func telnyxCause(e *call.Event, cause, source, sip node) {
	e.HangupCause = cause.text()
	if s := foldWord(source.text()); s != "unknown" {
		e.HangupSource = s
	}
	if code := sip.integer(); code != nil && *code >= 100 && *code <= 699 {
		e.SIPCode = code
	}
}

// telnyxQuality takes the figures of the leg's media server. skip_packet_count
// is not loss: it counts playout slots with nothing to play. With a jitter buffer
// the packets are counted in jitter_packet_count instead of packet_count.
func telnyxQuality(e *call.Event, stats node) {
	in, out := stats.at("inbound"), stats.at("outbound")
	packets, buffered := in.at("packet_count").count(), in.at("jitter_packet_count").count()
	e.PacketsReceived = packets
	if buffered != nil && *buffered > 0 && (packets == nil || *packets == 0) {
		e.PacketsReceived = buffered
	}
	e.PacketsSent = out.at("packet_count").count()
	e.PacketsSkipped = in.at("skip_packet_count").count()
	e.JitterMaxMs = root(in.at("jitter_max_variance").number())
	acceptMOS(e, in.at("mos").number(), packets, buffered)
}

// telnyxStatus is our reading of the hangup cause. No cause says nothing.
func telnyxStatus(e *call.Event) string {
	cause := foldWord(e.HangupCause)
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

// telnyxUnanswered says whether a cause can only end a call nobody answered.
func telnyxUnanswered(cause string) bool {
	switch cause {
	case "user-busy", "no-answer", "timeout", "originator-cancel", "call-rejected", "not-found":
		return true
	}
	return false
}

func telnyxDirection(s string) string {
	switch foldWord(s) {
	case "incoming", call.Inbound:
		return call.Inbound
	case "outgoing", call.Outbound:
		return call.Outbound
	default:
		return ""
	}
}

func telnyxNumber(n node) string { return n.at("phone_number").or(n).text() }

// telnyxTransport is the kind of the leg. A leg with the SDK's own call id in a
// custom header is a browser or app, whatever the calling party is called.
func telnyxTransport(p node) string {
	for _, h := range p.at("custom_headers").list() {
		if foldWord(h.at("name").text()) == "x-rtc-callid" {
			return call.WebRTC
		}
	}
	switch t := foldWord(p.at("calling_party_type").text()); t {
	case call.PSTN, call.SIP:
		return t
	default:
		return ""
	}
}
