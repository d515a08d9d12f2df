package simulate

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// sdk is one of Telnyx' Voice SDKs, whose call reports the customer's own
// application relays. Each writes them in its own way.
type sdk struct {
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

func sdks() []sdk {
	return []sdk{
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

func sdkForms() []form {
	var forms []form
	for _, k := range sdks() {
		shows := []fault{loss, congestion}
		if k.segments {
			shows = append(shows, growingLoss)
		}
		if !k.rings { // else nothing in the reports proves that the call was answered
			shows = append(shows, oneWay)
		}
		forms = append(forms, form{"sdk " + k.name, 1, proof{byToken()}, shows, k.tell})
	}
	return forms
}

// flushEvery is the time between intermediate reports. The SDKs' default is
// three minutes; applications that want to see live trouble set it lower.
const flushEvery = 30 * time.Second

// sdkReports writes the reports of one collector.
type sdkReports struct {
	*narrator
	sdk
	media                       *collector
	callID, session, leg, sdkID string
	dropped                     bool // ended by the loss of the network: the call may be attached again
}

func (k sdk) tell(n *narrator) {
	if n.answered.IsZero() && k.name != "js" && k.name != "android" {
		// The others report only where media flowed.
		n.answered = n.ended.Add(-20 * time.Second)
		n.ringing, n.started, n.outcome, n.sip = time.Time{}, n.answered.Add(-2*time.Second), "completed", 200
	}
	r := k.reports(n)
	if talk := n.talkTime(); n.fault == none && k.stateLog != "" && talk > 30*time.Second && n.odds(0.2) {
		r.media.holds = []span{{n.answered.Add(talk / 4), n.answered.Add(talk/4 + 8*time.Second)}}
	}
	r.write(r.media.collect(), k.every(r.media.begun, n.ended, flushEvery))
}

func (k sdk) reports(n *narrator) *sdkReports {
	r := &sdkReports{
		narrator: n, sdk: k, callID: n.uuid(), session: n.uuid(), leg: n.uuid(), sdkID: n.uuid(),
		media: &collector{story: n.story, sdk: k, begun: n.answered, until: n.ended},
	}
	if k.rings {
		r.media.begun = n.started
	}
	return r
}

// every is the times of flushes, none near the end.
func (k sdk) every(from, to time.Time, step time.Duration) (cuts []time.Time) {
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
	last := r.started
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
	entries := make([]object, 0, len(stats))
	for _, m := range stats {
		entries = append(entries, m.entry)
	}
	body := object{"summary": r.summary(at, final), "stats": entries}
	if !final && r.flush != "" {
		body["flushReason"] = object{"type": r.flush}
	}
	if !final || segment > 0 {
		body["segment"] = segment
	}
	if logs := r.logs(since, at, final); len(logs) > 0 {
		body["logs"] = logs
	}
	if r.name == "android" {
		body["call_id"], body["call_report_id"], body["voice_sdk_id"] = r.callID, r.uuid(), r.sdkID
		body["telnyx_leg_id"], body["telnyx_session_id"] = r.leg, r.session
		body["android_extra"] = object{"deviceInfo": object{
			"userAgent": "Android SDK " + r.version, "networkType": "wifi", "selectedCodec": "opus", "endReason": r.endReason(),
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

// endReason is Android's, by the state in which the call ended.
func (r *sdkReports) endReason() string {
	if r.answered.IsZero() {
		return "USER_BUSY"
	}
	return "NORMAL_CLEARING"
}

// logs are the changes of state between two times; the last report has all that
// were not sent before.
func (r *sdkReports) logs(since, at time.Time, final bool) (logs []object) {
	if r.stateLog == "" {
		return nil
	}
	log := func(when time.Time, from, to string) {
		if when.IsZero() || !when.After(since) || when.After(at) && !final {
			return
		}
		entry := object{"timestamp": r.media.time(when), "level": "info", "message": "Call state changed"}
		switch r.stateLog {
		case "message":
			entry["level"], entry["message"] = "debug", fmt.Sprintf("Call %s state change from %s to %s", r.callID, from, to)
		case "context":
			entry["context"] = object{"state": to, "previousState": from}
		default:
			entry["context"] = object{"state": strings.ToUpper(to), "reason": ""}
		}
		logs = append(logs, entry)
	}
	log(r.started.Add(time.Millisecond), "new", "requesting")
	log(r.answered, "requesting", "active")
	for _, h := range r.media.holds {
		log(h.from, "active", "held")
		log(h.to, "held", "active")
	}
	return append(logs, object{"timestamp": r.media.time(at), "level": "info", "message": r.word("call report collector: flush")})
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
			"connection":     object{"env": "production", "region": "auto", "dc": "us-central"},
			"callReports":    object{"enabled": true, "intervalMs": 5000, "flushIntervalMs": flushEvery.Milliseconds()},
		}
	}
	if r.bareSegments && !final {
		return s
	}
	begun := r.started
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
	s["durationSeconds"] = round(at.Sub(begun).Seconds(), 3)
	s["startTimestamp"], s["endTimestamp"] = r.media.time(begun), r.media.time(at)
	return s
}

// time is a time as the SDK writes it.
func (c *collector) time(t time.Time) string {
	if c.micros {
		return t.Format("2006-01-02T15:04:05.000000Z")
	}
	return iso(t)
}
