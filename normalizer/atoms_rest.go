package normalizer

import "callwatch/call"

// atomsReport maps a call of a REST answer. One that is not over is progress, so
// that a late answer cannot undo its end.
func atomsReport(n node, b *Body) ([]call.Event, error) {
	var e call.Event
	if e.CallID = n.at("callId").text(); e.CallID == "" {
		return nil, unknownBody(n, "the calls of Atoms")
	}
	e.ID = recordID(n)
	e.AgentID = n.at("agentId").or(n.at("agent", "_id")).or(n.at("agent")).text()
	e.AgentName = n.at("agentName").or(n.at("agent", "name")).text()
	e.CampaignID = n.at("campaignId").or(n.at("campaign", "_id")).text()
	if test := n.at("isTest").truth(); test != nil && *test {
		e.Tags = []string{"test"}
	}
	atomsType(&e, n.at("type"))
	e.Status = atomsStatus(n.at("status"))
	e.From, e.To = n.at("from").text(), n.at("to").text()
	e.StartedAt = n.at("createdAt").time()
	if e.DurationSec = n.at("duration").amount(); e.DurationSec == nil {
		if ms := n.at("callDurationMs").amount(); ms != nil {
			e.DurationSec = new(*ms / 1000)
		}
	}
	if n.at("recordingUrl").text() != "" {
		e.Recorded = new(true)
	}
	atomsEnd(&e, n)
	atomsLatency(&e, n)

	processed := n.at("turnLatencyMetrics").isObject()
	unanswered := e.Status != "" && e.Status != call.Completed && e.Status != call.InProgress
	e.Final = unanswered || processed && e.Status == call.Completed
	if cost := n.at("callCost").amount(); cost != nil && (*cost > 0 || e.Final) {
		e.Cost, e.CostCurrency = cost, "credits"
	}
	e.Kind = call.Report
	if e.Status == call.InProgress {
		e.Kind, e.DurationSec = call.Progress, nil
	}
	if b.Source != Fetched && e.DurationSec != nil {
		e.OccurredAt = secondsAfter(e.StartedAt, *e.DurationSec) // of an old call, not of its import
	}
	e.Raw = rawOf(n, atomsBulky(), nil)
	return []call.Event{e}, nil
}

// atomsEnd maps why the call ended. Who hung up follows from the reason and the
// direction: the agent is the caller of an outbound call.
func atomsEnd(e *call.Event, n node) {
	reason, failure := n.at("disconnectionReason").text(), n.at("callFailureReason").text()
	e.EndReason, e.HangupCause, e.ErrorMessage = reason, reason, failure
	if reason == "" {
		e.HangupCause = failure
	}
	switch foldWord(reason) {
	case "user-hangup":
		e.HangupSource = hungUpBy(false, e.Direction)
	case "agent-hangup":
		e.HangupSource = hungUpBy(true, e.Direction)
	}
	if e.Status == call.Failed {
		e.FatalError = new(true)
	}
}

// atomsLatency maps the turn metrics, in ms, and the older averages.
func atomsLatency(e *call.Event, n node) {
	m := n.at("turnLatencyMetrics")
	e.TurnCount = m.at("turns").count()
	if e.TurnCount == nil {
		e.TurnCount = atomsTurns(n.at("transcript"))
	}
	var turns latencies
	for _, l := range m.at("latencies").list() {
		if v := l.positive(); v != nil {
			turns = append(turns, *v)
		}
	}
	e.TurnLatencyMs = m.at("avgLatency").positive()
	if e.TurnLatencyMaxMs = m.at("maxLatency").positive(); e.TurnLatencyMaxMs == nil {
		e.TurnLatencyMaxMs = turns.longest()
	}
	count := int64(len(turns))
	if e.TurnCount != nil {
		count = max(count, *e.TurnCount)
	}
	switch {
	case len(turns) >= minP95Turns:
		e.TurnLatencyP95Ms = turns.p95()
	case count < minP95Turns:
		e.TurnLatencyP95Ms = e.TurnLatencyMaxMs
	}
	e.STTLatencyMs = atomsAverage(n.at("average_transcriber_latency"))
	e.LLMLatencyMs = atomsAverage(n.at("average_agent_latency"))
	e.TTSLatencyMs = atomsAverage(n.at("average_synthesizer_latency"))
}

// atomsAverage is one of the deprecated averages in ms. Their unit is told by
// size: below 30 they are seconds.
func atomsAverage(n node) *float64 {
	v := n.positive()
	if v != nil && *v < 30 {
		return new(*v * 1000)
	}
	return v
}
