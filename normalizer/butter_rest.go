package normalizer

import "callwatch/call"

// butterReport maps the call of a REST answer. One that is not over is progress,
// so that a late answer cannot undo its end.
func butterReport(n node) ([]call.Event, error) {
	var e call.Event
	e.CallID = n.at("call_sid").text()
	e.ID = recordID(n)
	e.AgentID, e.AgentName = n.at("agent_id").text(), n.at("agent_name").text()
	e.From, e.To = n.at("from_number").text(), n.at("to_number").text()
	switch typ := foldWord(n.at("call_type").text()); typ {
	case call.Inbound, call.Outbound:
		e.Direction = typ
	case "preview":
		e.Tags = []string{typ}
	}
	switch carrier := foldWord(n.at("transport").text()); carrier {
	case "twilio":
		e.Transport = call.PSTN
	case call.SIP, call.WebRTC:
		e.Transport = carrier
	}
	e.Status = butterStatus(n.at("status"))
	e.StartedAt = n.at("start_time").or(n.at("created_at")).time()
	e.EndedAt = n.at("end_time").time()
	e.DurationSec = n.at("duration_seconds").amount()
	e.EndReason = n.at("summary", "end_reason").text()
	e.HangupCause = e.EndReason
	e.Recorded = butterRecorded(n)
	butterAgent(&e, n)
	butterErrors(&e, n.at("errors"))

	e.Kind = call.Report
	if e.Status == call.InProgress && e.EndedAt.IsZero() {
		e.Kind, e.DurationSec = call.Progress, nil
	}
	e.Final = e.Status != "" && e.Status != call.InProgress && !e.EndedAt.IsZero()
	if cost := n.at("total_cost").amount(); cost != nil && (*cost > 0 || e.Final) {
		e.Cost, e.CostCurrency = cost, "credits"
	}
	e.Raw = rawOf(n, []string{"transcript"}, nil)
	if turns := n.at("turns"); turns.isList() {
		e.Raw["turns"] = withoutTexts(turns)
	}
	return []call.Event{e}, nil
}

// butterRecorded is unknown while recording is on and no recording is there yet.
func butterRecorded(n node) *bool {
	on := n.at("recording_enabled").truth()
	if on != nil && *on && n.at("recording_url").text() == "" {
		return nil
	}
	return on
}

// butterErrors maps the errors of a call; the shape of the single ones is not
// documented.
func butterErrors(e *call.Event, errs node) {
	e.ErrorCount = errs.at("error_count").count()
	e.FatalError = errs.at("has_fatal_errors").truth()
	if list := errs.at("errors").list(); len(list) > 0 {
		e.ErrorCode = list[0].at("code").or(list[0].at("type")).text()
		e.ErrorMessage = list[0].at("message").or(list[0]).text()
	}
}

// butterAgent maps turns, latencies and usage. A turn's latency is the sum of
// the times to first byte of its first answer: a lower bound. How long turns
// last (summary.avg_turn_duration) is no latency.
func butterAgent(e *call.Event, n node) {
	var turns latencies
	stages := map[string]latencies{}
	for _, turn := range n.at("turns").list() {
		answered := false
		for _, event := range turn.at("events").list() {
			sum := 0.0
			for _, stage := range butterStages() {
				if v := event.at("metadata", stage, "ttfb").positive(); v != nil {
					stages[stage] = append(stages[stage], 1000**v)
					sum += 1000 * *v
				}
			}
			if !answered && sum > 0 && foldWord(event.at("type").text()) == "assistant-response" {
				answered = true
				turns = append(turns, sum)
			}
		}
	}
	e.TurnLatencyMs, e.TurnLatencyP95Ms, e.TurnLatencyMaxMs = turns.mean(), turns.p95(), turns.longest()
	e.STTLatencyMs, e.LLMLatencyMs, e.TTSLatencyMs = stages["stt"].mean(), stages["llm"].mean(), stages["tts"].mean()
	e.TurnCount = n.at("turn_count").count()
	e.Interruptions = n.at("summary", "interruptions").count()
	e.LLMTokens = n.at("usage", "llm", "total_tokens").or(n.at("summary", "total_tokens")).count()
	e.TTSChars = n.at("usage", "tts", "total_characters").or(n.at("summary", "total_characters")).count()
}

// butterStages are the steps of an answer that report a time to first byte.
func butterStages() []string { return []string{"stt", "llm", "tts"} }

// withoutTexts is the turns less what was said: times, kinds of events and the
// figures of each step remain.
func withoutTexts(turns node) []any {
	out := []any{}
	for _, turn := range turns.list() {
		t := members(turn, "turn_number", "relative_start_time", "relative_end_time", "duration_seconds")
		events := []any{}
		for _, event := range turn.at("events").list() {
			kept := members(event, "type", "relative_time")
			kept["metadata"] = members(event.at("metadata"), butterStages()...)
			events = append(events, kept)
		}
		t["events"] = events
		out = append(out, t)
	}
	return out
}

// members is an object reduced to the named members.
func members(n node, names ...string) map[string]any {
	out := map[string]any{}
	for _, name := range names {
		if m := n.at(name); !m.isNull() {
			out[name] = m.value()
		}
	}
	return out
}
