package twilio

import (
	"encoding/hex"
	"maps"
	"math"
	"net/url"
	"time"

	"callwatch/call"
	"callwatch/normalizer"
	"callwatch/normalizer/simulate"
)

// Simulator renders the provider's traffic.
func Simulator() *simulate.Source {
	proof := simulate.Proof{simulate.ByURLSignature(authToken, signature), simulate.ByToken()}
	return &simulate.Source{
		Name: "twilio", Weight: 2, Regions: []string{"us1", "ie1", "au1"},
		Generate: func(draw func(int) []byte, receive, _ normalizer.Keys) {
			receive[authToken] = []string{hex.EncodeToString(draw(16))}
		},
		Forms: []simulate.Form{
			{Name: "callbacks", Weight: 2, Proof: proof, Shows: []simulate.Fault{simulate.Unreachable, simulate.SlowSetup}, Render: renderCallbacks},
			{Name: "carrier", Weight: 3, Proof: proof, Shows: []simulate.Fault{simulate.LowMOS, simulate.Loss, simulate.OneWay, simulate.Unreachable}, Render: renderCarrier},
			{
				Name: "client", Weight: 2, Proof: proof, Render: renderClient,
				Shows: []simulate.Fault{simulate.LowMOS, simulate.Loss, simulate.GrowingLoss, simulate.Congestion, simulate.OneWay},
			},
		},
		Kinds: []string{
			"callback initiated", "callback ringing", "callback in-progress", "callback end",
			"call-event.gateway", "call-event.sdk", "call-metrics.sdk", "call-metrics.gateway", "call-summary.partial", "call-summary.complete",
		},
	}
}

// rendered are the members that all messages about a call share.
type rendered struct {
	*simulate.Renderer
	sid, account, region, codec string
	sequence                    int
}

func newRendered(n *simulate.Renderer) *rendered {
	return &rendered{
		Renderer: n, sid: "CA" + n.Hex(32), account: "AC" + n.Hex(32),
		region: n.InRegion("us1", "us1", "ie1", "au1"), codec: "pcmu",
	}
}

func renderCallbacks(n *simulate.Renderer) {
	c := newRendered(n)
	c.progress()
	c.end()
}

// renderCarrier is a call of the telephone network. A partial summary comes first.
func renderCarrier(n *simulate.Renderer) {
	c := newRendered(n)
	if n.Odds(0.3) {
		c.progress()
	}
	c.insight("call-event.gateway", simulate.Ignored, n.Started, simulate.Object{
		"call_sid": c.sid, "account_sid": c.account, "timestamp": second(n.Started), "edge": carrierEdge, "name": "initiated", "group": "call", "level": "INFO",
	})
	c.end()
	f := n.Figures()
	if f != nil && n.Odds(0.3) {
		c.gatewaySample(f)
	}
	if n.Odds(0.4) {
		c.summary("partial", "carrier", c.Soon(0.2, 1), nil)
	}
	var edges simulate.Object
	if f != nil {
		edges = simulate.Object{carrierEdge: c.edge(c.inbound(f), c.outbound(f))}
	}
	c.summary("complete", "carrier", c.Soon(1, 3), edges)
}

// renderClient is a call of the Voice SDK, which measures while it lasts.
func renderClient(n *simulate.Renderer) {
	c := newRendered(n)
	c.codec = n.Pick("opus", "pcmu")
	var sent, received, lost int64
	for at := n.Answered.Add(sampled); !n.Answered.IsZero() && !at.After(n.Ended); at = at.Add(sampled) {
		share := n.Path.LossAt(float64(at.Sub(n.Answered)) / float64(n.TalkTime()))
		expected := int64(sampled.Seconds()) * simulate.PacketRate
		gone := int64(math.Round(float64(expected) * share / 100))
		if n.Fault == simulate.OneWay {
			gone = 0
		}
		got := expected - gone
		if n.Fault == simulate.OneWay {
			got = 0
		}
		sent, received, lost = sent+expected, received+got, lost+gone
		c.insight("call-metrics.sdk", simulate.Normalized, at, simulate.Object{
			"call_sid": c.sid, "account_sid": c.account, "timestamp": second(at), "edge": sdkEdge, "direction": "both",
			sdkEdge: simulate.Object{
				"interval": c.live(simulate.Object{"packets_received": got, "packets_lost": gone, "codec_name": c.codec}, share, "value"),
				"cumulative": simulate.Object{
					"packets_received": received, "packets_lost": lost, "packets_sent": sent, "bytes_received": 160 * received, "bytes_sent": 160 * sent,
				},
			},
			clientEdge: nil, carrierEdge: nil, sipEdge: nil,
		})
	}
	if n.AgentFails() || n.Odds(0.05) {
		c.insight("call-event.sdk", simulate.Normalized, n.Ended, simulate.Object{
			"call_sid": c.sid, "account_sid": c.account, "timestamp": second(n.Ended), "edge": sdkEdge, "name": "high-rtt", "group": "network-quality-warning-raised", "level": "WARNING",
		})
	}
	c.end()
	var edges simulate.Object
	if f := n.Figures(); f != nil {
		edges = simulate.Object{
			sdkEdge: c.edge(c.live(c.inbound(f), n.Path.LossPct, "avg"), c.outbound(f)),
			clientEdge: c.edge(simulate.Object{
				"codec_name": c.codec, "packets_received": f.Sent - f.RemoteLost, "packets_lost": f.RemoteLost, "jitter": simulate.Object{"avg": 2.5, "max": 9.0},
			}, simulate.Object{"codec_name": c.codec, "packets_sent": f.Received}),
		}
	}
	c.summary("complete", "client", c.Soon(1, 3), edges)
}

// progress posts the callbacks of a subscription to every state.
func (c *rendered) progress() {
	for _, s := range []struct {
		status string
		at     time.Time
	}{{"initiated", c.Started}, {"ringing", c.Ringing}, {call.InProgress, c.Answered}} {
		if !s.at.IsZero() {
			c.Values(simulate.Webhook{Kind: "callback " + s.status, CallID: c.sid, At: s.at}, c.callback(s.status, s.at))
		}
	}
}

func (c *rendered) callback(status string, at time.Time) url.Values {
	v := url.Values{
		"AccountSid": {c.account}, "ApiVersion": {"2010-04-01"}, "CallSid": {c.sid}, "CallStatus": {status},
		"CallbackSource": {"call-progress-events"}, "Direction": {c.Direction("inbound", "outbound-api")},
		"From": {c.From}, "To": {c.To}, "Caller": {c.From}, "Called": {c.To}, "Timestamp": {at.UTC().Format(time.RFC1123Z)},
		"SequenceNumber": {simulate.Itoa(c.sequence)},
	}
	if name := c.Word(c.CallerName); name != "" {
		v.Set("CallerName", name)
	}
	c.sequence++
	return v
}

func (c *rendered) end() {
	v := c.callback(c.Outcome, c.Ended)
	if c.Outbound {
		v.Set("SipResponseCode", simulate.Itoa(c.SIPCode))
	}
	seconds := int(c.TalkTime().Seconds())
	v.Set("CallDuration", simulate.Itoa(seconds))
	v.Set("Duration", simulate.Itoa((seconds+59)/60))
	c.Values(simulate.Webhook{Kind: "callback end", CallID: c.sid, At: c.Ended}, v)
}

// insight posts one event of Voice Insights by Event Streams. Its data is an object, or,
// as in the vendor's own example, the text of one.
func (c *rendered) insight(kind string, expect simulate.Expect, at time.Time, data simulate.Object) {
	e := simulate.Object{
		"specversion": "1.0", "type": "com.twilio.voice.insights." + kind, "source": "/v1/Voice/" + c.sid, "id": "EZ" + c.Hex(32),
		"datacontenttype": "application/json", "time": simulate.ISO(at), "data": data,
	}
	if c.Odds(0.3) {
		e["data"] = string(simulate.Encode(data))
	}
	c.JSON(simulate.Webhook{Kind: kind, CallID: c.sid, At: at, Expect: expect}, []simulate.Object{e})
}

func (c *rendered) summary(processing, kind string, at time.Time, edges simulate.Object) {
	states := map[string]string{call.Failed: "fail", call.NoAnswer: "noanswer"}
	state := states[c.Outcome]
	if state == "" {
		state = c.Outcome
	}
	data := simulate.Object{
		"call_sid": c.sid, "account_sid": c.account, "parent_call_sid": "", "call_type": kind, "call_state": state,
		"processing_state": processing, "processing_version": 1, "start_time": second(c.Started), "end_time": second(c.Ended),
		"duration": int(c.Ended.Sub(c.Started).Seconds()), "connect_duration": int(c.TalkTime().Seconds()),
		"from": simulate.Object{"caller": c.From, "country_code": "", "carrier": c.Word("Example Mobile")}, "to": simulate.Object{"callee": c.To, "country_code": ""},
		carrierEdge: nil, sipEdge: nil, clientEdge: nil, sdkEdge: nil, "tags": []string{}, "attributes": nil,
		"properties": simulate.Object{
			"q850_cause": 0, "last_sip_response_num": c.SIPCode, "pdd_ms": 0, "media_region": c.region, "signaling_region": c.region,
			"disconnected_by": c.Pick("caller", "callee", "unknown_disconnected_by"), "direction": c.Direction("inbound", "outbound_api"),
		},
	}
	maps.Copy(data, edges)
	c.insight("call-summary."+processing, simulate.Normalized, at, data)
}

func (c *rendered) edge(in, out simulate.Object) simulate.Object {
	return simulate.Object{"metrics": simulate.Object{"inbound": in, "outbound": out}, "properties": simulate.Object{"media_region": c.region}}
}

// inbound are the counters of what an edge received.
func (c *rendered) inbound(f *simulate.Figures) simulate.Object {
	lost := int64(0)
	if c.Fault != simulate.OneWay {
		lost = int64(math.Round(float64(f.Received) * c.Path.LossPct / (100 - c.Path.LossPct)))
	}
	o := simulate.Object{
		"codec": 0, "codec_name": c.codec, "packets_received": f.Received, "packets_lost": lost,
		"jitter": simulate.Object{"avg": simulate.Round(c.Path.JitterMs, 2), "max": simulate.Round(2*c.Path.JitterMs, 2)},
	}
	if all := f.Received + lost; all > 0 {
		o["packets_loss_percentage"] = simulate.Round(100*float64(lost)/float64(all), 2)
	}
	return o
}

func (c *rendered) outbound(f *simulate.Figures) simulate.Object {
	return simulate.Object{"codec": 0, "codec_name": c.codec, "packets_sent": f.Sent, "packets_lost": 0, "packets_loss_percentage": 0}
}

// live adds what only the SDK measures, under the name of a mean or of a single value.
func (c *rendered) live(o simulate.Object, lossPct float64, name string) simulate.Object {
	if c.Fault != simulate.OneWay {
		o["mos"] = simulate.Object{name: simulate.Round(min(4.4, max(1, 4.4-lossPct*0.11-c.Path.RTTMs/1000)), 2)}
	}
	o["rtt"] = simulate.Object{name: simulate.Round(c.Path.RTTMs, 0), "max": simulate.Round(1.4*c.Path.RTTMs, 0)}
	o["jitter"] = simulate.Object{name: simulate.Round(c.Path.JitterMs, 2), "max": simulate.Round(2*c.Path.JitterMs, 2)}
	return o
}

// gatewaySample is one sample of a media gateway, after the call.
func (c *rendered) gatewaySample(f *simulate.Figures) {
	in := c.inbound(f)
	c.insight("call-metrics.gateway", simulate.Normalized, c.Ended, simulate.Object{
		"call_sid": c.sid, "account_sid": c.account, "timestamp": second(c.Ended), "edge": carrierEdge, "direction": "inbound",
		carrierEdge: simulate.Object{"codec_name": c.codec, "cumulative": in, "metadata": simulate.Object{"region": c.region}},
	})
}

// second is a time as Voice Insights writes it.
func second(t time.Time) string { return t.UTC().Format(time.RFC3339) }
