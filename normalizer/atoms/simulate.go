package atoms

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"time"

	"callwatch/call"
	"callwatch/normalizer"
	"callwatch/normalizer/simulate"
)

const simulateAtomsSecret = "SIGNING_SECRET"

// Simulator renders the provider's traffic.
func Simulator() *simulate.Source {
	signed := simulate.Proof{byBody(), simulate.ByToken()}
	return &simulate.Source{
		Name: "atoms", Weight: 2,
		Generate: func(draw func(int) []byte, receive, _ normalizer.Keys) {
			receive[simulateAtomsSecret] = []string{hex.EncodeToString(draw(24))}
		},
		Forms: []simulate.Form{{Name: "conversation", Weight: 1, Proof: signed, Shows: []simulate.Fault{simulate.AgentSlow, simulate.AgentError}, Render: renderConversation}},
		Kinds: []string{"pre-conversation", "post-conversation", "analytics-completed", "call record"},
	}
}

// conversation is a call of a voice agent.
type conversation struct {
	*simulate.Renderer
	id string
}

func renderConversation(n *simulate.Renderer) {
	c := &conversation{Renderer: n, id: "CALL-" + simulate.Itoa(n.Started.UnixMilli()) + "-" + n.Hex(6)}
	begun := n.Answered
	if begun.IsZero() {
		begun = n.Started
	}
	c.webhook("pre-conversation", begun, simulate.Object{"toPhone": n.To, "fromPhone": n.From})
	c.post()
	if n.Answered.IsZero() {
		return
	}
	if n.Odds(0.7) {
		c.webhook("analytics-completed", n.Soon(2, 4), simulate.Object{
			"callData": c.callData(),
			"analytics": simulate.Object{"summary": n.Word("The caller moved an appointment."), "successMetrics": []simulate.Object{}, "dispositionMetrics": []simulate.Object{{
				"identifier": "appointment_moved", "value": n.Odds(0.8), "confidence": simulate.Round(n.Between(0.8, 1), 2),
				"reasoning": "The agent confirmed a new time.", "dispositionMetricPrompt": "Was the appointment moved?",
				"dispositionMetricType": "BOOLEAN",
			}}},
		})
	}
	// The latencies are to be had by REST only: a poller relays the record.
	if n.Fault != simulate.None || n.Odds(0.6) {
		c.record()
	}
}

func (c *conversation) webhook(kind string, at time.Time, members simulate.Object) {
	metadata := simulate.Object{
		"agentId": c.Agent.ID, "eventType": kind, "callId": c.id,
		"conversationType": c.Direction("telephonyInbound", "telephonyOutbound"),
	}
	for name, value := range members {
		metadata[name] = value
	}
	c.JSON(simulate.Webhook{Kind: kind, CallID: c.id, At: at}, simulate.Object{
		"url": "https://callwatch.example/webhooks/atoms", "description": c.Word("callwatch"),
		"event": c.Agent.ID + "." + kind, "metadata": metadata, "id": c.Hex(24),
	})
}

func (c *conversation) status() string {
	if c.AgentFails() {
		return call.Failed
	}
	return c.Outcome
}

func (c *conversation) callData() simulate.Object {
	return simulate.Object{
		"fromNumber": c.From, "toNumber": c.To, "callDuration": c.TalkTime().Seconds(), "callStatus": c.status(),
		"callDirection": c.Direction("telephony_inbound", "telephony_outbound"),
		"answerTime":    simulate.ISOOrNil(c.Answered), "endTime": simulate.ISO(c.Ended),
	}
}

func (c *conversation) post() {
	recording := ""
	if !c.Answered.IsZero() {
		recording = "https://recordings.example/" + c.id + ".wav"
	}
	c.webhook("post-conversation", c.Ended, simulate.Object{
		"recordingUrl": recording, "callData": c.callData(), "transcript": c.transcript(),
		"variables": simulate.Object{
			"call_id": c.id, "user_number": c.To, "agent_number": c.From, "default_language": "en", "supported_languages": "en",
			"conversation_type": c.Direction("telephonyInbound", "telephonyOutbound"), "timezone": "UTC",
			"current_date": c.Ended.Format(time.DateOnly), "current_day": c.Ended.Weekday().String(),
			"current_time": c.Ended.Format("15:04"), "customer_name": c.Word(c.CallerName),
		},
	})
}

func (c *conversation) transcript() []simulate.Object {
	lines := []simulate.Object{}
	for _, t := range c.Turns {
		lines = append(lines,
			simulate.Object{"role": "user", "content": c.Word(t.User), "timestamp": simulate.ISO(t.UserEnds)},
			simulate.Object{"role": "agent", "content": t.Agent, "timestamp": simulate.ISO(t.AgentStarts)})
	}
	return lines
}

func (c *conversation) record() {
	o := simulate.Object{
		"_id": c.Hex(24), "callId": c.id, "agent": simulate.Object{"_id": c.Agent.ID, "name": c.Agent.Name}, "status": c.status(),
		"duration": simulate.Round(c.TalkTime().Seconds(), 3), "type": c.Direction("telephony_inbound", "telephony_outbound"), "from": c.From, "to": c.To,
		"transcript": c.transcript(), "recordingUrl": "https://recordings.example/" + c.id + ".wav", "recordingDualUrl": "",
		"callCost": simulate.Round(c.TalkTime().Minutes()*6, 2), "disconnectionReason": c.Pick("user_hangup", "agent_hangup"),
		"createdAt": simulate.ISO(c.Started), "turnLatencyMetrics": c.latencies(),
		"average_transcriber_latency": c.average(func(t simulate.Turn) float64 { return t.STTMs }),
		"average_agent_latency":       c.average(func(t simulate.Turn) float64 { return t.LLMMs }),
		"average_synthesizer_latency": c.average(func(t simulate.Turn) float64 { return t.TTSMs }),
	}
	if c.AgentFails() {
		o["disconnectionReason"] = "system_error"
		o["callFailureReason"] = c.Word(c.Pick("language model timed out", "speech synthesis unavailable"))
	}
	c.JSON(simulate.Webhook{Kind: "call record", CallID: c.id, At: c.Soon(2, 4), Proof: simulate.Proof{simulate.ByToken(), byBody()}},
		simulate.Object{"status": true, "data": o})
}

func (c *conversation) average(of func(simulate.Turn) float64) float64 {
	sum := 0.0
	for _, t := range c.Turns {
		sum += of(t)
	}
	return simulate.Round(sum/float64(len(c.Turns)), 1)
}

func (c *conversation) latencies() simulate.Object {
	var all []float64
	var transitions []simulate.Object
	for i, t := range c.Turns {
		ms := simulate.Round(t.LatencyMs(), 0)
		all = append(all, ms)
		transitions = append(transitions, simulate.Object{
			"turn": i + 1, "user_end": t.UserEnds.UnixMilli(), "bot_start": t.AgentStarts.UnixMilli(), "latency": ms,
		})
	}
	sorted := slices.Sorted(slices.Values(all))
	return simulate.Object{
		"turns": len(all), "avgLatency": c.average(func(t simulate.Turn) float64 { return t.LatencyMs() }),
		"medianLatency": sorted[len(sorted)/2], "minLatency": sorted[0], "maxLatency": sorted[len(sorted)-1],
		"latencies": all, "transitions": transitions, "processedAt": simulate.ISO(c.Ended.Add(time.Second)),
	}
}

// byBody signs the body alone, in hex.
func byBody() simulate.Scheme {
	return simulate.Scheme{Setting: simulateAtomsSecret, Sign: func(key string, d *simulate.Draft) error {
		d.Header.Set("X-Signature", hex.EncodeToString(simulate.MAC(sha256.New, key, d.Body)))
		return nil
	}}
}
