package normalizer

import (
	"errors"

	"callwatch/call"
)

// telnyxTeXML maps a TeXML status callback, as the form that is sent or as its
// JSON view. Raw has the callback's own names; CallQualityStats, JSON inside a
// field, is an object there, so that rules read raw.CallQualityStats.mos.
func telnyxTeXML(n node) ([]call.Event, error) {
	e := call.Event{Identity: call.Identity{
		CallID:       n.at("CallLegId").or(n.at("CallSid")).text(),
		SessionID:    n.at("CallSessionId").text(),
		ParentCallID: n.at("ParentCallSid").text(),
		ConnectionID: n.at("ConnectionId").text(),
		OccurredAt:   n.at("OccurredAt").or(n.at("Timestamp")).time(),
	}}
	if e.CallID == "" {
		return nil, errors.New("TeXML callback names no call")
	}
	status := foldWord(n.at("CallStatus").text())
	if status == "" {
		return nil, nil // a callback of another kind: recording, gather
	}
	e.ID = identified("texml", e.CallID, status, n.at("SequenceNumber").text())
	e.Direction = telnyxDirection(n.at("Direction").text())
	e.From, e.To = n.at("From").text(), n.at("To").text()
	e.StartedAt = n.at("StartTime").or(n.at("CallInitiatedAt")).time()
	e.AnsweredAt = n.at("AnsweredTime").time()

	stats := n.at("CallQualityStats")
	if parsed, err := parseJSON([]byte(stats.text())); err == nil {
		stats = parsed
	}
	e.Raw = rawOf(n, []string{"CallQualityStats"}, map[string]node{"CallQualityStats": stats})

	switch status {
	case call.Completed, call.Busy, call.NoAnswer, call.Canceled, call.Failed:
		e.Kind, e.Status = call.Ended, status
		telnyxTeXMLEnd(&e, n, stats)
	case "initiated", "queued":
		e.Kind, e.Status = call.Progress, call.InProgress
		if e.StartedAt.IsZero() {
			e.StartedAt = e.OccurredAt
		}
	case "ringing":
		e.Kind, e.Status = call.Progress, call.InProgress
		e.RingingAt = e.OccurredAt
	case "in-progress", "answered":
		e.Kind, e.Status, e.Answered = call.Progress, call.InProgress, new(true)
		if e.AnsweredAt.IsZero() {
			e.AnsweredAt = e.OccurredAt
		}
	default:
		e.Kind = call.Progress
	}
	return []call.Event{e}, nil
}

// telnyxTeXMLEnd takes what only the last callback has. An error code alone does
// not make a call failed.
func telnyxTeXMLEnd(e *call.Event, n, stats node) {
	if e.EndedAt = n.at("EndTime").time(); e.EndedAt.IsZero() {
		e.EndedAt = e.OccurredAt
	}
	e.DurationSec = n.at("CallDuration").number()
	telnyxCause(e, n.at("HangupCause"), n.at("HangupSource"), n.at("SipHangupCause"))
	e.ErrorCode, e.ErrorMessage = n.at("ErrorCode").text(), n.at("ErrorMessage").text()
	if n.at("RecordingUrl").text() != "" {
		e.Recorded = new(true)
	}
	if stats.at("inbound").isObject() || stats.at("outbound").isObject() {
		telnyxQuality(e, stats)
	} else {
		e.JitterMs = stats.at("jitter").number()
		e.PacketLossPct = stats.at("packet_loss").number()
		acceptMOS(e, stats.at("mos").number())
	}
	e.Final = settled(e)
}
