package atoms

import (
	"callwatch/call"
	"callwatch/normalizer"
	"callwatch/normalizer/lenient"
)

// report maps a call of a REST answer. One that is not over is progress, so
// that a late answer cannot undo its end.
func report(n lenient.Node, b *normalizer.Body) ([]call.Event, error) {
	var e call.Event
	if e.CallID = n.At("callId").Text(); e.CallID == "" {
		return nil, normalizer.UnknownBody(n, "the calls of Atoms")
	}
	e.ID = normalizer.RecordID(n)
	e.AgentID = n.At("agentId").Or(n.At("agent", "_id")).Or(n.At("agent")).Text()
	e.AgentName = n.At("agentName").Or(n.At("agent", "name")).Text()
	e.CampaignID = n.At("campaignId").Or(n.At("campaign", "_id")).Text()
	if test := n.At("isTest").Truth(); test != nil && *test {
		e.Tags = []string{"test"}
	}
	atomsType(&e, n.At("type"))
	e.Status = status(n.At("status"))
	e.From, e.To = n.At("from").Text(), n.At("to").Text()
	e.StartedAt = n.At("createdAt").Time()
	if e.DurationSec = n.At("duration").Amount(); e.DurationSec == nil {
		if ms := n.At("callDurationMs").Amount(); ms != nil {
			e.DurationSec = new(*ms / 1000)
		}
	}
	if n.At("recordingUrl").Text() != "" {
		e.Recorded = new(true)
	}
	end(&e, n)
	latency(&e, n)

	processed := n.At("turnLatencyMetrics").IsObject()
	unanswered := e.Status != "" && e.Status != call.Completed && e.Status != call.InProgress
	e.Final = unanswered || processed && e.Status == call.Completed
	if cost := n.At("callCost").Amount(); cost != nil && (*cost > 0 || e.Final) {
		e.Cost, e.CostCurrency = cost, "credits"
	}
	e.Kind = call.Report
	if e.Status == call.InProgress {
		e.Kind, e.DurationSec = call.Progress, nil
	}
	if b.Source != normalizer.Fetched && e.DurationSec != nil {
		e.OccurredAt = normalizer.SecondsAfter(e.StartedAt, *e.DurationSec) // of an old call, not of its import
	}
	e.Raw = normalizer.RawOf(n, bulky(), nil)
	return []call.Event{e}, nil
}

// end maps why the call ended. Who hung up follows from the reason and the
// direction: the agent is the caller of an outbound call.
func end(e *call.Event, n lenient.Node) {
	reason, failure := n.At("disconnectionReason").Text(), n.At("callFailureReason").Text()
	e.EndReason, e.HangupCause, e.ErrorMessage = reason, reason, failure
	if reason == "" {
		e.HangupCause = failure
	}
	switch lenient.FoldWord(reason) {
	case "user-hangup":
		e.HangupSource = normalizer.HungUpBy(false, e.Direction)
	case "agent-hangup":
		e.HangupSource = normalizer.HungUpBy(true, e.Direction)
	}
	if e.Status == call.Failed {
		e.FatalError = new(true)
	}
}

// latency maps the turn metrics, in ms, and the older averages.
func latency(e *call.Event, n lenient.Node) {
	m := n.At("turnLatencyMetrics")
	e.TurnCount = m.At("turns").Count()
	if e.TurnCount == nil {
		e.TurnCount = turns(n.At("transcript"))
	}
	var turns normalizer.Latencies
	for _, l := range m.At("latencies").List() {
		if v := l.Positive(); v != nil {
			turns = append(turns, *v)
			e.Turns = append(e.Turns, call.Turn{LatencyMs: v})
		}
	}
	e.TurnLatencyMs = m.At("avgLatency").Positive()
	if e.TurnLatencyMaxMs = m.At("maxLatency").Positive(); e.TurnLatencyMaxMs == nil {
		e.TurnLatencyMaxMs = turns.Longest()
	}
	count := int64(len(turns))
	if e.TurnCount != nil {
		count = max(count, *e.TurnCount)
	}
	switch {
	case len(turns) >= normalizer.MinP95Turns:
		e.TurnLatencyP95Ms = turns.P95()
	case count < normalizer.MinP95Turns:
		e.TurnLatencyP95Ms = e.TurnLatencyMaxMs
	}
	e.STTLatencyMs = average(n.At("average_transcriber_latency"))
	e.LLMLatencyMs = average(n.At("average_agent_latency"))
	e.TTSLatencyMs = average(n.At("average_synthesizer_latency"))
}

// average is one of the deprecated averages in ms. Their unit is told by
// size: below 30 they are seconds.
func average(n lenient.Node) *float64 {
	v := n.Positive()
	if v != nil && *v < 30 {
		return new(*v * 1000)
	}
	return v
}
