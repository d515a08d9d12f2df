package simulate

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"callwatch/call"
	"callwatch/normalizer"
)

func telnyx() source {
	signed := proof{byEd25519(), byToken()}
	shows := []fault{lowMOS, oneWay, unreachable, slowSetup}
	return source{
		name: "telnyx", weight: 3,
		settings: []normalizer.Setting{{
			Name: privateKey, Use: normalizer.ForVerify, Secret: true,
			Doc: "base64 Ed25519 seed that belongs to the public key: simulated webhooks are signed with it",
		}},
		generate: func(draw func(int) []byte, receive, send normalizer.Keys) {
			private := ed25519.NewKeyFromSeed(draw(ed25519.SeedSize))
			receive[publicKey] = []string{publicHalf(private)}
			send[privateKey] = []string{base64.StdEncoding.EncodeToString(private.Seed())}
		},
		check: checkTelnyxKeys,
		forms: append([]form{
			{"call control", 10, signed, shows, tellCallControl},
			{"texml", 3, signed, []fault{lowMOS, unreachable, slowSetup}, tellTeXML},
		}, sdkForms()...),
		kinds: []string{
			"call.initiated", "call.answered", "call.bridged", "call.hangup", "call.cost",
			"call.conversation.ended", "call.recording.saved", "call.speak.ended",
			"texml initiated", "texml in-progress", "texml completed",
			"sdk report segment", "sdk report final",
		},
	}
}

func publicHalf(private ed25519.PrivateKey) string {
	return base64.StdEncoding.EncodeToString(private.Public().(ed25519.PublicKey))
}

// checkTelnyxKeys refuses a private key that cannot be read or that belongs to
// none of the public keys. Without one the URL token has to do.
func checkTelnyxKeys(send normalizer.Keys) error {
	private, public := send[privateKey], send[publicKey]
	if len(private) == 0 {
		if len(send[normalizer.URLToken]) == 0 {
			return fmt.Errorf("telnyx: a public key cannot sign: set %s to the private half, or %s",
				envName("telnyx", privateKey), envName("telnyx", normalizer.URLToken))
		}
		return nil
	}
	key, err := ed25519Key(private[0])
	if err != nil {
		return fmt.Errorf("telnyx: %s: %w", envName("telnyx", privateKey), err)
	}
	if len(public) > 0 && !slices.Contains(public, publicHalf(key)) {
		return fmt.Errorf("telnyx: %s does not belong to %s", envName("telnyx", privateKey), envName("telnyx", publicKey))
	}
	return nil
}

// telnyxCall are the members that all Call Control events of a call share.
type telnyxCall struct {
	*narrator
	control, leg, session, connection string
	flat                              bool
	hostileHeader                     string
}

func tellCallControl(n *narrator) {
	c := &telnyxCall{
		narrator: n, leg: n.uuid(), session: n.uuid(), connection: "27749939602" + n.digits(8), flat: n.odds(0.05),
		control: "v3:" + base64.RawURLEncoding.EncodeToString(n.bytes(40)), hostileHeader: n.word(""),
	}
	c.event("call.initiated", n.started, object{
		"direction": n.direction("incoming", "outgoing"), "state": n.direction("parked", "bridging"),
		"caller_id_name": n.word(n.callerName), "connection_codecs": "PCMU,PCMA,OPUS", "offered_codecs": "PCMU,PCMA",
		"shaken_stir_attestation": "A", "shaken_stir_validated": true, "tags": []string{"simulated"},
	})
	if !n.answered.IsZero() {
		c.event("call.answered", n.answered, object{"state": "answered", "codec": n.codec, "sampling_rate": 8000})
		if n.odds(0.3) {
			c.event("call.bridged", n.answered.Add(200*time.Millisecond), object{"state": "bridged"})
		}
		if n.odds(0.15) {
			c.event("call.speak.ended", n.answered.Add(n.talkTime()/2), object{"status": "completed"})
		}
	}
	c.hangup()
	if n.answered.IsZero() {
		return
	}
	if n.odds(0.4) {
		c.cost()
	}
	if n.odds(0.1) {
		c.event("call.recording.saved", n.soon(1, 3), object{
			"recording_started_at": iso(n.answered), "recording_ended_at": iso(n.ended), "channels": "dual", "format": "wav",
		})
	}
	if n.odds(0.15) {
		c.event("call.conversation.ended", n.soon(0.2, 1), object{
			"assistant_id": "assistant-" + n.agent.id, "conversation_id": n.uuid(), "duration_sec": int(n.talkTime().Seconds()),
			"reason": n.pick("customer_disconnect", "assistant_hangup"), "llm_model": "example/large", "stt_model": "example/stt",
			"tts_provider": "example", "tts_model_id": "voice-1", "tts_voice_id": "ada",
		})
	}
}

func (c *telnyxCall) hangup() {
	cause, source, sip := telnyxCause(c.story)
	payload := object{
		"state": "hangup", "end_time": iso(c.ended), "hangup_cause": cause, "hangup_source": source,
		"sip_hangup_cause": sip, "tags": []string{"simulated"}, "call_quality_stats": nil,
	}
	if c.hostileHeader != "" {
		payload["custom_headers"] = []object{{"name": "X-Note", "value": c.hostileHeader}}
	}
	if f := c.figures(); f != nil {
		payload["call_quality_stats"] = telnyxQuality(f)
	}
	c.event("call.hangup", c.ended, payload)
}

func (c *telnyxCall) cost() {
	secs := int(c.talkTime().Seconds()) + 1
	rate := 0.0070
	total := decimal6(rate * float64(secs) / 60)
	c.event("call.cost", c.soon(1, 3), object{
		"status": "success", "total_cost": total, "billed_duration_secs": secs, "billing_group_id": nil,
		"cost_parts": []object{{
			"call_part": "sip-trunking", "billed_duration_secs": secs, "cost": total, "currency": "USD", "rate": decimal6(rate),
		}},
	})
}

// event posts one event, in the documentation's flat form where the call uses it.
func (c *telnyxCall) event(kind string, at time.Time, payload object) {
	for name, value := range (object{
		"call_control_id": c.control, "call_leg_id": c.leg, "call_session_id": c.session, "connection_id": c.connection,
		"client_state": nil, "from": c.from, "to": c.to, "start_time": iso(c.started), "calling_party_type": "pstn",
	}) {
		payload[name] = value
	}
	w := webhook{kind: kind, callID: c.leg, at: at, agent: "telnyx-webhooks"}
	if kind == "call.recording.saved" || kind == "call.speak.ended" {
		w.expect = Ignored
	}
	if c.flat {
		payload["occurred_at"] = iso(at)
		c.json(w, object{
			"event_type": kind, "payload": payload, "record_type": "event", "webhook_id": c.uuid(), "created_at": iso(at),
		})
		return
	}
	c.json(w, object{
		"data": object{"record_type": "event", "event_type": kind, "id": c.uuid(), "occurred_at": iso(at), "payload": payload},
		"meta": object{"attempt": 1, "delivered_to": "https://callwatch.example/webhooks/telnyx"},
	})
}

func telnyxQuality(f *figures) object {
	return object{
		"inbound": object{
			"mos": decimal(f.mos), "packet_count": text(f.received), "skip_packet_count": text(f.skipped),
			"jitter_packet_count": "0", "jitter_max_variance": decimal(f.maxVariance),
		},
		"outbound": object{"packet_count": text(f.sent), "skip_packet_count": "0"},
	}
}

// telnyxCause is hangup cause, source and SIP code in Telnyx' words.
func telnyxCause(s *story) (cause, source, sip string) {
	switch s.outcome {
	case call.Busy:
		return "user_busy", "callee", "486"
	case call.NoAnswer:
		return "no_answer", "callee", "480"
	case call.Canceled:
		return "originator_cancel", "caller", "487"
	case call.Failed:
		if s.sip == 408 {
			return "timeout", "unknown", "408"
		}
		return "call_rejected", "callee", text(s.sip)
	default:
		if !s.outbound {
			return "normal_clearing", s.pick("caller", "callee"), "unspecified"
		}
		return "normal_clearing", s.pick("caller", "callee"), "200"
	}
}

func tellTeXML(n *narrator) {
	leg, sid := n.uuid(), "v3:"+base64.RawURLEncoding.EncodeToString(n.bytes(40))
	account, session, name := n.uuid(), n.uuid(), n.word(n.callerName)
	sequence := 0
	post := func(status string, at time.Time, more url.Values) {
		v := url.Values{
			"AccountSid": {account}, "CallSid": {sid}, "CallSidLegacy": {sid}, "CallControlId": {sid}, "CallLegId": {leg},
			"CallSessionId": {session}, "ConnectionId": {"1494404757140276705"}, "From": {n.from}, "To": {n.to},
			"CallerId": {name}, "CallStatus": {status}, "CallbackSource": {"call-progress-events"},
			"SequenceNumber": {text(sequence)}, "Timestamp": {iso(at)}, "CallInitiatedAt": {iso(n.started)},
		}
		for k, values := range more {
			v[k] = values
		}
		kind := status
		if at.Equal(n.ended) {
			kind = "completed"
		}
		n.values(webhook{kind: "texml " + kind, callID: leg, at: at, agent: "telnyx-webhooks"}, v)
		sequence++
	}
	post("initiated", n.started, nil)
	if !n.answered.IsZero() {
		post("in-progress", n.answered, url.Values{"AnsweredTime": {iso(n.answered)}})
	}
	cause, source, sip := telnyxCause(n.story)
	end := url.Values{
		"StartTime": {iso(n.started)}, "EndTime": {iso(n.ended)}, "OccurredAt": {iso(n.ended)},
		"HangupCause": {cause}, "HangupSource": {source},
	}
	if sip != "unspecified" {
		end.Set("SipHangupCause", sip)
	}
	if f := n.figures(); f != nil {
		end.Set("AnsweredTime", iso(n.answered))
		end.Set("CallDuration", text(int(n.talkTime().Seconds())))
		end.Set("CallQualityStats", n.texmlQuality(f))
	}
	post(n.outcome, n.ended, end)
}

// texmlQuality is JSON within a form field, in either of its two shapes.
func (n *narrator) texmlQuality(f *figures) string {
	var quality any = object{
		"mos": f.mos, "jitter": round(n.path.jitterMs, 1), "packet_loss": round(n.path.lossPct, 2),
	}
	if n.odds(0.5) {
		quality = telnyxQuality(f)
	}
	return string(bytes.TrimSpace(encode(quality)))
}

func decimal6(v float64) string { return strings.TrimRight(fmt.Sprintf("%.6f", v), "0") }
