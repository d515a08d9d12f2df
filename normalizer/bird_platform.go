package normalizer

import (
	"strings"

	"callwatch/call"
)

// birdCallPrefix begins the call ids of the 2026 platform.
const birdCallPrefix = "vcl_"

// birdPlatformWebhook maps {type, timestamp, data}. The types were first named
// voice.call.*; a replay has a new webhook id, so that call and type identify
// the event.
func birdPlatformWebhook(n node) ([]call.Event, error) {
	typ := strings.Replace(n.at("type").text(), "voice.call.", "voice_call.", 1)
	d, at := n.at("data"), n.at("timestamp").time()
	step, ok := strings.CutPrefix(typ, "voice_call.")
	if !ok {
		return nil, nil
	}
	e, err := birdPlatform(d)
	if err != nil {
		return nil, err
	}
	switch step {
	case "initiated":
		e.Kind, e.Status, e.StartedAt = call.Progress, call.InProgress, firstTime(e.StartedAt, at)
	case "answered":
		e.Kind, e.Status, e.AnsweredAt = call.Progress, call.InProgress, firstTime(e.AnsweredAt, at)
	case "ended":
		e.Kind, e.EndedAt = call.Ended, firstTime(e.EndedAt, at)
	default:
		return nil, nil
	}
	e.ID, e.OccurredAt, e.Final = identified(e.CallID, typ), at, false
	e.Raw = rawOf(d, nil, map[string]node{"type": n.at("type"), "timestamp": n.at("timestamp")})
	return []call.Event{e}, nil
}

// birdPlatformCall maps the VoiceCall of a REST answer.
func birdPlatformCall(n node) ([]call.Event, error) {
	e, err := birdPlatform(n)
	if err != nil {
		return nil, err
	}
	e.Kind, e.ID = birdReportKind(&e), recordID(n)
	return []call.Event{e}, nil
}

// birdPlatform maps what webhooks and calls of the 2026 platform have in common.
// duration_ms counts from the first INVITE, so talk time is billable_ms.
func birdPlatform(n node) (call.Event, error) {
	var e call.Event
	if e.CallID = n.at("call_id").or(n.at("id")).text(); e.CallID == "" {
		return e, unknownBody(n, "Bird's call events and calls")
	}
	e.SessionID, e.ConnectionID = n.at("session_id").text(), n.at("sip_trunk_id").text()
	e.Transport = call.SIP
	e.Direction = birdDirection(n.at("direction"))
	e.Status = birdPlatformStatus(n.at("status"))
	e.From = n.at("from").or(n.at("src_number")).text()
	e.To = n.at("to").or(n.at("dst_number")).text()
	e.StartedAt, e.AnsweredAt, e.EndedAt = n.at("started_at").time(), n.at("answered_at").time(), n.at("ended_at").time()
	if ms := n.at("billable_ms").amount(); ms != nil {
		e.DurationSec = new(*ms / 1000)
	}
	if talk := e.EndedAt.Sub(e.AnsweredAt); !e.AnsweredAt.IsZero() && !e.EndedAt.IsZero() && talk >= 0 {
		e.DurationSec = new(talk.Seconds())
	}
	e.PDDMs = n.at("pdd_ms").amount()
	e.SIPCode = n.at("sip_response_code").sipCode()
	e.HangupCause = n.at("rejection_reason").text()
	if e.Cost = n.at("cost", "amount").amount(); e.Cost != nil {
		e.CostCurrency = n.at("cost", "currency_code").text()
	}

	q := n.at("media_quality")
	acceptMOS(&e, q.at("mos").positive())
	e.JitterMs = q.at("jitter_ms").amount()
	e.RTTMs = q.at("round_trip_time_ms").positive()
	e.PacketLossPct = q.at("packet_loss_pct").amount()
	e.Final = birdOver(&e) && (e.Status != call.Completed || e.Cost != nil && e.MOSProvider != nil)
	e.Raw = rawOf(n, nil, nil)
	return e, nil
}

func birdPlatformStatus(n node) string {
	switch s := foldWord(n.text()); s {
	case "answered", call.Completed:
		return call.Completed
	case call.NoAnswer, call.Busy, call.Canceled:
		return s
	case call.Failed, "rejected", "unknown":
		return call.Failed
	case "ringing", "initiated", call.InProgress:
		return call.InProgress
	default:
		return ""
	}
}
