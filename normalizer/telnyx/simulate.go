package telnyx

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"time"

	"callwatch/call"
	"callwatch/normalizer"
	"callwatch/normalizer/simulate"
)

const (
	simulatePublicKey  = "PUBLIC_KEY"
	simulatePrivateKey = "SIMULATE_PRIVATE_KEY"
)

// Simulator renders the provider's traffic.
func Simulator() *simulate.Source {
	signed := simulate.Proof{byEd25519(), simulate.ByToken()}
	shows := []simulate.Fault{simulate.LowMOS, simulate.OneWay, simulate.Unreachable, simulate.SlowSetup}
	return &simulate.Source{
		Name: "telnyx", Weight: 3,
		Settings: []normalizer.Setting{{
			Name: simulatePrivateKey, Use: normalizer.ForVerify, Secret: true,
			Doc: "base64 Ed25519 seed that belongs to the public key: simulated webhooks are signed with it",
		}},
		Generate: func(draw func(int) []byte, receive, send normalizer.Keys) {
			private := ed25519.NewKeyFromSeed(draw(ed25519.SeedSize))
			receive[simulatePublicKey] = []string{publicHalf(private)}
			send[simulatePrivateKey] = []string{base64.StdEncoding.EncodeToString(private.Seed())}
		},
		Check: checkTelnyxKeys,
		Forms: append([]simulate.Form{
			{Name: "call control", Weight: 10, Proof: signed, Shows: shows, Render: renderCallControl},
			{Name: "texml", Weight: 3, Proof: signed, Shows: []simulate.Fault{simulate.LowMOS, simulate.Unreachable, simulate.SlowSetup}, Render: renderTeXML},
		}, sdkForms()...),
		Kinds: []string{
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
	private, public := send[simulatePrivateKey], send[simulatePublicKey]
	if len(private) == 0 {
		if len(send[normalizer.URLToken]) == 0 {
			return fmt.Errorf("telnyx: a public key cannot sign: set %s to the private half, or %s",
				simulate.EnvName("telnyx", simulatePrivateKey), simulate.EnvName("telnyx", normalizer.URLToken))
		}
		return nil
	}
	key, err := seedKey(private[0])
	if err != nil {
		return fmt.Errorf("telnyx: %s: %w", simulate.EnvName("telnyx", simulatePrivateKey), err)
	}
	if len(public) > 0 && !slices.Contains(public, publicHalf(key)) {
		return fmt.Errorf("telnyx: %s does not belong to %s", simulate.EnvName("telnyx", simulatePrivateKey), simulate.EnvName("telnyx", simulatePublicKey))
	}
	return nil
}

// controlCall are the members that all Call Control events of a call share.
type controlCall struct {
	*simulate.Renderer
	control, leg, session, connection string
	flat                              bool
	hostileHeader                     string
}

func renderCallControl(n *simulate.Renderer) {
	c := &controlCall{
		Renderer: n, leg: n.UUID(), session: n.UUID(), connection: "27749939602" + n.Digits(8), flat: n.Odds(0.05),
		control: "v3:" + base64.RawURLEncoding.EncodeToString(n.Bytes(40)), hostileHeader: n.Word(""),
	}
	c.event("call.initiated", n.Started, simulate.Object{
		"direction": n.Direction("incoming", "outgoing"), "state": n.Direction("parked", "bridging"),
		"caller_id_name": n.Word(n.CallerName), "connection_codecs": "PCMU,PCMA,OPUS", "offered_codecs": "PCMU,PCMA",
		"shaken_stir_attestation": "A", "shaken_stir_validated": true, "tags": []string{"simulated"},
	})
	if !n.Answered.IsZero() {
		c.event("call.answered", n.Answered, simulate.Object{"state": "answered", "codec": n.Codec, "sampling_rate": 8000})
		if n.Odds(0.3) {
			c.event("call.bridged", n.Answered.Add(200*time.Millisecond), simulate.Object{"state": "bridged"})
		}
		if n.Odds(0.15) {
			c.event("call.speak.ended", n.Answered.Add(n.TalkTime()/2), simulate.Object{"status": "completed"})
		}
	}
	c.hangup()
	if n.Answered.IsZero() {
		return
	}
	if n.Odds(0.4) {
		c.cost()
	}
	if n.Odds(0.1) {
		c.event("call.recording.saved", n.Soon(1, 3), simulate.Object{
			"recording_started_at": simulate.ISO(n.Answered), "recording_ended_at": simulate.ISO(n.Ended), "channels": "dual", "format": "wav",
		})
	}
	if n.Odds(0.15) {
		c.event("call.conversation.ended", n.Soon(0.2, 1), simulate.Object{
			"assistant_id": "assistant-" + n.Agent.ID, "conversation_id": n.UUID(), "duration_sec": int(n.TalkTime().Seconds()),
			"reason": n.Pick("customer_disconnect", "assistant_hangup"), "llm_model": "example/large", "stt_model": "example/stt",
			"tts_provider": "example", "tts_model_id": "voice-1", "tts_voice_id": "ada",
		})
	}
}

func (c *controlCall) hangup() {
	cause, source, sip := simulatedCause(c.Call)
	payload := simulate.Object{
		"state": "hangup", "end_time": simulate.ISO(c.Ended), "hangup_cause": cause, "hangup_source": source,
		"sip_hangup_cause": sip, "tags": []string{"simulated"}, "call_quality_stats": nil,
	}
	if c.hostileHeader != "" {
		payload["custom_headers"] = []simulate.Object{{"name": "X-Note", "value": c.hostileHeader}}
	}
	if f := c.Figures(); f != nil {
		payload["call_quality_stats"] = simulatedQuality(f)
	}
	c.event("call.hangup", c.Ended, payload)
}

func (c *controlCall) cost() {
	secs := int(c.TalkTime().Seconds()) + 1
	rate := 0.0070
	total := simulate.Decimal6(rate * float64(secs) / 60)
	c.event("call.cost", c.Soon(1, 3), simulate.Object{
		"status": "success", "total_cost": total, "billed_duration_secs": secs, "billing_group_id": nil,
		"cost_parts": []simulate.Object{{
			"call_part": "sip-trunking", "billed_duration_secs": secs, "cost": total, "currency": "USD", "rate": simulate.Decimal6(rate),
		}},
	})
}

// event posts one event, in the documentation's flat form where the call uses it.
func (c *controlCall) event(kind string, at time.Time, payload simulate.Object) {
	for name, value := range (simulate.Object{
		"call_control_id": c.control, "call_leg_id": c.leg, "call_session_id": c.session, "connection_id": c.connection,
		"client_state": nil, "from": c.From, "to": c.To, "start_time": simulate.ISO(c.Started), "calling_party_type": "pstn",
	}) {
		payload[name] = value
	}
	w := simulate.Webhook{Kind: kind, CallID: c.leg, At: at, Agent: "telnyx-webhooks"}
	if kind == "call.recording.saved" || kind == "call.speak.ended" {
		w.Expect = simulate.Ignored
	}
	if c.flat {
		payload["occurred_at"] = simulate.ISO(at)
		c.JSON(w, simulate.Object{
			"event_type": kind, "payload": payload, "record_type": "event", "webhook_id": c.UUID(), "created_at": simulate.ISO(at),
		})
		return
	}
	c.JSON(w, simulate.Object{
		"data": simulate.Object{"record_type": "event", "event_type": kind, "id": c.UUID(), "occurred_at": simulate.ISO(at), "payload": payload},
		"meta": simulate.Object{"attempt": 1, "delivered_to": "https://callwatch.example/webhooks/telnyx"},
	})
}

func simulatedQuality(f *simulate.Figures) simulate.Object {
	return simulate.Object{
		"inbound": simulate.Object{
			"mos": simulate.Decimal(f.Mos), "packet_count": simulate.Itoa(f.Received), "skip_packet_count": simulate.Itoa(f.Skipped),
			"jitter_packet_count": "0", "jitter_max_variance": simulate.Decimal(f.MaxVariance),
		},
		"outbound": simulate.Object{"packet_count": simulate.Itoa(f.Sent), "skip_packet_count": "0"},
	}
}

// simulatedCause is hangup cause, source and SIP code in Telnyx' words.
func simulatedCause(s *simulate.Call) (cause, source, sip string) {
	switch s.Outcome {
	case call.Busy:
		return "user_busy", "callee", "486"
	case call.NoAnswer:
		return "no_answer", "callee", "480"
	case call.Canceled:
		return "originator_cancel", "caller", "487"
	case call.Failed:
		if s.SIPCode == 408 {
			return "timeout", "unknown", "408"
		}
		return "call_rejected", "callee", simulate.Itoa(s.SIPCode)
	default:
		if !s.Outbound {
			return "normal_clearing", s.Pick("caller", "callee"), "unspecified"
		}
		return "normal_clearing", s.Pick("caller", "callee"), "200"
	}
}

func renderTeXML(n *simulate.Renderer) {
	leg, sid := n.UUID(), "v3:"+base64.RawURLEncoding.EncodeToString(n.Bytes(40))
	account, session, name := n.UUID(), n.UUID(), n.Word(n.CallerName)
	sequence := 0
	post := func(status string, at time.Time, more url.Values) {
		v := url.Values{
			"AccountSid": {account}, "CallSid": {sid}, "CallSidLegacy": {sid}, "CallControlId": {sid}, "CallLegId": {leg},
			"CallSessionId": {session}, "ConnectionId": {"1494404757140276705"}, "From": {n.From}, "To": {n.To},
			"CallerId": {name}, "CallStatus": {status}, "CallbackSource": {"call-progress-events"},
			"SequenceNumber": {simulate.Itoa(sequence)}, "Timestamp": {simulate.ISO(at)}, "CallInitiatedAt": {simulate.ISO(n.Started)},
		}
		for k, values := range more {
			v[k] = values
		}
		kind := status
		if at.Equal(n.Ended) {
			kind = "completed"
		}
		n.Values(simulate.Webhook{Kind: "texml " + kind, CallID: leg, At: at, Agent: "telnyx-webhooks"}, v)
		sequence++
	}
	post("initiated", n.Started, nil)
	if !n.Answered.IsZero() {
		post("in-progress", n.Answered, url.Values{"AnsweredTime": {simulate.ISO(n.Answered)}})
	}
	cause, source, sip := simulatedCause(n.Call)
	end := url.Values{
		"StartTime": {simulate.ISO(n.Started)}, "EndTime": {simulate.ISO(n.Ended)}, "OccurredAt": {simulate.ISO(n.Ended)},
		"HangupCause": {cause}, "HangupSource": {source},
	}
	if sip != "unspecified" {
		end.Set("SipHangupCause", sip)
	}
	if f := n.Figures(); f != nil {
		end.Set("AnsweredTime", simulate.ISO(n.Answered))
		end.Set("CallDuration", simulate.Itoa(int(n.TalkTime().Seconds())))
		end.Set("CallQualityStats", renderQuality(n, f))
	}
	post(n.Outcome, n.Ended, end)
}

// renderQuality is JSON within a form field, in either of its two shapes.
func renderQuality(n *simulate.Renderer, f *simulate.Figures) string {
	var quality any = simulate.Object{
		"mos": f.Mos, "jitter": simulate.Round(n.Path.JitterMs, 1), "packet_loss": simulate.Round(n.Path.LossPct, 2),
	}
	if n.Odds(0.5) {
		quality = simulatedQuality(f)
	}
	return string(bytes.TrimSpace(simulate.Encode(quality)))
}

// byEd25519 signs timestamp, pipe and body; the key is the base64 seed.
func byEd25519() simulate.Scheme {
	return simulate.Scheme{Setting: simulatePrivateKey, Sign: func(key string, d *simulate.Draft) error {
		private, err := seedKey(key)
		if err != nil {
			return err
		}
		at := simulate.Unix(d.Now)
		signed := append([]byte(at+"|"), d.Body...)
		d.Header.Set("Telnyx-Timestamp", at)
		d.Header.Set("Telnyx-Signature-Ed25519", base64.StdEncoding.EncodeToString(ed25519.Sign(private, signed)))
		return nil
	}}
}

// seedKey reads a private key: the base64 of its 32 byte seed or of all 64
// bytes.
func seedKey(s string) (ed25519.PrivateKey, error) {
	b, err := base64.StdEncoding.DecodeString(s)
	switch {
	case err != nil:
		return nil, errors.New("not base64")
	case len(b) == ed25519.SeedSize:
		return ed25519.NewKeyFromSeed(b), nil
	case len(b) == ed25519.PrivateKeySize:
		return ed25519.PrivateKey(b), nil
	default:
		return nil, fmt.Errorf("%d bytes, want %d", len(b), ed25519.SeedSize)
	}
}
