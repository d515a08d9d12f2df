package simulate

import (
	"encoding/base64"
	"encoding/hex"
	"strings"
	"time"

	"callwatch/call"
	"callwatch/normalizer"
)

func bird() source {
	crm := proof{byURLAndDigest(), byToken()}
	platform := proof{byStandardWebhooks(), byToken()}
	return source{
		name: "bird", weight: 2,
		generate: func(draw func(int) []byte, receive, _ normalizer.Keys) {
			receive[signingKey] = []string{
				hex.EncodeToString(draw(16)), standardPrefix + base64.StdEncoding.EncodeToString(draw(24)),
			}
		},
		forms: []form{
			{"crm", 3, crm, []fault{loss, lowMOS, oneWay, unreachable, slowSetup}, tellCRM},
			{"platform", 2, platform, []fault{unreachable}, tellPlatform},
		},
		kinds: []string{
			"voice.inbound", "voice.outbound", "whatsapp.inbound", "call insights",
			"voice_call.initiated", "voice_call.answered", "voice_call.ended", "email.delivered", "voice call record",
		},
	}
}

// crmCall is a call of the Bird CRM.
type crmCall struct {
	*narrator
	id, channel string
}

func tellCRM(n *narrator) {
	c := &crmCall{narrator: n, id: n.uuid(), channel: n.uuid()}
	if n.odds(0.6) {
		c.transition("starting", n.started, nil)
		if !n.ringing.IsZero() {
			c.transition("ringing", n.ringing, nil)
		}
		if !n.answered.IsZero() {
			c.transition("ongoing", n.answered, nil)
		}
	}
	if n.odds(0.08) {
		c.json(webhook{kind: "whatsapp.inbound", at: n.started, expect: Ignored}, object{
			"service": "channels", "event": "whatsapp.inbound",
			"payload": object{"id": n.uuid(), "channelId": c.channel, "status": "delivered", "direction": "incoming"},
		})
	}
	// Whether the payload has the figures is not documented: both are told.
	if n.fault != none || n.odds(0.5) {
		c.transition(c.status(), n.ended, c.metrics())
		return
	}
	c.transition(c.status(), n.ended, nil)
	if !n.answered.IsZero() {
		at := n.soon(1, 3)
		insights := c.call(c.status(), at)
		for name, value := range c.metrics() {
			insights[name] = value
		}
		c.json(webhook{kind: "call insights", callID: c.id, at: at, proof: proof{byToken(), byURLAndDigest()}}, insights)
	}
}

func (c *crmCall) status() string {
	if c.outcome == call.Canceled {
		return "cancelled"
	}
	return c.outcome
}

func (c *crmCall) transition(status string, at time.Time, metrics object) {
	payload := c.call(status, at)
	for name, value := range metrics {
		payload[name] = value
	}
	kind := "voice." + c.direction("inbound", "outbound")
	c.json(webhook{kind: kind, callID: c.id, at: at}, object{"service": "channels", "event": kind, "payload": payload})
}

// call is the call object as it stands at the given time.
func (c *crmCall) call(status string, at time.Time) object {
	o := object{
		"id": c.id, "channelId": c.channel, "from": c.from, "to": c.to, "type": "pstn", "status": status,
		"direction": c.direction("incoming", "outgoing"), "createdAt": iso(c.started), "updatedAt": iso(at),
		"reason": c.word(""),
	}
	for name, t := range map[string]time.Time{"ringingAt": c.ringing, "answeredAt": c.answered} {
		if !t.IsZero() && !t.After(at) {
			o[name] = iso(t)
		}
	}
	if at.Before(c.ended) {
		return o
	}
	o["endedAt"], o["duration"] = iso(c.ended), int(c.talkTime().Seconds())
	o["hangupCauseCode"], o["hangupSource"] = c.cause()
	o["hangupSipCode"] = text(c.sip)
	return o
}

// cause is the Q.850 or FreeSWITCH number and who hung up.
func (c *crmCall) cause() (code int, source any) {
	switch c.outcome {
	case call.Busy:
		return 17, "callee"
	case call.NoAnswer:
		return 19, "timeout"
	case call.Canceled:
		return 487, "caller"
	case call.Failed:
		if c.sip == 408 {
			return 102, "timeout"
		}
		return 41, nil
	default:
		return 16, c.pick("caller", "callee", "api")
	}
}

func (c *crmCall) metrics() object {
	o := object{"signallingMetrics": object{
		"edgeRegion": c.pick("eu-west-1", "us-east-1"), "providerName": "example-carrier", "userAgent": c.word("ExampleSIP/2.1"),
	}}
	if !c.ringing.IsZero() {
		o["signallingMetrics"].(object)["pdd"] = c.ringing.Sub(c.started).Milliseconds()
	}
	f := c.figures()
	if f == nil {
		return o
	}
	o["mediaMetrics"] = object{
		"mos": f.mos, "qualityScore": f.quality, "inBytes": f.received * 172, "outBytes": f.sent * 172,
		"inPacketCount": f.received, "outPacketCount": f.sent, "inMediaPacketCount": f.received, "outMediaPacketCount": f.sent,
		"inDtmfPacketCount": 0, "outDtmfPacketCount": 0, "jitterMinVar": f.minVariance, "jitterMaxVar": f.maxVariance,
		"jitterLossRate": f.lossRate, "jitterBurstRate": f.burst, "meanInterval": 20.01, "flawTotal": f.flaws,
		"readCodecName": c.codec, "readCodecRate": "8000", "writeCodecName": c.codec, "writeCodecRate": "8000", "dtmfType": "rfc2833",
	}
	return o
}

// platformCall is a call of the platform of 2026.
type platformCall struct {
	*narrator
	id, workspace string
}

func tellPlatform(n *narrator) {
	c := &platformCall{narrator: n, id: "vcl_" + n.ulid(), workspace: "ws_" + n.ulid()}
	c.event("voice_call.initiated", n.started, c.common())
	if !n.answered.IsZero() {
		c.event("voice_call.answered", n.answered, c.common())
	}
	if n.odds(0.1) {
		c.event("email.delivered", n.started, object{"email_id": "em_" + n.ulid(), "workspace_id": c.workspace})
	}
	end := c.common()
	end["status"], end["sip_response_code"] = c.status(), n.sip
	end["duration_ms"], end["billable_ms"] = n.ended.Sub(n.started).Milliseconds(), n.talkTime().Milliseconds()
	c.event("voice_call.ended", n.ended, end)
	if !n.answered.IsZero() && n.odds(0.5) {
		c.record()
	}
}

func (c *platformCall) common() object {
	return object{
		"call_id": c.id, "session_id": nil, "workspace_id": c.workspace, "direction": c.direction("inbound", "outbound"),
		"from": c.from, "to": c.to,
	}
}

func (c *platformCall) status() string {
	switch c.outcome {
	case call.Completed:
		return "answered"
	case call.NoAnswer:
		return "no_answer"
	default:
		return "failed" // busy and canceled calls too
	}
}

func (c *platformCall) event(kind string, at time.Time, data object) {
	w := webhook{kind: kind, callID: c.id, at: at, header: map[string]string{"Webhook-Id": "msg_" + c.ulid()}}
	if strings.HasPrefix(kind, "email.") {
		w.callID, w.expect = "", Ignored
	}
	c.json(w, object{"type": kind, "timestamp": iso(at), "data": data})
}

// record is the call of the REST API, as a poller relays it once it is rated.
func (c *platformCall) record() {
	o := c.common()
	delete(o, "call_id")
	o["id"], o["status"], o["sip_response_code"] = c.id, c.status(), c.sip
	o["started_at"], o["answered_at"], o["ended_at"] = iso(c.started), isoOrNil(c.answered), iso(c.ended)
	o["duration_ms"], o["billable_ms"] = c.ended.Sub(c.started).Milliseconds(), c.talkTime().Milliseconds()
	if !c.ringing.IsZero() {
		o["pdd_ms"] = c.ringing.Sub(c.started).Milliseconds()
	}
	o["cost"] = object{"amount": decimal6(c.talkTime().Minutes() * 0.01), "currency_code": "USD"}
	o["media_quality"] = object{
		"mos": round(c.between(4.1, 4.4), 2), "jitter_ms": int(c.path.jitterMs), "packet_loss_pct": round(c.path.lossPct, 2),
		"round_trip_time_ms": int(c.path.rttMs),
	}
	c.json(webhook{
		kind: "voice call record", callID: c.id, at: c.soon(1, 3), proof: proof{byToken(), byStandardWebhooks()},
		header: map[string]string{"Webhook-Id": "msg_" + c.ulid()},
	}, o)
}

// ulid is a sortable id as the platform makes them, 26 characters.
func (c chance) ulid() string {
	const alphabet = "0123456789abcdefghjkmnpqrstvwxyz"
	b := []byte("01")
	for range 24 {
		b = append(b, alphabet[c.IntN(len(alphabet))])
	}
	return string(b)
}
