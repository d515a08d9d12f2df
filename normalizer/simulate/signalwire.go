package simulate

import (
	"encoding/hex"
	"fmt"
	"net/url"
	"strings"
	"time"

	"callwatch/call"
	"callwatch/normalizer"
)

func signalwire() source {
	forms := proof{byURLAndForm(), byToken()}
	events := proof{byURLAndBody(), byToken()}
	return source{
		name: "signalwire", weight: 2,
		generate: func(draw func(int) []byte, receive, _ normalizer.Keys) {
			receive[signingKey] = []string{"PSK" + hex.EncodeToString(draw(16))}
		},
		forms: []form{
			{"cxml", 6, forms, []fault{lowMOS, oneWay, unreachable, slowSetup}, tellCXML},
			{"cxml json", 1, forms, []fault{lowMOS, oneWay, unreachable}, tellCXML},
			{"number callback", 1, forms, []fault{lowMOS}, tellNumberCallback},
			{"call state", 4, events, []fault{lowMOS, slowSetup}, tellCallState},
			{"call flow", 1, proof{byToken()}, nil, tellCallFlow},
		},
		kinds: []string{
			"cxml initiated", "cxml ringing", "cxml in-progress", "cxml completed", "cxml json completed",
			"number callback completed",
			"calling.call.state created", "calling.call.state ringing", "calling.call.state answered",
			"calling.call.state ended", "calling.call.connect", "voice log",
			"call flow ended",
		},
	}
}

// cxmlCall are the members that all status callbacks of a call share.
type cxmlCall struct {
	*narrator
	sid, account, name string
	sequence           int
}

func tellCXML(n *narrator) {
	c := &cxmlCall{narrator: n, sid: n.uuid(), account: n.uuid(), name: n.word(n.callerName)}
	if n.form == "cxml" && (n.odds(0.5) || n.fault == slowSetup) {
		c.progress()
	}
	c.completed()
}

// progress posts the callbacks of a subscription to every state. Their audio
// figures mean nothing yet.
func (c *cxmlCall) progress() {
	states := []struct {
		status string
		at     time.Time
	}{{"initiated", c.started}, {"ringing", c.ringing}, {"in-progress", c.answered}}
	for _, s := range states {
		if s.at.IsZero() {
			continue
		}
		v := c.common(s.status, s.at)
		v.Set("AudioInMos", "4.4")
		v.Set("AudioInMediaPacketCount", "0")
		c.values(webhook{kind: "cxml " + s.status, callID: c.sid, at: s.at}, v)
	}
}

func (c *cxmlCall) common(status string, at time.Time) url.Values {
	v := url.Values{
		"AccountSid": {c.account}, "ApiVersion": {"2010-04-01"}, "CallSid": {c.sid}, "CallStatus": {status},
		"CallbackSource": {"call-progress-events"}, "Direction": {c.direction("inbound", "outbound-api")},
		"From": {c.from}, "To": {c.to}, "Timestamp": {at.Format(time.RFC1123Z)}, "SequenceNumber": {text(c.sequence)},
	}
	if c.name != "" {
		v.Set("CallerName", c.name)
	}
	c.sequence++
	return v
}

func (c *cxmlCall) completed() {
	v := c.common(c.outcome, c.ended)
	if c.outbound {
		v.Set("SipResultCode", text(c.sip))
	}
	v.Set("HangupBy", c.pick(c.from, c.to))
	v.Set("HangupDirection", c.direction("inbound", "outbound"))
	if f := c.figures(); f != nil {
		v.Set("CallDuration", text(int(c.talkTime().Seconds())))
		f.cxml(v)
	}
	w := webhook{kind: c.form + " completed", callID: c.sid, at: c.ended}
	if c.form == "cxml json" {
		body := object{}
		for name := range v {
			body[name] = v.Get(name)
		}
		c.json(w, body)
		return
	}
	c.values(w, v)
}

func (f *figures) cxml(v url.Values) {
	for name, value := range map[string]string{
		"AudioInMos": decimal(f.mos), "AudioInMediaPacketCount": text(f.received), "AudioInDtmfPacketCount": "0",
		"AudioInSkipPacketCount": text(f.skipped), "AudioInFlushPacketCount": "0", "AudioInLargestJbSize": "0",
		"AudioInJitterMinVariance": decimal(f.minVariance), "AudioInJitterMaxVariance": decimal(f.maxVariance),
		"AudioInAveragePtime": "20.01", "AudioOutMediaPacketCount": text(f.sent), "AudioOutDtmfPacketCount": "0",
		"AudioOutLost": text(f.remoteLost),
	} {
		v.Set(name, value)
	}
}

// tellNumberCallback is the short callback that a telephone number can have of
// its own.
func tellNumberCallback(n *narrator) {
	sid := n.uuid()
	v := url.Values{
		"CallSid": {sid}, "AccountSid": {n.uuid()}, "From": {n.from}, "To": {n.to},
		"Timestamp": {n.ended.Format(time.RFC1123Z)}, "CallStatus": {"failed"}, "CallDuration": {"0"},
	}
	if f := n.figures(); f != nil {
		v.Set("CallStatus", call.Completed)
		v.Set("CallDuration", text(int(n.talkTime().Seconds())))
		v.Set("AudioInMos", decimal(f.mos))
	}
	n.values(webhook{kind: "number callback completed", callID: sid, at: n.ended}, v)
}

// stateCall are the members that all call-state events of a call share.
type stateCall struct {
	*narrator
	id, node, project, space string
}

func tellCallState(n *narrator) {
	c := &stateCall{narrator: n, id: n.uuid(), node: n.uuid() + "@us-east", project: n.uuid(), space: n.uuid()}
	if n.odds(0.5) || n.fault == slowSetup {
		c.state("created", n.started, nil)
		if !n.ringing.IsZero() {
			c.state("ringing", n.ringing, nil)
		}
		if !n.answered.IsZero() {
			c.state("answered", n.answered, nil)
		}
	}
	if n.odds(0.2) {
		c.event("calling.call.connect", n.started, object{"connect_state": "connecting", "call_id": c.id, "node_id": c.node})
	}
	end := object{"end_reason": c.endReason(), "end_source": n.pick("caller", "callee")}
	f := n.figures()
	if f != nil {
		end["audio_in_mos"] = decimal(f.mos)
	}
	c.state("ended", n.ended, end)
	if f != nil && n.odds(0.4) {
		c.voiceLog(f)
	}
}

func (c *stateCall) endReason() string {
	switch c.outcome {
	case call.Busy:
		return "busy"
	case call.NoAnswer:
		return c.pick("no_answer", "noAnswer")
	case call.Canceled:
		return "cancel"
	case call.Failed:
		return "error"
	default:
		return "hangup"
	}
}

func (c *stateCall) state(state string, at time.Time, more object) {
	params := object{
		"call_id": c.id, "node_id": c.node, "segment_id": c.id, "tag": c.word("front-desk"), "call_state": state,
		"direction": c.direction("inbound", "outbound"), "created_by": c.direction("receive", "dial"),
		"device":     object{"type": "phone", "params": object{"from_number": c.from, "to_number": c.to}},
		"start_time": millis(c.started),
	}
	if state == "answered" || state == "ended" {
		params["answer_time"] = millis(c.answered)
	}
	if state == "ended" {
		params["end_time"] = millis(c.ended)
	}
	for name, value := range more {
		params[name] = value
	}
	c.event("calling.call.state", at, params)
}

func (c *stateCall) event(kind string, at time.Time, params object) {
	w := webhook{kind: kind, callID: c.id, at: at}
	if state, ok := params["call_state"].(string); ok {
		w.kind += " " + state
	} else {
		w.expect = Ignored
	}
	c.json(w, object{
		"event_type": kind, "event_channel": "swml:" + c.node, "timestamp": float64(at.UnixMilli()) / 1000,
		"project_id": c.project, "space_id": c.space, "params": params,
	})
}

// voiceLog is the record of the REST API, as a poller relays it some time later.
func (c *stateCall) voiceLog(f *figures) {
	c.json(webhook{kind: "voice log", callID: c.id, at: c.soon(1, 3), proof: proof{byToken(), byURLAndBody()}}, object{
		"id": c.id, "type": "relay_pstn_call", "source": "realtime_api", "url": nil, "from": c.from, "to": c.to,
		"direction": c.direction("inbound", "outbound"), "status": "completed", "duration": int(c.talkTime().Seconds()),
		"duration_ms": c.talkTime().Milliseconds(), "billing_ms": c.talkTime().Milliseconds(), "parent_id": nil,
		"charge": round(c.talkTime().Minutes()*0.008, 4), "charge_details": []object{}, "created_at": iso(c.started),
		"audio_in_mos": decimal(f.mos), "audio_rtt_avg": int(c.path.rttMs), "audio_out_lost": f.remoteLost,
		"audio_in_media_packet_count": f.received, "audio_out_media_packet_count": f.sent,
	})
}

// tellCallFlow is the post of the Call Flow Builder: unsigned, about the
// outbound leg, its params as the text of a Python literal.
func tellCallFlow(n *narrator) {
	c := &stateCall{narrator: n, id: n.uuid()}
	params := fmt.Sprintf("{'call_id': %s, 'call_state': 'ended', 'direction': 'outbound', "+
		"'device': {'type': 'phone', 'params': {'from_number': %s, 'to_number': %s}}, 'parent': {'call_id': %s, 'device_type': 'phone'}, "+
		"'start_time': %d, 'answer_time': %d, 'end_time': %d, 'end_reason': %s, 'tag': %s, 'peer': None}",
		python(c.id), python(n.from), python(n.to), python(n.uuid()),
		millis(n.started), millis(n.answered), millis(n.ended), python(c.endReason()), python(n.word("flow")))
	c.json(webhook{kind: "call flow ended", callID: c.id, at: n.ended}, object{
		"event_type": "calling.call.state", "timestamp": float64(n.ended.UnixMilli()) / 1000, "params": params,
	})
}

// python writes a text as Python's repr does.
func python(s string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, "'", `\'`, "\n", `\n`, "\r", `\r`, "\t", `\t`, "\x00", `\x00`).Replace(s) + "'"
}
