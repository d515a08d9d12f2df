package simulate

import (
	"net/url"
	"time"

	"callwatch/call"
	"callwatch/normalizer"
)

func butter() source {
	token := proof{byToken()}
	return source{
		name: "butter", weight: 2,
		generate: func(func(int) []byte, normalizer.Keys, normalizer.Keys) {}, // it cannot sign
		forms: []form{
			{"status", 4, token, []fault{unreachable, agentSlow, agentError}, tellStatus},
			{"twilio form", 1, token, []fault{unreachable}, tellStatus},
		},
		kinds: []string{
			"initiated", "ringing", "in-progress", "completed",
			"twilio initiated", "twilio ringing", "twilio in-progress", "twilio completed", "call record",
		},
	}
}

// butterCall is a call of a voice agent that is told by short callbacks.
type butterCall struct {
	*narrator
	sid    string
	twilio bool
}

func tellStatus(n *narrator) {
	c := &butterCall{narrator: n, sid: "call_" + n.hex(16), twilio: n.form == "twilio form"}
	if c.twilio {
		c.sid = "CA" + n.hex(32)
	}
	if n.odds(0.5) {
		c.status("initiated", n.started)
	}
	if !n.ringing.IsZero() {
		c.status("ringing", n.ringing)
	}
	if !n.answered.IsZero() {
		c.status("in-progress", n.answered)
	}
	c.status(c.last(), n.ended)
	if !c.twilio && !n.answered.IsZero() && (n.fault != none || n.odds(0.6)) {
		c.record()
	}
}

func (c *butterCall) last() string {
	if c.agentFails() {
		return call.Failed
	}
	return c.outcome
}

func (c *butterCall) status(status string, at time.Time) {
	kind := status
	if at.Equal(c.ended) {
		kind = "completed"
	}
	if c.twilio {
		c.twilioForm("twilio "+kind, status, at)
		return
	}
	body := object{
		"call_sid": c.sid, "status": status, "duration": nil, "timestamp": iso(at), "error_code": nil, "error_message": nil,
	}
	if at.Equal(c.ended) {
		body["duration"] = int(c.talkTime().Seconds())
		switch {
		case c.outcome == call.Failed:
			body["error_code"], body["error_message"] = c.sip, "the call could not be connected"
		case c.agentFails():
			body["error_code"], body["error_message"] = "LLM_TIMEOUT", c.word("the language model did not answer")
		}
	}
	c.json(webhook{kind: kind, callID: c.sid, at: at}, body)
}

// twilioForm is the callback of the carrier beneath, passed through.
func (c *butterCall) twilioForm(kind, status string, at time.Time) {
	v := url.Values{
		"CallSid": {c.sid}, "CallStatus": {status}, "From": {c.from}, "To": {c.to},
		"Direction": {c.direction("inbound", "outbound-api")}, "Timestamp": {at.Format(time.RFC1123Z)},
	}
	if at.Equal(c.ended) {
		v.Set("CallDuration", text(int(c.talkTime().Seconds())))
		v.Set("SipResponseCode", text(c.sip))
	}
	c.values(webhook{kind: kind, callID: c.sid, at: at}, v)
}

// record is the call of the REST API, as a poller relays it after the end.
func (c *butterCall) record() {
	secs := c.talkTime().Seconds()
	tokens, characters := 180*len(c.turns), 60*len(c.turns)
	o := object{
		"call_sid": c.sid, "trace_id": "trace_" + c.hex(12), "from_number": c.from, "to_number": c.to,
		"agent_id": "agent_" + c.agent.id, "agent_name": c.word(c.agent.name), "call_type": c.direction("inbound", "outbound"),
		"agent_config": object{"llm_model": "example-large", "tts_provider": "example", "stt_provider": "example", "speak_first": true},
		"status":       c.last(), "transport": c.pick("twilio", "sip", "webrtc"), "recording_enabled": false, "recording_url": nil,
		"duration_seconds": round(secs, 1), "turn_count": len(c.turns), "total_cost": round(secs/60*8, 2),
		"usage": object{
			"llm": object{"total_tokens": tokens, "input_tokens": tokens * 3 / 4, "output_tokens": tokens / 4},
			"tts": object{"total_characters": characters}, "stt": object{"total_duration_seconds": round(secs/2, 1)},
		},
		"summary": object{
			"end_reason": "tool_end_call", "interruptions": c.IntN(2), "avg_turn_duration": round(secs/float64(len(c.turns)), 1),
			"total_tokens": tokens, "total_characters": characters,
		},
		"errors": object{"error_count": 0, "has_fatal_errors": false, "errors": []object{}}, "turns": c.turnList(),
		"created_at": iso(c.started), "start_time": iso(c.answered), "end_time": iso(c.ended),
	}
	if c.agentFails() {
		o["errors"] = object{"error_count": 2, "has_fatal_errors": true, "errors": []object{
			{"type": "LLM_TIMEOUT", "message": c.word("the language model did not answer within 10 s")},
			{"type": "LLM_TIMEOUT", "message": "retry failed"},
		}}
	}
	c.json(webhook{kind: "call record", callID: c.sid, at: c.soon(2, 4)}, object{"success": true, "data": o})
}

func (c *butterCall) turnList() []object {
	var out []object
	for i, t := range c.turns {
		at := t.agentStarts.Sub(c.answered).Seconds()
		out = append(out, object{
			"turn_number": i + 1, "relative_start_time": round(t.userEnds.Sub(c.answered).Seconds(), 2),
			"relative_end_time": round(at+5, 2), "duration_seconds": 5,
			"events": []object{{
				"type": "assistant_response", "text": c.word(t.agent), "relative_time": round(at, 2),
				"metadata": object{
					"llm": object{"total_tokens": 180, "ttfb": round(t.llmMs/1000, 3)},
					"tts": object{"ttfb": round(t.ttsMs/1000, 3)}, "stt": object{"ttfb": round(t.sttMs/1000, 3)},
				},
			}},
		})
	}
	return out
}
