package signalwire

import (
	"errors"
	"strings"
	"time"

	"callwatch/call"
	"callwatch/normalizer"
	"callwatch/normalizer/lenient"
)

// isSignalwireAI says whether a body comes from an AI agent: its end-of-call
// report, the request for a stored conversation, a call of a function, or debug
// output.
func isSignalwireAI(n lenient.Node) bool {
	if n.At("call_id").Text() == "" || n.At("event_type").Text() != "" {
		return false
	}
	disposition := n.At("content_disposition").Text()
	return n.At("ai_session_id").Text() != "" || disposition != "" && n.At("content_type").Text() != "" ||
		n.At("conversation_type").Text() != "" || n.At("action").Text() == "post_conversation"
}

// ai maps the end-of-call report (post_prompt) of an AI agent: the only
// body of SignalWire that tells how fast an agent answered. It is a report, as
// the call may go on after the agent left it. Its dates are in microseconds; an
// answer date of 0 means that nobody answered.
//
// Raw is the report less what was said: the figures of each reply are in times.
func ai(n lenient.Node) ([]call.Event, error) {
	if n.At("action").Text() != "post_conversation" {
		return nil, nil // a request that wants an answer of the application, or debug output
	}
	e := call.Event{Identity: call.Identity{
		Kind:      call.Report,
		CallID:    n.At("call_id").Text(),
		AgentName: n.At("app_name").Text(),
	}}
	if e.CallID == "" {
		return nil, errors.New("AI report names no call")
	}
	state := n.At("SWMLCall")
	e.Transport = transport(state.At("type").Text())
	if lenient.FoldWord(n.At("conversation_type").Text()) == call.Chat {
		e.Transport = call.Chat
	}
	e.Direction = direction(state.At("direction").Text())
	e.From = n.At("caller_id_number").Or(state.At("from")).Text()
	e.To = state.At("to").Text()

	e.StartedAt = n.At("call_start_date").Unix(time.Microsecond)
	e.AnsweredAt = n.At("call_answer_date").Unix(time.Microsecond)
	e.EndedAt = n.At("call_end_date").Unix(time.Microsecond)
	if answered := n.At("call_answer_date").Number(); answered != nil && *answered == 0 {
		e.Answered = new(false)
	}
	e.OccurredAt = normalizer.FirstTime(e.EndedAt, n.At("ai_end_date").Unix(time.Microsecond))
	e.ID = normalizer.JoinID("ai", e.CallID, n.At("ai_session_id").Text(), n.At("ai_end_date").Or(n.At("call_end_date")).Text())

	e.EndReason = n.At("call_ended_by").Text()
	if timeout := n.At("hard_timeout").Truth(); timeout != nil && *timeout {
		e.EndReason = "hard_timeout"
	}
	switch lenient.FoldWord(n.At("call_ended_by").Text()) {
	case "assistant", "agent", "ai":
		e.HangupSource = normalizer.HungUpBy(true, e.Direction)
	case "user", "caller", "human":
		e.HangupSource = normalizer.HungUpBy(false, e.Direction)
	}
	aiTurns(&e, n)
	if in, out := n.At("total_input_tokens").Count(), n.At("total_output_tokens").Count(); in != nil && out != nil {
		e.LLMTokens = new(*in + *out)
	}
	e.TTSChars = n.At("total_tts_chars").Count()
	e.Raw = normalizer.RawOf(n, aiBulky(), map[string]lenient.Node{"times": aiTimes(n)})
	return []call.Event{e}, nil
}

// aiTurns takes the agent's replies from the log. How long the caller
// waited is the time to the first audio, else to the first utterance, else to
// the model's answer; a 0 was not measured. A report whose log has no figures
// has those of times: the seconds that a reply took to produce.
func aiTurns(e *call.Event, n lenient.Node) {
	var waited, model normalizer.Latencies
	turns := int64(0)
	for _, entry := range n.At("call_log").List() {
		if lenient.FoldWord(entry.At("role").Text()) != "assistant" || entry.At("content").Text() == "" {
			continue // another's, or a call of a function that the caller did not hear
		}
		turns++
		var turn call.Turn
		for _, name := range []string{"audio_latency", "utterance_latency", "latency"} {
			if ms := entry.At(name).Positive(); ms != nil {
				turn.LatencyMs = ms
				waited = append(waited, *ms)
				break
			}
		}
		if ms := entry.At("latency").Positive(); ms != nil {
			turn.LLMMs = ms
			model = append(model, *ms)
		}
		e.Turns = append(e.Turns, turn)
	}
	var produced normalizer.Latencies
	for _, reply := range n.At("times").List() {
		if sec := reply.At("answer_time").Positive(); sec != nil {
			produced = append(produced, 1000**sec)
		}
	}
	if len(waited) == 0 {
		waited = produced
	}
	if len(model) == 0 {
		model = produced
	}
	if turns = max(turns, int64(len(n.At("times").List()))); turns > 0 {
		e.TurnCount = &turns
	}
	e.TurnLatencyMs, e.TurnLatencyP95Ms, e.TurnLatencyMaxMs = waited.Mean(), waited.P95(), waited.Longest()
	e.LLMLatencyMs = model.Mean()
}

// aiBulky are the members that raw goes without: what was said, what
// functions were given and answered, and what the application stored.
func aiBulky() []string {
	return []string{
		"call_log", "raw_call_log", "call_timeline", "previous_contexts", "swaig_log", "times",
		"global_data", "SWMLVars", "post_prompt_data", "conversation_summary", "caller_id_name",
	}
}

// aiTimes are the figures of each reply without its text.
func aiTimes(n lenient.Node) lenient.Node {
	var times []any
	for _, reply := range n.At("times").List() {
		if !reply.IsObject() {
			continue
		}
		figures := map[string]any{}
		for name, m := range reply.Members() {
			if m.Number() != nil && !strings.EqualFold(name, "response") {
				figures[name] = m.Value()
			}
		}
		times = append(times, figures)
	}
	if times == nil {
		return lenient.Node{}
	}
	return lenient.Of(times)
}
