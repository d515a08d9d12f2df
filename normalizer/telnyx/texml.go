package telnyx

import (
	"errors"
	"maps"
	"slices"
	"strings"

	"callwatch/call"
	"callwatch/normalizer"
	"callwatch/normalizer/lenient"
)

// teXML maps a TeXML status callback, as the form that is sent or as its
// JSON view. Raw has the callback's own names; CallQualityStats, JSON inside a
// field, is an object there, so that rules read raw.CallQualityStats.mos.
func teXML(n lenient.Node) ([]call.Event, error) {
	e := call.Event{Identity: call.Identity{
		CallID:       n.At("CallLegId").Or(n.At("CallSid")).Text(),
		SessionID:    n.At("CallSessionId").Text(),
		ParentCallID: n.At("ParentCallSid").Text(),
		ConnectionID: n.At("ConnectionId").Text(),
		OccurredAt:   n.At("OccurredAt").Or(n.At("Timestamp")).Time(),
	}}
	e.Aliases = otherIDs(e.CallID, n.At("CallSid"), n.At("CallControlId"))
	kind := normalizer.CallbackOf(n)
	switch {
	case kind == normalizer.OtherCallback:
		return nil, nil // a recording, conference, queue ...
	case e.CallID == "":
		return nil, errors.New("TeXML callback names no call")
	case kind == normalizer.CostCallback:
		return teXMLCost(n, e)
	}
	status := lenient.FoldWord(n.At("CallStatus").Text())
	if status == "" {
		return nil, nil
	}
	e.ID = normalizer.JoinID("texml", e.CallID, status, n.At("SequenceNumber").Text())
	e.Direction = direction(n.At("Direction").Text())
	e.From, e.To = n.At("From").Text(), n.At("To").Text()
	e.StartedAt = n.At("StartTime").Or(n.At("CallInitiatedAt")).Time()
	e.AnsweredAt = n.At("AnsweredTime").Time()
	e.Codec = n.At("Codec").Text()

	stats := n.At("CallQualityStats")
	if parsed, err := lenient.ParseJSON([]byte(stats.Text())); err == nil {
		stats = parsed
	}
	e.Raw = normalizer.RawOf(n, []string{"CallQualityStats"}, map[string]lenient.Node{"CallQualityStats": stats})

	switch {
	case normalizer.EndedStatus(status):
		e.Kind, e.Status = call.Ended, status
		teXMLEnd(&e, n, stats)
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

// teXMLEnd takes what only the last callback has. An error code alone does
// not make a call failed.
func teXMLEnd(e *call.Event, n, stats lenient.Node) {
	if e.EndedAt = n.At("EndTime").Time(); e.EndedAt.IsZero() {
		e.EndedAt = e.OccurredAt
	}
	e.DurationSec = n.At("CallDuration").Number()
	cause(e, n.At("HangupCause"), n.At("HangupSource"), n.At("SipHangupCause"))
	e.ErrorCode, e.ErrorMessage = n.At("ErrorCode").Text(), n.At("ErrorMessage").Text()
	if n.At("RecordingUrl").Text() != "" {
		e.Recorded = new(true)
	}
	if stats.At("inbound").IsObject() || stats.At("outbound").IsObject() {
		quality(e, stats)
	} else {
		e.JitterMs = stats.At("jitter").Number()
		e.PacketLossPct = stats.At("packet_loss").Number()
		normalizer.AcceptMOS(e, stats.At("mos").Number())
	}
	e.Final = true // nothing follows that says how the call went: its quality is here or nowhere
}

// teXMLCost maps the cost of a call, in the member CallCost[<CallSid>]. A
// callback that has the cost of further calls gives an event for each. It names
// no currency.
func teXMLCost(n lenient.Node, e call.Event) ([]call.Event, error) {
	e.Kind = call.Report
	e.From, e.To = n.At("From").Text(), n.At("To").Text()
	e.Raw = normalizer.RawOf(n, nil, nil)
	costs := map[string]*float64{}
	for name, m := range n.Members() {
		if sid, ok := strings.CutPrefix(name, "CallCost["); ok && strings.HasSuffix(sid, "]") {
			costs[strings.TrimSuffix(sid, "]")] = m.Amount()
		}
	}
	for sid, m := range n.At("CallCost").Members() {
		costs[sid] = m.Amount()
	}
	sid := n.At("CallSid").Or(n.At("CallLegId")).Text()
	cost, ok := costs[sid]
	if !ok && len(costs) == 0 {
		cost = n.At("CallCost").Amount()
	}
	delete(costs, sid)
	e.Cost = cost
	e.ID = normalizer.JoinID("texml-cost", e.CallID, n.At("SequenceNumber").Or(n.At("Timestamp")).Text())
	events := []call.Event{e}
	for _, other := range slices.Sorted(maps.Keys(costs)) {
		if other == "" || costs[other] == nil || len(events) >= normalizer.MaxRecords {
			continue
		}
		o := call.Event{Identity: call.Identity{
			Kind: call.Report, CallID: other, ParentCallID: e.CallID, SessionID: e.SessionID, ConnectionID: e.ConnectionID, OccurredAt: e.OccurredAt,
		}}
		o.Cost, o.Raw = costs[other], maps.Clone(e.Raw)
		o.ID = normalizer.JoinID("texml-cost", other, n.At("SequenceNumber").Or(n.At("Timestamp")).Text())
		events = append(events, o)
	}
	return events, nil
}
