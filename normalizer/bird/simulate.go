package bird

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"strings"
	"time"

	"callwatch/call"
	"callwatch/normalizer"
	"callwatch/normalizer/simulate"
)

const simulateBirdKey = "SIGNING_KEY"

// Simulator renders the provider's traffic.
func Simulator() *simulate.Source {
	crm := simulate.Proof{byURLAndDigest(), simulate.ByToken()}
	platform := simulate.Proof{byStandardWebhooks(), simulate.ByToken()}
	return &simulate.Source{
		Name: "bird", Weight: 2, Regions: simulatedRegions(),
		Generate: func(draw func(int) []byte, receive, _ normalizer.Keys) {
			receive[simulateBirdKey] = []string{
				hex.EncodeToString(draw(16)), standardPrefix + base64.StdEncoding.EncodeToString(draw(24)),
			}
		},
		Forms: []simulate.Form{
			{Name: "crm", Weight: 3, Proof: crm, Shows: []simulate.Fault{simulate.Loss, simulate.LowMOS, simulate.OneWay, simulate.Unreachable, simulate.SlowSetup}, Render: renderCRM},
			{Name: "platform", Weight: 2, Proof: platform, Shows: []simulate.Fault{simulate.Unreachable}, Render: renderPlatform},
		},
		Kinds: []string{
			"voice.inbound", "voice.outbound", "whatsapp.inbound", "call insights",
			"voice_call.initiated", "voice_call.answered", "voice_call.ended", "email.delivered", "voice call record",
		},
	}
}

// crmCall is a call of the Bird CRM.
type crmCall struct {
	*simulate.Renderer
	id, channel string
}

func renderCRM(n *simulate.Renderer) {
	c := &crmCall{Renderer: n, id: n.UUID(), channel: n.UUID()}
	if n.Odds(0.6) {
		c.transition("starting", n.Started, nil)
		if !n.Ringing.IsZero() {
			c.transition("ringing", n.Ringing, nil)
		}
		if !n.Answered.IsZero() {
			c.transition("ongoing", n.Answered, nil)
		}
	}
	if n.Odds(0.08) {
		c.JSON(simulate.Webhook{Kind: "whatsapp.inbound", At: n.Started, Expect: simulate.Ignored}, simulate.Object{
			"service": "channels", "event": "whatsapp.inbound",
			"payload": simulate.Object{"id": n.UUID(), "channelId": c.channel, "status": "delivered", "direction": "incoming"},
		})
	}
	// Whether the payload has the figures is not documented: both are told.
	if n.Fault != simulate.None || n.Odds(0.5) {
		c.transition(c.status(), n.Ended, c.metrics())
		return
	}
	c.transition(c.status(), n.Ended, nil)
	if !n.Answered.IsZero() {
		at := n.Soon(1, 3)
		insights := c.call(c.status(), at)
		for name, value := range c.metrics() {
			insights[name] = value
		}
		c.JSON(simulate.Webhook{Kind: "call insights", CallID: c.id, At: at, Proof: simulate.Proof{simulate.ByToken(), byURLAndDigest()}}, insights)
	}
}

func (c *crmCall) status() string {
	if c.Outcome == call.Canceled {
		return "cancelled"
	}
	return c.Outcome
}

func (c *crmCall) transition(status string, at time.Time, metrics simulate.Object) {
	payload := c.call(status, at)
	for name, value := range metrics {
		payload[name] = value
	}
	kind := "voice." + c.Direction("inbound", "outbound")
	c.JSON(simulate.Webhook{Kind: kind, CallID: c.id, At: at}, simulate.Object{"service": "channels", "event": kind, "payload": payload})
}

// call is the call object as it is at the given time.
func (c *crmCall) call(status string, at time.Time) simulate.Object {
	o := simulate.Object{
		"id": c.id, "channelId": c.channel, "from": c.From, "to": c.To, "type": "pstn", "status": status,
		"direction": c.Direction("incoming", "outgoing"), "createdAt": simulate.ISO(c.Started), "updatedAt": simulate.ISO(at),
		"reason": c.Word(""),
	}
	for name, t := range map[string]time.Time{"ringingAt": c.Ringing, "answeredAt": c.Answered} {
		if !t.IsZero() && !t.After(at) {
			o[name] = simulate.ISO(t)
		}
	}
	if at.Before(c.Ended) {
		return o
	}
	o["endedAt"], o["duration"] = simulate.ISO(c.Ended), int(c.TalkTime().Seconds())
	o["hangupCauseCode"], o["hangupSource"] = c.cause()
	o["hangupSipCode"] = simulate.Itoa(c.SIPCode)
	return o
}

// cause is the Q.850 or FreeSWITCH number and who hung up.
func (c *crmCall) cause() (code int, source any) {
	switch c.Outcome {
	case call.Busy:
		return 17, "callee"
	case call.NoAnswer:
		return 19, "timeout"
	case call.Canceled:
		return 487, "caller"
	case call.Failed:
		if c.SIPCode == 408 {
			return 102, "timeout"
		}
		return 41, nil
	default:
		return 16, c.Pick("caller", "callee", "api")
	}
}

func (c *crmCall) metrics() simulate.Object {
	o := simulate.Object{"signallingMetrics": simulate.Object{
		"edgeRegion": c.InRegion(simulatedRegions()...), "providerName": "example-carrier", "userAgent": c.Word("ExampleSIP/2.1"),
	}}
	if !c.Ringing.IsZero() {
		o["signallingMetrics"].(simulate.Object)["pdd"] = c.Ringing.Sub(c.Started).Milliseconds()
	}
	f := c.Figures()
	if f == nil {
		return o
	}
	o["mediaMetrics"] = simulate.Object{
		"mos": f.Mos, "qualityScore": f.Quality, "inBytes": f.Received * 172, "outBytes": f.Sent * 172,
		"inPacketCount": f.Received, "outPacketCount": f.Sent, "inMediaPacketCount": f.Received, "outMediaPacketCount": f.Sent,
		"inDtmfPacketCount": 0, "outDtmfPacketCount": 0, "jitterMinVar": f.MinVariance, "jitterMaxVar": f.MaxVariance,
		"jitterLossRate": f.LossRate, "jitterBurstRate": f.Burst, "meanInterval": 20.01, "flawTotal": f.Flaws,
		"readCodecName": c.Codec, "readCodecRate": "8000", "writeCodecName": c.Codec, "writeCodecRate": "8000", "dtmfType": "rfc2833",
	}
	return o
}

// simulatedPlatformCall is a call of the platform of 2026.
type simulatedPlatformCall struct {
	*simulate.Renderer
	id, workspace string
}

func renderPlatform(n *simulate.Renderer) {
	c := &simulatedPlatformCall{Renderer: n, id: "vcl_" + ulid(n.Rand), workspace: "ws_" + ulid(n.Rand)}
	c.event("voice_call.initiated", n.Started, c.common())
	if !n.Answered.IsZero() {
		c.event("voice_call.answered", n.Answered, c.common())
	}
	if n.Odds(0.1) {
		c.event("email.delivered", n.Started, simulate.Object{"email_id": "em_" + ulid(n.Rand), "workspace_id": c.workspace})
	}
	end := c.common()
	end["status"], end["sip_response_code"] = c.status(), n.SIPCode
	end["duration_ms"], end["billable_ms"] = n.Ended.Sub(n.Started).Milliseconds(), n.TalkTime().Milliseconds()
	c.event("voice_call.ended", n.Ended, end)
	if !n.Answered.IsZero() && n.Odds(0.5) {
		c.record()
	}
}

func (c *simulatedPlatformCall) common() simulate.Object {
	return simulate.Object{
		"call_id": c.id, "session_id": nil, "workspace_id": c.workspace, "direction": c.Direction("inbound", "outbound"),
		"from": c.From, "to": c.To,
	}
}

func (c *simulatedPlatformCall) status() string {
	switch c.Outcome {
	case call.Completed:
		return "answered"
	case call.NoAnswer:
		return "no_answer"
	default:
		return "failed" // busy and canceled calls too
	}
}

func (c *simulatedPlatformCall) event(kind string, at time.Time, data simulate.Object) {
	w := simulate.Webhook{Kind: kind, CallID: c.id, At: at, Header: map[string]string{"Webhook-Id": "msg_" + ulid(c.Rand)}}
	if strings.HasPrefix(kind, "email.") {
		w.CallID, w.Expect = "", simulate.Ignored
	}
	c.JSON(w, simulate.Object{"type": kind, "timestamp": simulate.ISO(at), "data": data})
}

// record is the call of the REST API, as a poller relays it once it is rated.
func (c *simulatedPlatformCall) record() {
	o := c.common()
	delete(o, "call_id")
	o["id"], o["status"], o["sip_response_code"] = c.id, c.status(), c.SIPCode
	o["started_at"], o["answered_at"], o["ended_at"] = simulate.ISO(c.Started), simulate.ISOOrNil(c.Answered), simulate.ISO(c.Ended)
	o["duration_ms"], o["billable_ms"] = c.Ended.Sub(c.Started).Milliseconds(), c.TalkTime().Milliseconds()
	if !c.Ringing.IsZero() {
		o["pdd_ms"] = c.Ringing.Sub(c.Started).Milliseconds()
	}
	o["cost"] = simulate.Object{"amount": simulate.Decimal6(c.TalkTime().Minutes() * 0.01), "currency_code": "USD"}
	o["media_quality"] = simulate.Object{
		"mos": simulate.Round(c.Between(4.1, 4.4), 2), "jitter_ms": int(c.Path.JitterMs), "packet_loss_pct": simulate.Round(c.Path.LossPct, 2),
		"round_trip_time_ms": int(c.Path.RTTMs),
	}
	c.JSON(simulate.Webhook{
		Kind: "voice call record", CallID: c.id, At: c.Soon(1, 3), Proof: simulate.Proof{simulate.ByToken(), byStandardWebhooks()},
		Header: map[string]string{"Webhook-Id": "msg_" + ulid(c.Rand)},
	}, o)
}

// ulid is a sortable id as the platform makes them, 26 characters.
func ulid(c simulate.Rand) string {
	const alphabet = "0123456789abcdefghjkmnpqrstvwxyz"
	b := []byte("01")
	for range 24 {
		b = append(b, alphabet[c.IntN(len(alphabet))])
	}
	return string(b)
}

// byURLAndDigest signs timestamp, url and the digest of the body, a line each.
func byURLAndDigest() simulate.Scheme {
	return simulate.Scheme{
		Setting: simulateBirdKey, Resends: true,
		Fits: func(key string) bool { return !strings.HasPrefix(key, standardPrefix) },
		Sign: func(key string, d *simulate.Draft) error {
			at, sum := simulate.Unix(d.Now), sha256.Sum256(d.Body)
			signed := append([]byte(at+"\n"+d.URL+"\n"), sum[:]...)
			d.Header.Set("Messagebird-Request-Timestamp", at)
			d.Header.Set("Messagebird-Signature", base64.StdEncoding.EncodeToString(simulate.MAC(sha256.New, key, signed)))
			return nil
		},
	}
}

const standardPrefix = "whsec_"

// byStandardWebhooks signs id, timestamp and body; the id is a header already.
func byStandardWebhooks() simulate.Scheme {
	return simulate.Scheme{
		Setting: simulateBirdKey,
		Fits:    func(key string) bool { return strings.HasPrefix(key, standardPrefix) },
		Sign: func(key string, d *simulate.Draft) error {
			secret, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(key, standardPrefix))
			if err != nil {
				return err
			}
			at := simulate.Unix(d.Now)
			signed := append([]byte(d.Header.Get("Webhook-Id")+"."+at+"."), d.Body...)
			sum := simulate.MAC(sha256.New, string(secret), signed)
			d.Header.Set("Webhook-Timestamp", at)
			d.Header.Set("Webhook-Signature", "v1,"+base64.StdEncoding.EncodeToString(sum))
			return nil
		},
	}
}

func simulatedRegions() []string { return []string{"eu-west-1", "us-east-1"} }
