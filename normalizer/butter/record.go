package butter

import (
	"callwatch/call"
	"callwatch/normalizer"
	"callwatch/normalizer/lenient"
)

// report maps the call of a REST answer. One that is not over is progress,
// so that a late answer cannot undo its end.
func report(n lenient.Node) ([]call.Event, error) {
	var e call.Event
	e.CallID = n.At("call_sid").Text()
	e.ID = normalizer.RecordID(n)
	e.AgentID, e.AgentName = n.At("agent_id").Text(), n.At("agent_name").Text()
	e.From, e.To = n.At("from_number").Text(), n.At("to_number").Text()
	switch typ := lenient.FoldWord(n.At("call_type").Text()); typ {
	case call.Inbound, call.Outbound:
		e.Direction = typ
	case "preview":
		e.Tags = []string{typ}
	}
	switch carrier := lenient.FoldWord(n.At("transport").Text()); carrier {
	case "twilio":
		e.Transport = call.PSTN
	case call.SIP, call.WebRTC:
		e.Transport = carrier
	}
	e.Status = butterStatus(n.At("status"))
	e.StartedAt = n.At("start_time").Or(n.At("created_at")).Time()
	e.EndedAt = n.At("end_time").Time()
	e.DurationSec = n.At("duration_seconds").Amount()
	e.EndReason = n.At("summary", "end_reason").Text()
	e.HangupCause = e.EndReason
	e.Recorded = recorded(n)
	agent(&e, n)
	reportErrors(&e, n.At("errors"))

	e.Kind = call.Report
	if e.Status == call.InProgress && e.EndedAt.IsZero() {
		e.Kind, e.DurationSec = call.Progress, nil
	}
	e.Final = e.Status != "" && e.Status != call.InProgress && !e.EndedAt.IsZero()
	if cost := n.At("total_cost").Amount(); cost != nil && (*cost > 0 || e.Final) {
		e.Cost, e.CostCurrency = cost, "credits"
	}
	e.Raw = normalizer.RawOf(n, []string{"transcript"}, nil)
	if turns := n.At("turns"); turns.IsList() {
		e.Raw["turns"] = withoutTexts(turns)
	}
	return []call.Event{e}, nil
}

// recorded is unknown while recording is on and no recording is there yet.
func recorded(n lenient.Node) *bool {
	on := n.At("recording_enabled").Truth()
	if on != nil && *on && n.At("recording_url").Text() == "" {
		return nil
	}
	return on
}

// reportErrors maps the errors of a call; the shape of the single ones is not
// documented.
func reportErrors(e *call.Event, errs lenient.Node) {
	e.ErrorCount = errs.At("error_count").Count()
	e.FatalError = errs.At("has_fatal_errors").Truth()
	if list := errs.At("errors").List(); len(list) > 0 {
		e.ErrorCode = list[0].At("code").Or(list[0].At("type")).Text()
		e.ErrorMessage = list[0].At("message").Or(list[0]).Text()
	}
}

// agent maps turns, latencies and usage. A turn's latency is the sum of
// the times to first byte of its first answer: a lower bound. How long turns
// last (summary.avg_turn_duration) is no latency.
func agent(e *call.Event, n lenient.Node) {
	var turns normalizer.Latencies
	stages := map[string]normalizer.Latencies{}
	for _, turn := range n.At("turns").List() {
		answered := false
		for _, event := range turn.At("events").List() {
			sum := 0.0
			var answer call.Turn
			into := []**float64{&answer.STTMs, &answer.LLMMs, &answer.TTSMs}
			for i, stage := range butterStages() {
				if v := event.At("metadata", stage, "ttfb").Positive(); v != nil {
					*into[i] = new(1000 * *v)
					stages[stage] = append(stages[stage], 1000**v)
					sum += 1000 * *v
				}
			}
			if !answered && sum > 0 && lenient.FoldWord(event.At("type").Text()) == "assistant-response" {
				answered = true
				turns = append(turns, sum)
				answer.LatencyMs = &sum
				e.Turns = append(e.Turns, answer)
			}
		}
	}
	e.TurnLatencyMs, e.TurnLatencyP95Ms, e.TurnLatencyMaxMs = turns.Mean(), turns.P95(), turns.Longest()
	e.STTLatencyMs, e.LLMLatencyMs, e.TTSLatencyMs = stages["stt"].Mean(), stages["llm"].Mean(), stages["tts"].Mean()
	e.TurnCount = n.At("turn_count").Count()
	e.Interruptions = n.At("summary", "interruptions").Count()
	e.LLMTokens = n.At("usage", "llm", "total_tokens").Or(n.At("summary", "total_tokens")).Count()
	e.TTSChars = n.At("usage", "tts", "total_characters").Or(n.At("summary", "total_characters")).Count()
}

// butterStages are the steps of an answer that report a time to first byte.
func butterStages() []string { return []string{"stt", "llm", "tts"} }

// withoutTexts is the turns less what was said: times, kinds of events and the
// figures of each step remain.
func withoutTexts(turns lenient.Node) []any {
	out := []any{}
	for _, turn := range turns.List() {
		t := members(turn, "turn_number", "relative_start_time", "relative_end_time", "duration_seconds")
		events := []any{}
		for _, event := range turn.At("events").List() {
			kept := members(event, "type", "relative_time")
			kept["metadata"] = members(event.At("metadata"), butterStages()...)
			events = append(events, kept)
		}
		t["events"] = events
		out = append(out, t)
	}
	return out
}

// members is an object reduced to the named members.
func members(n lenient.Node, names ...string) map[string]any {
	out := map[string]any{}
	for _, name := range names {
		if m := n.At(name); !m.IsNull() {
			out[name] = m.Value()
		}
	}
	return out
}
