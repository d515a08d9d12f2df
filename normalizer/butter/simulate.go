package butter

import (
	"net/url"
	"time"

	"callwatch/call"
	"callwatch/normalizer"
	"callwatch/normalizer/simulate"
)

// Simulator renders the provider's traffic.
func Simulator() *simulate.Source {
	token := simulate.Proof{simulate.ByToken()}
	return &simulate.Source{
		Name: "butter", Weight: 2,
		Generate: func(func(int) []byte, normalizer.Keys, normalizer.Keys) {}, // it cannot sign
		Forms: []simulate.Form{
			{Name: "status", Weight: 4, Proof: token, Shows: []simulate.Fault{simulate.Unreachable, simulate.AgentSlow, simulate.AgentError}, Render: renderStatus},
			{Name: "twilio form", Weight: 1, Proof: token, Shows: []simulate.Fault{simulate.Unreachable}, Render: renderStatus},
		},
		Kinds: []string{
			"initiated", "ringing", "in-progress", "completed",
			"twilio initiated", "twilio ringing", "twilio in-progress", "twilio completed", "call record",
		},
	}
}

// statusCall is a call of a voice agent that is told by short callbacks.
type statusCall struct {
	*simulate.Renderer
	sid    string
	twilio bool
}

func renderStatus(n *simulate.Renderer) {
	c := &statusCall{Renderer: n, sid: "call_" + n.Hex(16), twilio: n.Form == "twilio form"}
	if c.twilio {
		c.sid = "CA" + n.Hex(32)
	}
	if n.Odds(0.5) {
		c.status("initiated", n.Started)
	}
	if !n.Ringing.IsZero() {
		c.status("ringing", n.Ringing)
	}
	if !n.Answered.IsZero() {
		c.status("in-progress", n.Answered)
	}
	c.status(c.last(), n.Ended)
	if !c.twilio && !n.Answered.IsZero() && (n.Fault != simulate.None || n.Odds(0.6)) {
		c.record()
	}
}

func (c *statusCall) last() string {
	if c.AgentFails() {
		return call.Failed
	}
	return c.Outcome
}

func (c *statusCall) status(status string, at time.Time) {
	kind := status
	if at.Equal(c.Ended) {
		kind = "completed"
	}
	if c.twilio {
		c.twilioForm("twilio "+kind, status, at)
		return
	}
	body := simulate.Object{
		"call_sid": c.sid, "status": status, "duration": nil, "timestamp": simulate.ISO(at), "error_code": nil, "error_message": nil,
	}
	if at.Equal(c.Ended) {
		body["duration"] = int(c.TalkTime().Seconds())
		switch {
		case c.Outcome == call.Failed:
			body["error_code"], body["error_message"] = c.SIPCode, "the call could not be connected"
		case c.AgentFails():
			body["error_code"], body["error_message"] = "LLM_TIMEOUT", c.Word("the language model did not answer")
		}
	}
	c.JSON(simulate.Webhook{Kind: kind, CallID: c.sid, At: at}, body)
}

// twilioForm is the callback of the carrier beneath, passed through.
func (c *statusCall) twilioForm(kind, status string, at time.Time) {
	v := url.Values{
		"CallSid": {c.sid}, "CallStatus": {status}, "From": {c.From}, "To": {c.To},
		"Direction": {c.Direction("inbound", "outbound-api")}, "Timestamp": {at.Format(time.RFC1123Z)},
	}
	if at.Equal(c.Ended) {
		v.Set("CallDuration", simulate.Itoa(int(c.TalkTime().Seconds())))
		v.Set("SipResponseCode", simulate.Itoa(c.SIPCode))
	}
	c.Values(simulate.Webhook{Kind: kind, CallID: c.sid, At: at}, v)
}

// record is the call of the REST API, as a poller relays it after the end.
func (c *statusCall) record() {
	secs := c.TalkTime().Seconds()
	tokens, characters := 180*len(c.Turns), 60*len(c.Turns)
	o := simulate.Object{
		"call_sid": c.sid, "trace_id": "trace_" + c.Hex(12), "from_number": c.From, "to_number": c.To,
		"agent_id": "agent_" + c.Agent.ID, "agent_name": c.Word(c.Agent.Name), "call_type": c.Direction("inbound", "outbound"),
		"agent_config": simulate.Object{"llm_model": "example-large", "tts_provider": "example", "stt_provider": "example", "speak_first": true},
		"status":       c.last(), "transport": c.Pick("twilio", "sip", "webrtc"), "recording_enabled": false, "recording_url": nil,
		"duration_seconds": simulate.Round(secs, 1), "turn_count": len(c.Turns), "total_cost": simulate.Round(secs/60*8, 2),
		"usage": simulate.Object{
			"llm": simulate.Object{"total_tokens": tokens, "input_tokens": tokens * 3 / 4, "output_tokens": tokens / 4},
			"tts": simulate.Object{"total_characters": characters}, "stt": simulate.Object{"total_duration_seconds": simulate.Round(secs/2, 1)},
		},
		"summary": simulate.Object{
			"end_reason": "tool_end_call", "interruptions": c.IntN(2), "avg_turn_duration": simulate.Round(secs/float64(len(c.Turns)), 1),
			"total_tokens": tokens, "total_characters": characters,
		},
		"errors": simulate.Object{"error_count": 0, "has_fatal_errors": false, "errors": []simulate.Object{}}, "turns": c.turnList(),
		"created_at": simulate.ISO(c.Started), "start_time": simulate.ISO(c.Answered), "end_time": simulate.ISO(c.Ended),
	}
	if c.AgentFails() {
		o["errors"] = simulate.Object{"error_count": 2, "has_fatal_errors": true, "errors": []simulate.Object{
			{"type": "LLM_TIMEOUT", "message": c.Word("the language model did not answer within 10 s")},
			{"type": "LLM_TIMEOUT", "message": "retry failed"},
		}}
	}
	c.JSON(simulate.Webhook{Kind: "call record", CallID: c.sid, At: c.Soon(2, 4)}, simulate.Object{"success": true, "data": o})
}

func (c *statusCall) turnList() []simulate.Object {
	var out []simulate.Object
	for i, t := range c.Turns {
		at := t.AgentStarts.Sub(c.Answered).Seconds()
		out = append(out, simulate.Object{
			"turn_number": i + 1, "relative_start_time": simulate.Round(t.UserEnds.Sub(c.Answered).Seconds(), 2),
			"relative_end_time": simulate.Round(at+5, 2), "duration_seconds": 5,
			"events": []simulate.Object{{
				"type": "assistant_response", "text": c.Word(t.Agent), "relative_time": simulate.Round(at, 2),
				"metadata": simulate.Object{
					"llm": simulate.Object{"total_tokens": 180, "ttfb": simulate.Round(t.LLMMs/1000, 3)},
					"tts": simulate.Object{"ttfb": simulate.Round(t.TTSMs/1000, 3)}, "stt": simulate.Object{"ttfb": simulate.Round(t.STTMs/1000, 3)},
				},
			}},
		})
	}
	return out
}
