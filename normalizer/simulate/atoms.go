package simulate

import (
	"encoding/hex"
	"slices"
	"time"

	"callwatch/call"
	"callwatch/normalizer"
)

func atoms() source {
	signed := proof{byBody(), byToken()}
	return source{
		name: "atoms", weight: 2,
		generate: func(draw func(int) []byte, receive, _ normalizer.Keys) {
			receive[signingSecret] = []string{hex.EncodeToString(draw(24))}
		},
		forms: []form{{"conversation", 1, signed, []fault{agentSlow, agentError}, tellConversation}},
		kinds: []string{"pre-conversation", "post-conversation", "analytics-completed", "call record"},
	}
}

// conversation is a call of a voice agent.
type conversation struct {
	*narrator
	id string
}

func tellConversation(n *narrator) {
	c := &conversation{narrator: n, id: "CALL-" + text(n.started.UnixMilli()) + "-" + n.hex(6)}
	begun := n.answered
	if begun.IsZero() {
		begun = n.started
	}
	c.webhook("pre-conversation", begun, object{"toPhone": n.to, "fromPhone": n.from})
	c.post()
	if n.answered.IsZero() {
		return
	}
	if n.odds(0.7) {
		c.webhook("analytics-completed", n.soon(2, 4), object{
			"callData": c.callData(),
			"analytics": object{"summary": n.word("The caller moved an appointment."), "successMetrics": []object{}, "dispositionMetrics": []object{{
				"identifier": "appointment_moved", "value": n.odds(0.8), "confidence": round(n.between(0.8, 1), 2),
				"reasoning": "The agent confirmed a new time.", "dispositionMetricPrompt": "Was the appointment moved?",
				"dispositionMetricType": "BOOLEAN",
			}}},
		})
	}
	// The latencies are to be had by REST only: a poller relays the record.
	if n.fault != none || n.odds(0.6) {
		c.record()
	}
}

func (c *conversation) webhook(kind string, at time.Time, members object) {
	metadata := object{
		"agentId": c.agent.id, "eventType": kind, "callId": c.id,
		"conversationType": c.direction("telephonyInbound", "telephonyOutbound"),
	}
	for name, value := range members {
		metadata[name] = value
	}
	c.json(webhook{kind: kind, callID: c.id, at: at}, object{
		"url": "https://callwatch.example/webhooks/atoms", "description": c.word("callwatch"),
		"event": c.agent.id + "." + kind, "metadata": metadata, "id": c.hex(24),
	})
}

func (c *conversation) status() string {
	if c.agentFails() {
		return call.Failed
	}
	return c.outcome
}

func (c *conversation) callData() object {
	return object{
		"fromNumber": c.from, "toNumber": c.to, "callDuration": c.talkTime().Seconds(), "callStatus": c.status(),
		"callDirection": c.direction("telephony_inbound", "telephony_outbound"),
		"answerTime":    isoOrNil(c.answered), "endTime": iso(c.ended),
	}
}

func (c *conversation) post() {
	recording := ""
	if !c.answered.IsZero() {
		recording = "https://recordings.example/" + c.id + ".wav"
	}
	c.webhook("post-conversation", c.ended, object{
		"recordingUrl": recording, "callData": c.callData(), "transcript": c.transcript(),
		"variables": object{
			"call_id": c.id, "user_number": c.to, "agent_number": c.from, "default_language": "en", "supported_languages": "en",
			"conversation_type": c.direction("telephonyInbound", "telephonyOutbound"), "timezone": "UTC",
			"current_date": c.ended.Format(time.DateOnly), "current_day": c.ended.Weekday().String(),
			"current_time": c.ended.Format("15:04"), "customer_name": c.word(c.callerName),
		},
	})
}

func (c *conversation) transcript() []object {
	lines := []object{}
	for _, t := range c.turns {
		lines = append(lines,
			object{"role": "user", "content": c.word(t.user), "timestamp": iso(t.userEnds)},
			object{"role": "agent", "content": t.agent, "timestamp": iso(t.agentStarts)})
	}
	return lines
}

func (c *conversation) record() {
	o := object{
		"_id": c.hex(24), "callId": c.id, "agent": object{"_id": c.agent.id, "name": c.agent.name}, "status": c.status(),
		"duration": round(c.talkTime().Seconds(), 3), "type": c.direction("telephony_inbound", "telephony_outbound"), "from": c.from, "to": c.to,
		"transcript": c.transcript(), "recordingUrl": "https://recordings.example/" + c.id + ".wav", "recordingDualUrl": "",
		"callCost": round(c.talkTime().Minutes()*6, 2), "disconnectionReason": c.pick("user_hangup", "agent_hangup"),
		"createdAt": iso(c.started), "turnLatencyMetrics": c.latencies(),
		"average_transcriber_latency": c.average(func(t turn) float64 { return t.sttMs }),
		"average_agent_latency":       c.average(func(t turn) float64 { return t.llmMs }),
		"average_synthesizer_latency": c.average(func(t turn) float64 { return t.ttsMs }),
	}
	if c.agentFails() {
		o["disconnectionReason"] = "system_error"
		o["callFailureReason"] = c.word(c.pick("language model timed out", "speech synthesis unavailable"))
	}
	c.json(webhook{kind: "call record", callID: c.id, at: c.soon(2, 4), proof: proof{byToken(), byBody()}},
		object{"status": true, "data": o})
}

func (c *conversation) average(of func(turn) float64) float64 {
	sum := 0.0
	for _, t := range c.turns {
		sum += of(t)
	}
	return round(sum/float64(len(c.turns)), 1)
}

func (c *conversation) latencies() object {
	var all []float64
	var transitions []object
	for i, t := range c.turns {
		ms := round(t.latencyMs(), 0)
		all = append(all, ms)
		transitions = append(transitions, object{
			"turn": i + 1, "user_end": t.userEnds.UnixMilli(), "bot_start": t.agentStarts.UnixMilli(), "latency": ms,
		})
	}
	sorted := slices.Sorted(slices.Values(all))
	return object{
		"turns": len(all), "avgLatency": c.average(func(t turn) float64 { return t.latencyMs() }),
		"medianLatency": sorted[len(sorted)/2], "minLatency": sorted[0], "maxLatency": sorted[len(sorted)-1],
		"latencies": all, "transitions": transitions, "processedAt": iso(c.ended.Add(time.Second)),
	}
}
