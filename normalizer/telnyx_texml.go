package normalizer

import (
	"errors"
	"maps"
	"slices"
	"strings"

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
	e.Aliases = otherIDs(e.CallID, n.at("CallSid"), n.at("CallControlId"))
	kind := callbackOf(n)
	switch {
	case kind == otherCallback:
		return nil, nil // a recording, conference, queue ...
	case e.CallID == "":
		return nil, errors.New("TeXML callback names no call")
	case kind == costCallback:
		return telnyxTeXMLCost(n, e)
	}
	status := foldWord(n.at("CallStatus").text())
	if status == "" {
		return nil, nil
	}
	e.ID = identified("texml", e.CallID, status, n.at("SequenceNumber").text())
	e.Direction = telnyxDirection(n.at("Direction").text())
	e.From, e.To = n.at("From").text(), n.at("To").text()
	e.StartedAt = n.at("StartTime").or(n.at("CallInitiatedAt")).time()
	e.AnsweredAt = n.at("AnsweredTime").time()
	e.Codec = n.at("Codec").text()

	stats := n.at("CallQualityStats")
	if parsed, err := parseJSON([]byte(stats.text())); err == nil {
		stats = parsed
	}
	e.Raw = rawOf(n, []string{"CallQualityStats"}, map[string]node{"CallQualityStats": stats})

	switch {
	case overStatus(status):
		e.Kind, e.Status = call.Ended, status
		telnyxTeXMLEnd(&e, n, stats)
	case status == "initiated", status == "queued":
		e.Kind, e.Status = call.Progress, call.InProgress
		if e.StartedAt.IsZero() {
			e.StartedAt = e.OccurredAt
		}
	case status == "ringing":
		e.Kind, e.Status = call.Progress, call.InProgress
		e.RingingAt = e.OccurredAt
	case status == call.InProgress, status == "answered":
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
	e.Final = true // nothing follows that says how the call went: its quality stands here or nowhere
}

// telnyxTeXMLCost maps the cost of a call, in the member CallCost[<CallSid>]. A
// callback that has the cost of further calls gives an event for each. It names
// no currency.
func telnyxTeXMLCost(n node, e call.Event) ([]call.Event, error) {
	e.Kind = call.Report
	e.From, e.To = n.at("From").text(), n.at("To").text()
	e.Raw = rawOf(n, nil, nil)
	costs := map[string]*float64{}
	for name, m := range n.members() {
		if sid, ok := strings.CutPrefix(name, "CallCost["); ok && strings.HasSuffix(sid, "]") {
			costs[strings.TrimSuffix(sid, "]")] = m.amount()
		}
	}
	for sid, m := range n.at("CallCost").members() {
		costs[sid] = m.amount()
	}
	sid := n.at("CallSid").or(n.at("CallLegId")).text()
	cost, ok := costs[sid]
	if !ok && len(costs) == 0 {
		cost = n.at("CallCost").amount()
	}
	delete(costs, sid)
	e.Cost = cost
	e.ID = identified("texml-cost", e.CallID, n.at("SequenceNumber").or(n.at("Timestamp")).text())
	events := []call.Event{e}
	for _, other := range slices.Sorted(maps.Keys(costs)) {
		if other == "" || costs[other] == nil || len(events) >= maxRecords {
			continue
		}
		o := call.Event{Identity: call.Identity{
			Kind: call.Report, CallID: other, ParentCallID: e.CallID, SessionID: e.SessionID, ConnectionID: e.ConnectionID, OccurredAt: e.OccurredAt,
		}}
		o.Cost, o.Raw = costs[other], maps.Clone(e.Raw)
		o.ID = identified("texml-cost", other, n.at("SequenceNumber").or(n.at("Timestamp")).text())
		events = append(events, o)
	}
	return events, nil
}
