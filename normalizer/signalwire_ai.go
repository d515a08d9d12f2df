package normalizer

import (
	"errors"
	"strings"
	"time"

	"callwatch/call"
)

// isSignalwireAI says whether a body comes from an AI agent: its end-of-call
// report, the request for a stored conversation, a call of a function, or debug
// output.
func isSignalwireAI(n node) bool {
	if n.at("call_id").text() == "" || n.at("event_type").text() != "" {
		return false
	}
	disposition := n.at("content_disposition").text()
	return n.at("ai_session_id").text() != "" || disposition != "" && n.at("content_type").text() != "" ||
		n.at("conversation_type").text() != "" || n.at("action").text() == "post_conversation"
}

// signalwireAI maps the end-of-call report (post_prompt) of an AI agent: the only
// body of SignalWire that tells how fast an agent answered. It is a report, as
// the call may go on after the agent left it. Its dates are in microseconds; an
// answer date of 0 means that nobody answered.
//
// Raw is the report less what was said: the figures of each reply are in times.
func signalwireAI(n node) ([]call.Event, error) {
	if n.at("action").text() != "post_conversation" {
		return nil, nil // a request that wants an answer of the application, or debug output
	}
	e := call.Event{Identity: call.Identity{
		Kind:      call.Report,
		CallID:    n.at("call_id").text(),
		AgentName: n.at("app_name").text(),
	}}
	if e.CallID == "" {
		return nil, errors.New("AI report names no call")
	}
	state := n.at("SWMLCall")
	e.Transport = signalwireTransport(state.at("type").text())
	if foldWord(n.at("conversation_type").text()) == call.Chat {
		e.Transport = call.Chat
	}
	e.Direction = signalwireDirection(state.at("direction").text())
	e.From = n.at("caller_id_number").or(state.at("from")).text()
	e.To = state.at("to").text()

	e.StartedAt = n.at("call_start_date").unix(time.Microsecond)
	e.AnsweredAt = n.at("call_answer_date").unix(time.Microsecond)
	e.EndedAt = n.at("call_end_date").unix(time.Microsecond)
	if answered := n.at("call_answer_date").number(); answered != nil && *answered == 0 {
		e.Answered = new(false)
	}
	e.OccurredAt = firstTime(e.EndedAt, n.at("ai_end_date").unix(time.Microsecond))
	e.ID = identified("ai", e.CallID, n.at("ai_session_id").text(), n.at("ai_end_date").or(n.at("call_end_date")).text())

	e.EndReason = n.at("call_ended_by").text()
	if timeout := n.at("hard_timeout").truth(); timeout != nil && *timeout {
		e.EndReason = "hard_timeout"
	}
	switch foldWord(n.at("call_ended_by").text()) {
	case "assistant", "agent", "ai":
		e.HangupSource = hungUpBy(true, e.Direction)
	case "user", "caller", "human":
		e.HangupSource = hungUpBy(false, e.Direction)
	}
	signalwireAITurns(&e, n)
	if in, out := n.at("total_input_tokens").count(), n.at("total_output_tokens").count(); in != nil && out != nil {
		e.LLMTokens = new(*in + *out)
	}
	e.TTSChars = n.at("total_tts_chars").count()
	e.Raw = rawOf(n, signalwireAIBulky(), map[string]node{"times": signalwireAITimes(n)})
	return []call.Event{e}, nil
}

// signalwireAITurns takes the agent's replies from the log. How long the caller
// waited is the time to the first audio, else to the first utterance, else to
// the model's answer; a 0 was not measured. A report whose log has no figures
// has those of times: the seconds that a reply took to produce.
func signalwireAITurns(e *call.Event, n node) {
	var waited, model latencies
	turns := int64(0)
	for _, entry := range n.at("call_log").list() {
		if foldWord(entry.at("role").text()) != "assistant" || entry.at("content").text() == "" {
			continue // another's, or a call of a function that the caller did not hear
		}
		turns++
		for _, name := range []string{"audio_latency", "utterance_latency", "latency"} {
			if ms := entry.at(name).positive(); ms != nil {
				waited = append(waited, *ms)
				break
			}
		}
		if ms := entry.at("latency").positive(); ms != nil {
			model = append(model, *ms)
		}
	}
	var produced latencies
	for _, reply := range n.at("times").list() {
		if sec := reply.at("answer_time").positive(); sec != nil {
			produced = append(produced, 1000**sec)
		}
	}
	if len(waited) == 0 {
		waited = produced
	}
	if len(model) == 0 {
		model = produced
	}
	if turns = max(turns, int64(len(n.at("times").list()))); turns > 0 {
		e.TurnCount = &turns
	}
	e.TurnLatencyMs, e.TurnLatencyP95Ms, e.TurnLatencyMaxMs = waited.mean(), waited.p95(), waited.longest()
	e.LLMLatencyMs = model.mean()
}

// signalwireAIBulky are the members that raw goes without: what was said, what
// functions were given and answered, and what the application stored.
func signalwireAIBulky() []string {
	return []string{
		"call_log", "raw_call_log", "call_timeline", "previous_contexts", "swaig_log", "times",
		"global_data", "SWMLVars", "post_prompt_data", "conversation_summary", "caller_id_name",
	}
}

// signalwireAITimes are the figures of each reply without its text.
func signalwireAITimes(n node) node {
	var times []any
	for _, reply := range n.at("times").list() {
		if !reply.isObject() {
			continue
		}
		figures := map[string]any{}
		for name, m := range reply.members() {
			if m.number() != nil && !strings.EqualFold(name, "response") {
				figures[name] = m.value()
			}
		}
		times = append(times, figures)
	}
	if times == nil {
		return node{}
	}
	return node{v: times}
}
