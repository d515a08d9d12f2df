package simulate

import (
	"math"
	"strings"
	"time"
)

// sdk is one of Telnyx' Voice SDKs, whose call reports the customer's own
// application relays. Each writes them in its own way.
type sdk struct {
	name, version     string
	interval          time.Duration
	inbound, outbound string // directions
	active, done      string // states; "": left out while active
	flush             string // flushReason of intermediate reports, "" for none
	segments          bool   // flushes while the call goes on
	upperCaseID       bool
	nulls             bool // null for unknown, instead of no member
	zeros             bool // 0 for unknown
	bareSegments      bool // no state, times and duration while the call goes on
	remoteJitterPerMs float64
	sessionMember     string
}

func sdks() []sdk {
	return []sdk{
		{
			name: "js", version: "2.27.10", interval: 5 * time.Second, inbound: "inbound", outbound: "outbound",
			active: "active", done: "destroy", flush: "buffer-limit", segments: true,
			remoteJitterPerMs: 1, sessionMember: "voiceSdkSessionId",
		},
		{
			name: "ios", version: "4.1.2", interval: 5 * time.Second, inbound: "inbound", outbound: "outbound",
			active: "active", done: "done", segments: true, upperCaseID: true,
			remoteJitterPerMs: 1, sessionMember: "voiceSdkSessionId",
		},
		{
			name: "android", version: "3.7.0", interval: 5 * time.Second, inbound: "inbound", outbound: "outbound",
			active: "active", done: "done", zeros: true, remoteJitterPerMs: 1, sessionMember: "voiceSdkSessionId",
		},
		{
			name: "flutter", version: "4.2.0", interval: 5 * time.Second, inbound: "inbound", outbound: "outbound",
			active: "active", done: "done", flush: "safety-interval", segments: true, bareSegments: true,
			remoteJitterPerMs: 0.001, sessionMember: "voiceSdkId",
		},
		{
			name: "rn", version: "0.4.3", interval: 5 * time.Second, inbound: "INCOMING", outbound: "OUTGOING",
			active: "active", done: "done", segments: true, nulls: true,
			remoteJitterPerMs: 1, sessionMember: "voiceSdkSessionId",
		},
	}
}

func sdkForms() []form {
	var forms []form
	for _, k := range sdks() {
		shows := []fault{loss, congestion}
		if k.segments {
			shows = append(shows, growingLoss)
		}
		forms = append(forms, form{"sdk " + k.name, 1, proof{byToken()}, shows, k.tell})
	}
	return forms
}

// flushEvery is the time between intermediate reports. The SDKs' default is
// three minutes; applications that want to see live trouble set it lower.
const flushEvery = 30 * time.Second

// sdkReports is the state of a collector: its counters run since the answer.
type sdkReports struct {
	*narrator
	sdk
	callID, session, leg, sdkID string
	begun                       time.Time
	received, lost, sent        int64
	concealed, samples          int64
	remoteLost                  int64
}

func (k sdk) tell(n *narrator) {
	if n.answered.IsZero() {
		n.answered = n.ended.Add(-20 * time.Second) // a report exists only where media flowed
		n.ringing, n.started, n.outcome, n.sip = time.Time{}, n.answered.Add(-2*time.Second), "completed", 200
	}
	r := &sdkReports{
		narrator: n, sdk: k, callID: n.uuid(), session: n.uuid(), leg: n.uuid(), sdkID: n.uuid(), begun: n.answered,
	}
	var stats []object
	segment, flushed := 0, r.begun
	for start := r.begun; start.Before(n.ended); start = start.Add(k.interval) {
		end := start.Add(k.interval)
		if end.After(n.ended) {
			end = n.ended
		}
		stats = append(stats, r.measure(start, end))
		if k.segments && end.Sub(flushed) >= flushEvery && n.ended.Sub(end) >= k.interval {
			r.report(stats, segment, end, false)
			stats, flushed, segment = nil, end, segment+1
		}
	}
	r.report(stats, segment, n.ended, true)
}

// report posts the intervals since the last report.
func (r *sdkReports) report(stats []object, segment int, at time.Time, final bool) {
	body := object{"summary": r.summary(at, final), "stats": stats}
	if !final && r.flush != "" {
		body["flushReason"] = object{"type": r.flush}
	}
	if !final || segment > 0 {
		body["segment"] = segment
	}
	if r.name == "js" {
		body["logs"] = []object{{"timestamp": iso(at), "level": "info", "message": r.word("call report collector: flush")}}
	}
	if r.name == "android" {
		body["call_id"], body["call_report_id"], body["voice_sdk_id"] = r.callID, r.uuid(), r.sdkID
		body["telnyx_leg_id"], body["telnyx_session_id"] = r.leg, r.session
		body["android_extra"] = object{"deviceInfo": object{
			"userAgent": "Android SDK " + r.version, "networkType": "wifi", "selectedCodec": "opus", "endReason": "normal",
		}}
	}
	kind := "sdk report segment"
	if final {
		kind = "sdk report final"
	}
	r.json(webhook{kind: kind, callID: r.callID, at: at, header: map[string]string{
		"X-Call-Id": r.callID, "X-Voice-Sdk-Id": r.sdkID, "X-Call-Report-Id": r.uuid(),
	}}, body)
}

func (r *sdkReports) summary(at time.Time, final bool) object {
	id := r.callID
	if r.upperCaseID {
		id = strings.ToUpper(id)
	}
	s := object{
		"callId": id, "destinationNumber": r.to, "callerNumber": r.from, "direction": r.direction(r.inbound, r.outbound),
		"telnyxSessionId": r.session, "telnyxLegId": r.leg, r.sessionMember: r.sdkID, "sdkVersion": r.version,
	}
	if r.nulls {
		s["telnyxSessionId"], s["telnyxLegId"] = nil, nil
	}
	if r.name == "js" {
		s["clientSummary"] = object{
			"authentication": object{"type": "login_token"},
			"connection":     object{"env": "production", "region": "auto", "dc": r.pick("us-central", "eu-west")},
			"callReports":    object{"enabled": true, "intervalMs": 5000, "flushIntervalMs": flushEvery.Milliseconds()},
		}
	}
	if r.bareSegments && !final {
		return s
	}
	s["state"] = r.active
	if final {
		s["state"] = r.done
	}
	s["durationSeconds"] = round(at.Sub(r.begun).Seconds(), 2)
	s["startTimestamp"], s["endTimestamp"] = iso(r.begun), iso(at)
	return s
}

// measure adds one interval to the counters and returns it as the SDK writes it.
func (r *sdkReports) measure(start, end time.Time) object {
	secs := end.Sub(start).Seconds()
	middle := start.Add(end.Sub(start) / 2).Sub(r.begun)
	lossPct := r.path.lossAt(float64(middle) / float64(r.ended.Sub(r.begun)))
	expected := int64(math.Round(secs * packetRate))
	lost := int64(float64(expected)*lossPct/100 + r.Float64())
	r.sent += expected
	r.remoteLost += lost / 4
	if r.fault == oneWay {
		expected, lost = 0, 0
	}
	r.received += expected - lost
	r.lost += lost
	r.samples += expected * 960 // 20 ms at 48 kHz
	r.concealed += lost * 960
	return object{
		"intervalStartUtc": iso(start), "intervalEndUtc": iso(end),
		"audio": object{"inbound": r.inboundAudio(), "outbound": object{
			"packetsSent": r.sent, "bytesSent": r.sent * 82, "audioLevelAvg": round(r.between(0.03, 0.09), 4), "bitrateAvg": 32000,
			"codec": r.codecInfo(),
		}},
		"connection": r.connection(start),
		"ice": object{
			"id": "CP1", "state": "succeeded", "nominated": true, "writable": true, "requestsSent": 4, "responsesReceived": 4,
			"local":  object{"id": "L1", "address": "203.0.113.10", "port": 50000, "candidateType": "srflx", "protocol": "udp", "networkType": "wifi"},
			"remote": object{"id": "R1", "address": "198.51.100.41", "port": 20000, "candidateType": "host", "protocol": "udp"},
		},
		"transport": object{
			"iceState": "connected", "dtlsState": "connected", "srtpCipher": "AES_CM_128_HMAC_SHA1_80",
			"tlsVersion": "FEFD", "selectedCandidatePairChanges": 1,
		},
		"remoteRtcp": object{"inbound": object{
			"packetsLost": r.remoteLost, "fractionLost": round(lossPct/400, 4), "roundTripTimeAvg": r.rtt(),
			"jitter": round(r.path.jitterMs*r.remoteJitterPerMs, 6),
		}},
	}
}

func (r *sdkReports) inboundAudio() object {
	in := object{
		"packetsReceived": r.received, "bytesReceived": r.received * 80, "packetsLost": r.lost, "packetsDiscarded": 0,
		"jitterBufferDelay": round(float64(r.samples)*0.045, 3), "jitterBufferEmittedCount": r.samples,
		"totalSamplesReceived": r.samples, "concealedSamples": r.concealed, "concealmentEvents": r.lost,
		"audioLevelAvg": round(r.between(0.05, 0.15), 4), "jitterAvg": r.jitter(), "bitrateAvg": 32000,
	}
	if r.received == 0 {
		for _, unknown := range []string{"audioLevelAvg", "jitterAvg", "bitrateAvg"} {
			r.unknown(in, unknown)
		}
	}
	if !r.nulls && !r.zeros {
		in["codec"] = r.codecInfo()
	}
	return in
}

// unknown writes what the SDK writes where it has no value.
func (r *sdkReports) unknown(group object, member string) {
	switch {
	case r.nulls:
		group[member] = nil
	case r.zeros:
		group[member] = 0.0
	default:
		delete(group, member)
	}
}

func (r *sdkReports) connection(start time.Time) object {
	c := object{
		"roundTripTimeAvg": r.rtt(), "packetsSent": r.sent + 8, "packetsReceived": r.received + 8,
		"bytesSent": r.sent * 110, "bytesReceived": r.received * 108,
	}
	if start.Equal(r.begun) { // no report of the far end yet
		r.unknown(c, "roundTripTimeAvg")
	}
	return c
}

func (r *sdkReports) codecInfo() object {
	return object{
		"mimeType": "audio/opus", "clockRate": 48000, "channels": 2, "payloadType": 111,
		"sdpFmtpLine": "minptime=10;useinbandfec=1", "codecId": "C111",
	}
}

// jitter is in milliseconds, rtt in seconds: so the SDKs have it.
func (r *sdkReports) jitter() float64 { return round(r.path.jitterMs*r.between(0.85, 1.15), 2) }
func (r *sdkReports) rtt() float64    { return round(r.path.rttMs*r.between(0.9, 1.1)/1000, 4) }
