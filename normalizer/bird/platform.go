package bird

import (
	"strings"

	"callwatch/call"
	"callwatch/normalizer"
	"callwatch/normalizer/lenient"
)

// callPrefix begins the call ids of the 2026 platform.
const callPrefix = "vcl_"

// platformWebhook maps {type, timestamp, data}. The types were first named
// voice.call.*; a replay has a new webhook id, so that call and type identify
// the event.
func platformWebhook(n lenient.Node) ([]call.Event, error) {
	typ := strings.Replace(n.At("type").Text(), "voice.call.", "voice_call.", 1)
	d, at := n.At("data"), n.At("timestamp").Time()
	step, ok := strings.CutPrefix(typ, "voice_call.")
	if !ok {
		return nil, nil
	}
	e, err := platform(d)
	if err != nil {
		return nil, err
	}
	switch step {
	case "initiated":
		e.Kind, e.Status, e.StartedAt = call.Progress, call.InProgress, normalizer.FirstTime(e.StartedAt, at)
	case "answered":
		e.Kind, e.Status, e.AnsweredAt = call.Progress, call.InProgress, normalizer.FirstTime(e.AnsweredAt, at)
	case "ended":
		e.Kind, e.EndedAt = call.Ended, normalizer.FirstTime(e.EndedAt, at)
	default:
		return nil, nil
	}
	e.ID, e.OccurredAt, e.Final = normalizer.JoinID(e.CallID, typ), at, false
	e.Raw = normalizer.RawOf(d, nil, map[string]lenient.Node{"type": n.At("type"), "timestamp": n.At("timestamp")})
	return []call.Event{e}, nil
}

// platformCall maps the VoiceCall of a REST answer.
func platformCall(n lenient.Node) ([]call.Event, error) {
	e, err := platform(n)
	if err != nil {
		return nil, err
	}
	e.Kind, e.ID = reportKind(&e), normalizer.RecordID(n)
	return []call.Event{e}, nil
}

// platform maps what webhooks and calls of the 2026 platform have in common.
// duration_ms counts from the first INVITE, so talk time is billable_ms.
func platform(n lenient.Node) (call.Event, error) {
	var e call.Event
	if e.CallID = n.At("call_id").Or(n.At("id")).Text(); e.CallID == "" {
		return e, normalizer.UnknownBody(n, "Bird's call events and calls")
	}
	e.SessionID, e.ConnectionID = n.At("session_id").Text(), n.At("sip_trunk_id").Text()
	e.Transport = call.SIP
	e.Direction = birdDirection(n.At("direction"))
	e.Status = platformStatus(n.At("status"))
	e.From = n.At("from").Or(n.At("src_number")).Text()
	e.To = n.At("to").Or(n.At("dst_number")).Text()
	e.StartedAt, e.AnsweredAt, e.EndedAt = n.At("started_at").Time(), n.At("answered_at").Time(), n.At("ended_at").Time()
	if ms := n.At("billable_ms").Amount(); ms != nil {
		e.DurationSec = new(*ms / 1000)
	}
	if talk := e.EndedAt.Sub(e.AnsweredAt); !e.AnsweredAt.IsZero() && !e.EndedAt.IsZero() && talk >= 0 {
		e.DurationSec = new(talk.Seconds())
	}
	e.PDDMs = n.At("pdd_ms").Amount()
	e.SIPCode = n.At("sip_response_code").SIPCode()
	e.HangupCause = n.At("rejection_reason").Text()
	if e.Cost = n.At("cost", "amount").Amount(); e.Cost != nil {
		e.CostCurrency = n.At("cost", "currency_code").Text()
	}

	q := n.At("media_quality")
	normalizer.AcceptMOS(&e, q.At("mos").Positive())
	e.JitterMs = q.At("jitter_ms").Amount()
	e.RTTMs = q.At("round_trip_time_ms").Positive()
	e.PacketLossPct = q.At("packet_loss_pct").Amount()
	e.Final = over(&e) && (e.Status != call.Completed || e.Cost != nil && e.MOSProvider != nil)
	e.Raw = normalizer.RawOf(n, nil, nil)
	return e, nil
}

func platformStatus(n lenient.Node) string {
	switch s := lenient.FoldWord(n.Text()); s {
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
