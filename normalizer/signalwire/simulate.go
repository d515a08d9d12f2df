package signalwire

import (
	"crypto/sha1"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/url"
	"strings"
	"time"

	"callwatch/call"
	"callwatch/normalizer"
	"callwatch/normalizer/simulate"
)

const simulateSignalwireKey = "SIGNING_KEY"

// Simulator renders the provider's traffic.
func Simulator() *simulate.Source {
	forms := simulate.Proof{byURLAndForm(), simulate.ByToken()}
	events := simulate.Proof{byURLAndBody(), simulate.ByToken()}
	return &simulate.Source{
		Name: "signalwire", Weight: 2,
		Generate: func(draw func(int) []byte, receive, _ normalizer.Keys) {
			receive[simulateSignalwireKey] = []string{"PSK" + hex.EncodeToString(draw(16))}
		},
		Forms: []simulate.Form{
			{Name: "cxml", Weight: 6, Proof: forms, Shows: []simulate.Fault{simulate.LowMOS, simulate.OneWay, simulate.Unreachable, simulate.SlowSetup}, Render: renderCXML},
			{Name: "cxml json", Weight: 1, Proof: forms, Shows: []simulate.Fault{simulate.LowMOS, simulate.OneWay, simulate.Unreachable}, Render: renderCXML},
			{Name: "number callback", Weight: 1, Proof: forms, Shows: []simulate.Fault{simulate.LowMOS}, Render: tellNumberCallback},
			{Name: "call state", Weight: 4, Proof: events, Shows: []simulate.Fault{simulate.LowMOS, simulate.SlowSetup}, Render: renderCallState},
			{Name: "call flow", Weight: 1, Proof: simulate.Proof{simulate.ByToken()}, Shows: nil, Render: renderCallFlow},
		},
		Kinds: []string{
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
	*simulate.Renderer
	sid, account, name string
	sequence           int
}

func renderCXML(n *simulate.Renderer) {
	c := &cxmlCall{Renderer: n, sid: n.UUID(), account: n.UUID(), name: n.Word(n.CallerName)}
	if n.Form == "cxml" && (n.Odds(0.5) || n.Fault == simulate.SlowSetup) {
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
	}{{"initiated", c.Started}, {"ringing", c.Ringing}, {"in-progress", c.Answered}}
	for _, s := range states {
		if s.at.IsZero() {
			continue
		}
		v := c.common(s.status, s.at)
		v.Set("AudioInMos", "4.4")
		v.Set("AudioInMediaPacketCount", "0")
		c.Values(simulate.Webhook{Kind: "cxml " + s.status, CallID: c.sid, At: s.at}, v)
	}
}

func (c *cxmlCall) common(status string, at time.Time) url.Values {
	v := url.Values{
		"AccountSid": {c.account}, "ApiVersion": {"2010-04-01"}, "CallSid": {c.sid}, "CallStatus": {status},
		"CallbackSource": {"call-progress-events"}, "Direction": {c.Direction("inbound", "outbound-api")},
		"From": {c.From}, "To": {c.To}, "Timestamp": {at.Format(time.RFC1123Z)}, "SequenceNumber": {simulate.Itoa(c.sequence)},
	}
	if c.name != "" {
		v.Set("CallerName", c.name)
	}
	c.sequence++
	return v
}

func (c *cxmlCall) completed() {
	v := c.common(c.Outcome, c.Ended)
	if c.Outbound {
		v.Set("SipResultCode", simulate.Itoa(c.SIPCode))
	}
	v.Set("HangupBy", c.Pick(c.From, c.To))
	v.Set("HangupDirection", c.Direction("inbound", "outbound"))
	if f := c.Figures(); f != nil {
		v.Set("CallDuration", simulate.Itoa(int(c.TalkTime().Seconds())))
		cxmlFigures(f, v)
	}
	w := simulate.Webhook{Kind: c.Form + " completed", CallID: c.sid, At: c.Ended}
	if c.Form == "cxml json" {
		body := simulate.Object{}
		for name := range v {
			body[name] = v.Get(name)
		}
		c.JSON(w, body)
		return
	}
	c.Values(w, v)
}

func cxmlFigures(f *simulate.Figures, v url.Values) {
	for name, value := range map[string]string{
		"AudioInMos": simulate.Decimal(f.Mos), "AudioInMediaPacketCount": simulate.Itoa(f.Received), "AudioInDtmfPacketCount": "0",
		"AudioInSkipPacketCount": simulate.Itoa(f.Skipped), "AudioInFlushPacketCount": "0", "AudioInLargestJbSize": "0",
		"AudioInJitterMinVariance": simulate.Decimal(f.MinVariance), "AudioInJitterMaxVariance": simulate.Decimal(f.MaxVariance),
		"AudioInAveragePtime": "20.01", "AudioOutMediaPacketCount": simulate.Itoa(f.Sent), "AudioOutDtmfPacketCount": "0",
		"AudioOutLost": simulate.Itoa(f.RemoteLost),
	} {
		v.Set(name, value)
	}
}

// tellNumberCallback is the short callback that a telephone number can have of
// its own.
func tellNumberCallback(n *simulate.Renderer) {
	sid := n.UUID()
	v := url.Values{
		"CallSid": {sid}, "AccountSid": {n.UUID()}, "From": {n.From}, "To": {n.To},
		"Timestamp": {n.Ended.Format(time.RFC1123Z)}, "CallStatus": {"failed"}, "CallDuration": {"0"},
	}
	if f := n.Figures(); f != nil {
		v.Set("CallStatus", call.Completed)
		v.Set("CallDuration", simulate.Itoa(int(n.TalkTime().Seconds())))
		v.Set("AudioInMos", simulate.Decimal(f.Mos))
	}
	n.Values(simulate.Webhook{Kind: "number callback completed", CallID: sid, At: n.Ended}, v)
}

// stateCall are the members that all call-state events of a call share.
type stateCall struct {
	*simulate.Renderer
	id, node, project, space string
}

func renderCallState(n *simulate.Renderer) {
	c := &stateCall{Renderer: n, id: n.UUID(), node: n.UUID() + "@us-east", project: n.UUID(), space: n.UUID()}
	if n.Odds(0.5) || n.Fault == simulate.SlowSetup {
		c.state("created", n.Started, nil)
		if !n.Ringing.IsZero() {
			c.state("ringing", n.Ringing, nil)
		}
		if !n.Answered.IsZero() {
			c.state("answered", n.Answered, nil)
		}
	}
	if n.Odds(0.2) {
		c.event("calling.call.connect", n.Started, simulate.Object{"connect_state": "connecting", "call_id": c.id, "node_id": c.node})
	}
	end := simulate.Object{"end_reason": c.endReason(), "end_source": n.Pick("caller", "callee")}
	f := n.Figures()
	if f != nil {
		end["audio_in_mos"] = simulate.Decimal(f.Mos)
	}
	c.state("ended", n.Ended, end)
	if f != nil && n.Odds(0.4) {
		c.voiceLog(f)
	}
}

func (c *stateCall) endReason() string {
	switch c.Outcome {
	case call.Busy:
		return "busy"
	case call.NoAnswer:
		return c.Pick("no_answer", "noAnswer")
	case call.Canceled:
		return "cancel"
	case call.Failed:
		return "error"
	default:
		return "hangup"
	}
}

func (c *stateCall) state(state string, at time.Time, more simulate.Object) {
	params := simulate.Object{
		"call_id": c.id, "node_id": c.node, "segment_id": c.id, "tag": c.Word("front-desk"), "call_state": state,
		"direction": c.Direction("inbound", "outbound"), "created_by": c.Direction("receive", "dial"),
		"device":     simulate.Object{"type": "phone", "params": simulate.Object{"from_number": c.From, "to_number": c.To}},
		"start_time": simulate.Millis(c.Started),
	}
	if state == "answered" || state == "ended" {
		params["answer_time"] = simulate.Millis(c.Answered)
	}
	if state == "ended" {
		params["end_time"] = simulate.Millis(c.Ended)
	}
	for name, value := range more {
		params[name] = value
	}
	c.event("calling.call.state", at, params)
}

func (c *stateCall) event(kind string, at time.Time, params simulate.Object) {
	w := simulate.Webhook{Kind: kind, CallID: c.id, At: at}
	if state, ok := params["call_state"].(string); ok {
		w.Kind += " " + state
	} else {
		w.Expect = simulate.Ignored
	}
	c.JSON(w, simulate.Object{
		"event_type": kind, "event_channel": "swml:" + c.node, "timestamp": float64(at.UnixMilli()) / 1000,
		"project_id": c.project, "space_id": c.space, "params": params,
	})
}

// voiceLog is the record of the REST API, as a poller relays it some time later.
func (c *stateCall) voiceLog(f *simulate.Figures) {
	c.JSON(simulate.Webhook{Kind: "voice log", CallID: c.id, At: c.Soon(1, 3), Proof: simulate.Proof{simulate.ByToken(), byURLAndBody()}}, simulate.Object{
		"id": c.id, "type": "relay_pstn_call", "source": "realtime_api", "url": nil, "from": c.From, "to": c.To,
		"direction": c.Direction("inbound", "outbound"), "status": "completed", "duration": int(c.TalkTime().Seconds()),
		"duration_ms": c.TalkTime().Milliseconds(), "billing_ms": c.TalkTime().Milliseconds(), "parent_id": nil,
		"charge": simulate.Round(c.TalkTime().Minutes()*0.008, 4), "charge_details": []simulate.Object{}, "created_at": simulate.ISO(c.Started),
		"audio_in_mos": simulate.Decimal(f.Mos), "audio_rtt_avg": int(c.Path.RTTMs), "audio_out_lost": f.RemoteLost,
		"audio_in_media_packet_count": f.Received, "audio_out_media_packet_count": f.Sent,
	})
}

// renderCallFlow is the post of the Call Flow Builder: unsigned, about the
// outbound leg, its params as the text of a Python literal.
func renderCallFlow(n *simulate.Renderer) {
	c := &stateCall{Renderer: n, id: n.UUID()}
	params := fmt.Sprintf("{'call_id': %s, 'call_state': 'ended', 'direction': 'outbound', "+
		"'device': {'type': 'phone', 'params': {'from_number': %s, 'to_number': %s}}, 'parent': {'call_id': %s, 'device_type': 'phone'}, "+
		"'start_time': %d, 'answer_time': %d, 'end_time': %d, 'end_reason': %s, 'tag': %s, 'peer': None}",
		python(c.id), python(n.From), python(n.To), python(n.UUID()),
		simulate.Millis(n.Started), simulate.Millis(n.Answered), simulate.Millis(n.Ended), python(c.endReason()), python(n.Word("flow")))
	c.JSON(simulate.Webhook{Kind: "call flow ended", CallID: c.id, At: n.Ended}, simulate.Object{
		"event_type": "calling.call.state", "timestamp": float64(n.Ended.UnixMilli()) / 1000, "params": params,
	})
}

// python writes a text as Python's repr does.
func python(s string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, "'", `\'`, "\n", `\n`, "\r", `\r`, "\t", `\t`, "\x00", `\x00`).Replace(s) + "'"
}

// byURLAndBody signs url and body in hex, once with SHA-1 and once with SHA-256.
func byURLAndBody() simulate.Scheme {
	return simulate.Scheme{Setting: simulateSignalwireKey, Sign: func(key string, d *simulate.Draft) error {
		signed := append([]byte(d.URL), d.Body...)
		d.Header.Set("X-Signalwire-Signature", hex.EncodeToString(simulate.MAC(sha1.New, key, signed)))
		d.Header.Set("X-Signalwire-Sha256-Signature", hex.EncodeToString(simulate.MAC(sha256.New, key, signed)))
		return nil
	}}
}

func byURLAndForm() simulate.Scheme {
	return simulate.ByURLSignature(simulateSignalwireKey, "X-Signalwire-Signature")
}
