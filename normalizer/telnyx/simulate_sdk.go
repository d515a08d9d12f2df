package telnyx

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"callwatch/normalizer/simulate"
)

// simulatedSDK is one of Telnyx' Voice SDKs, whose call reports the customer's own
// application relays. Each writes them in its own way.
type simulatedSDK struct {
	name, version     string
	interval          time.Duration // in the first seconds: React Native's become longer
	later             time.Duration
	inbound, outbound string // directions
	active, done      string // states; "": left out while active
	flush             string // flushReason of intermediate reports, "" for none
	segments          bool   // flushes while the call goes on
	rings             bool   // collects from the start of the call on, not from its answer
	rest              bool   // the rest of an interval is reported at the end
	emptyRest         bool   // without figures: the streams are closed by then
	upperCaseID       bool
	nulls             bool   // null for unknown, instead of no member
	zeros             bool   // 0 for unknown
	bareSegments      bool   // no state, times and duration while the call goes on
	flushStarts       bool   // reports in mid call have the collector's start, not the call's
	micros            bool   // times in microseconds
	stateLog          string // how a change of state is logged; "" for not at all
	remoteJitterPerMs float64
	sessionMember     string
}

func simulatedSDKs() []simulatedSDK {
	return []simulatedSDK{
		{
			name: "js", version: "2.27.10", interval: time.Second, later: time.Second, inbound: "inbound", outbound: "outbound",
			active: "active", done: "destroy", flush: "buffer-limit", segments: true, rest: true, emptyRest: true,
			stateLog: "message", remoteJitterPerMs: 1, sessionMember: "voiceSdkSessionId",
		},
		{
			name: "ios", version: "4.1.2", interval: 5 * time.Second, later: 5 * time.Second, inbound: "inbound", outbound: "outbound",
			active: "active", done: "done", segments: true, upperCaseID: true,
			stateLog: "CONTEXT", remoteJitterPerMs: 1, sessionMember: "voiceSdkSessionId",
		},
		{
			name: "android", version: "3.7.0", interval: 5 * time.Second, later: 5 * time.Second, inbound: "inbound", outbound: "outbound",
			active: "active", done: "done", zeros: true, rings: true, remoteJitterPerMs: 1, sessionMember: "voiceSdkSessionId",
		},
		{
			name: "flutter", version: "4.2.0", interval: 5 * time.Second, later: 5 * time.Second, inbound: "inbound", outbound: "outbound",
			active: "active", done: "done", flush: "safety-interval", segments: true, rings: true, bareSegments: true, micros: true,
			remoteJitterPerMs: 0.001, sessionMember: "voiceSdkId",
		},
		{
			name: "rn", version: "0.4.3", interval: time.Second, later: 5 * time.Second, inbound: "INCOMING", outbound: "OUTGOING",
			active: "active", done: "done", segments: true, rest: true, nulls: true, flushStarts: true,
			stateLog: "context", remoteJitterPerMs: 1, sessionMember: "voiceSdkSessionId",
		},
	}
}

func sdkForms() []simulate.Form {
	var forms []simulate.Form
	for _, k := range simulatedSDKs() {
		shows := []simulate.Fault{simulate.Loss, simulate.Congestion}
		if k.segments {
			shows = append(shows, simulate.GrowingLoss)
		}
		if !k.rings { // else nothing in the reports proves that the call was answered
			shows = append(shows, simulate.OneWay)
		}
		forms = append(forms, simulate.Form{Name: "sdk " + k.name, Weight: 1, Proof: simulate.Proof{simulate.ByToken()}, Shows: shows, Render: k.render})
	}
	return forms
}

// flushEvery is the time between intermediate reports. The SDKs' default is
// three minutes; applications that want to see live trouble set it lower.
const flushEvery = 30 * time.Second

// sdkReports writes the reports of one collector.
type sdkReports struct {
	*simulate.Renderer
	simulatedSDK
	media                       *collector
	callID, session, leg, sdkID string
	dropped                     bool // ended by the loss of the network: the call may be attached again
}

func (k simulatedSDK) render(n *simulate.Renderer) {
	if n.Answered.IsZero() && k.name != "js" && k.name != "android" {
		// The others report only where media flowed.
		n.Answered = n.Ended.Add(-20 * time.Second)
		n.Ringing, n.Started, n.Outcome, n.SIPCode = time.Time{}, n.Answered.Add(-2*time.Second), "completed", 200
	}
	r := k.reports(n)
	if talk := n.TalkTime(); n.Fault == simulate.None && k.stateLog != "" && talk > 30*time.Second && n.Odds(0.2) {
		r.media.holds = []span{{n.Answered.Add(talk / 4), n.Answered.Add(talk/4 + 8*time.Second)}}
	}
	r.write(r.media.collect(), k.every(r.media.begun, n.Ended, flushEvery))
}

func (k simulatedSDK) reports(n *simulate.Renderer) *sdkReports {
	r := &sdkReports{
		Renderer: n, simulatedSDK: k, callID: n.UUID(), session: n.UUID(), leg: n.UUID(), sdkID: n.UUID(),
		media: &collector{Call: n.Call, simulatedSDK: k, begun: n.Answered, until: n.Ended},
	}
	if k.rings {
		r.media.begun = n.Started
	}
	return r
}

// every is the times of flushes, none near the end.
func (k simulatedSDK) every(from, to time.Time, step time.Duration) (cuts []time.Time) {
	if !k.segments || from.IsZero() {
		return nil
	}
	for at := from.Add(step); to.Sub(at) >= k.later; at = at.Add(step) {
		cuts = append(cuts, at)
	}
	return cuts
}

// write posts the intervals in reports: one up to each cut, and the last one.
func (r *sdkReports) write(stats []measured, cuts []time.Time) {
	last := r.Started
	for segment, cut := range cuts {
		n, _ := slices.BinarySearchFunc(stats, cut, func(m measured, at time.Time) int {
			if m.end.After(at) {
				return 1
			}
			return -1
		})
		r.report(stats[:n], segment, last, cut, false)
		stats, last = stats[n:], cut
	}
	r.report(stats, len(cuts), last, r.media.until, true)
}

// report posts one report, with what was logged since the time of the last one.
func (r *sdkReports) report(stats []measured, segment int, since, at time.Time, final bool) {
	entries := make([]simulate.Object, 0, len(stats))
	for _, m := range stats {
		entries = append(entries, m.entry)
	}
	body := simulate.Object{"summary": r.summary(at, final), "stats": entries}
	if !final && r.flush != "" {
		body["flushReason"] = simulate.Object{"type": r.flush}
	}
	if !final || segment > 0 {
		body["segment"] = segment
	}
	if logs := r.logs(since, at, final); len(logs) > 0 {
		body["logs"] = logs
	}
	if r.name == "android" {
		body["call_id"], body["call_report_id"], body["voice_sdk_id"] = r.callID, r.UUID(), r.sdkID
		body["telnyx_leg_id"], body["telnyx_session_id"] = r.leg, r.session
		body["android_extra"] = simulate.Object{"deviceInfo": simulate.Object{
			"userAgent": "Android SDK " + r.version, "networkType": "wifi", "selectedCodec": "opus", "endReason": r.endReason(),
		}}
	}
	kind := "sdk report segment"
	if final {
		kind = "sdk report final"
	}
	r.JSON(simulate.Webhook{Kind: kind, CallID: r.callID, At: at, Header: map[string]string{
		"X-Call-Id": r.callID, "X-Voice-Sdk-Id": r.sdkID, "X-Call-Report-Id": r.UUID(),
	}}, body)
}

// endReason is Android's, by the state in which the call ended.
func (r *sdkReports) endReason() string {
	if r.Answered.IsZero() {
		return "USER_BUSY"
	}
	return "NORMAL_CLEARING"
}

// logs are the changes of state between two times; the last report has all that
// were not sent before.
func (r *sdkReports) logs(since, at time.Time, final bool) (logs []simulate.Object) {
	if r.stateLog == "" {
		return nil
	}
	log := func(when time.Time, from, to string) {
		if when.IsZero() || !when.After(since) || when.After(at) && !final {
			return
		}
		entry := simulate.Object{"timestamp": r.media.time(when), "level": "info", "message": "Call state changed"}
		switch r.stateLog {
		case "message":
			entry["level"], entry["message"] = "debug", fmt.Sprintf("Call %s state change from %s to %s", r.callID, from, to)
		case "context":
			entry["context"] = simulate.Object{"state": to, "previousState": from}
		default:
			entry["context"] = simulate.Object{"state": strings.ToUpper(to), "reason": ""}
		}
		logs = append(logs, entry)
	}
	log(r.Started.Add(time.Millisecond), "new", "requesting")
	log(r.Answered, "requesting", "active")
	for _, h := range r.media.holds {
		log(h.from, "active", "held")
		log(h.to, "held", "active")
	}
	return append(logs, simulate.Object{"timestamp": r.media.time(at), "level": "info", "message": r.Word("call report collector: flush")})
}

func (r *sdkReports) summary(at time.Time, final bool) simulate.Object {
	id := r.callID
	if r.upperCaseID {
		id = strings.ToUpper(id)
	}
	s := simulate.Object{
		"callId": id, "destinationNumber": r.To, "callerNumber": r.From, "direction": r.Direction(r.inbound, r.outbound),
		"telnyxSessionId": r.session, "telnyxLegId": r.leg, r.sessionMember: r.sdkID, "sdkVersion": r.version,
	}
	if r.nulls {
		s["telnyxSessionId"], s["telnyxLegId"] = nil, nil
	}
	if r.name == "js" {
		s["clientSummary"] = simulate.Object{
			"authentication": simulate.Object{"type": "login_token"},
			"connection":     simulate.Object{"env": "production", "region": "auto", "dc": "us-central"},
			"callReports":    simulate.Object{"enabled": true, "intervalMs": 5000, "flushIntervalMs": flushEvery.Milliseconds()},
		}
	}
	if r.bareSegments && !final {
		return s
	}
	begun := r.Started
	if r.flushStarts && !final {
		begun = r.media.begun
	}
	s["state"] = r.active
	switch {
	case final && r.dropped:
		s["state"] = "dropped"
	case final:
		s["state"] = r.done
	case r.media.heldAt(at):
		s["state"] = "held"
	}
	if r.flushStarts && !final {
		s["state"] = r.active // whatever it is
	}
	s["durationSeconds"] = simulate.Round(at.Sub(begun).Seconds(), 3)
	s["startTimestamp"], s["endTimestamp"] = r.media.time(begun), r.media.time(at)
	return s
}

// time is a time as the SDK writes it.
func (c *collector) time(t time.Time) string {
	if c.micros {
		return t.Format("2006-01-02T15:04:05.000000Z")
	}
	return simulate.ISO(t)
}
