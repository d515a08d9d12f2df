package normalizer

import (
	"cmp"
	"errors"
	"strconv"
	"strings"
	"time"

	"callwatch/call"
)

// telnyxReport maps a Voice SDK call report, relayed by the customer or fetched
// by REST. Raw is the report less stats and logs; envelope members keep their
// snake_case names, those of summary their camelCase ones. A relayed report's
// call_report_id is the credential it was posted with, so it is left out.
func telnyxReport(n node, source Source, fetchedFor string) ([]call.Event, error) {
	summary := n.at("summary")
	e := call.Event{Identity: call.Identity{
		CallID:    strings.ToLower(summary.at("callId").or(n.at("call_id")).text()),
		SessionID: n.at("telnyx_session_id").or(summary.at("telnyxSessionId")).text(),
		Region:    telnyxRegion(n),
		UserAgent: n.at("user_agent").or(n.at("version")).or(n.at("android_extra", "deviceInfo", "userAgent")).text(),
		Transport: call.WebRTC,
	}}
	if e.CallID == "" {
		return nil, errors.New("call report names no call")
	}
	stats, err := telnyxStatsOf(n, telnyxSDKOf(n))
	if err != nil {
		return nil, err
	}
	last := telnyxFinal(n)
	switch {
	case source != Pushed:
		e.Kind = call.Report
	case last:
		e.Kind = call.Ended
	default:
		e.Kind = call.Stats
	}
	e.Final = last

	e.OccurredAt = summary.at("endTimestamp").time()
	if fetchedFor == "" || source == Imported {
		telnyxSummary(&e, n, last)
		if fetchedFor != "" && fetchedFor != e.CallID {
			e.Direction = "" // that of the user, and the call is the account's leg
		}
	}
	stats.fill(&e)
	if e.OccurredAt.IsZero() {
		if e.OccurredAt = stats.counters.To; e.OccurredAt.IsZero() {
			e.OccurredAt = n.at("stored_at").or(n.at("created_at")).time()
		}
	}
	e.ID = telnyxReportID(n, &e, stats, fetchedFor)

	without := []string{"stats", "logs"}
	if source == Pushed {
		without = append(without, "call_report_id")
	}
	e.Raw = rawOf(n, without, nil)
	return []call.Event{e}, nil
}

// telnyxSummary takes what the report says of the call as a whole. A report that
// was fetched for a hangup does not get here: the SDK knows less of the outcome
// than the webhook. An imported one does, as its hangup may be long forgotten. A
// report in mid call ends at the time of the flush, which is not the call's end,
// and read after the call it does not say that the call goes on.
func telnyxSummary(e *call.Event, n node, last bool) {
	summary := n.at("summary")
	e.Direction = telnyxDirection(summary.at("direction").text())
	e.From, e.To = summary.at("callerNumber").text(), summary.at("destinationNumber").text()
	e.StartedAt = summary.at("startTimestamp").time()
	e.DurationSec = summary.at("durationSeconds").number()
	if e.Kind == call.Stats {
		e.Status = call.InProgress
	}
	if last {
		e.Status = call.Completed
		e.EndedAt = e.OccurredAt
		e.HangupCause = n.at("android_extra", "deviceInfo", "endReason").or(n.at("android_extra", "endReason")).text()
	}
}

// telnyxFinal says whether nothing follows a report: its flush was for the call's
// end, or it has no flush reason and the state is not one of a running call.
func telnyxFinal(n node) bool {
	if flush := foldWord(n.at("flushReason", "type").text()); flush != "" || n.at("flushReason").isObject() {
		return flush == "call-end"
	}
	switch foldWord(n.at("summary", "state").text()) {
	case "new", "requesting", "trying", "recovering", "ringing", "answering", "early", "connecting", "active", "held", "reconnecting":
		return false
	}
	return true
}

// telnyxReportID tells reports apart: segments are numbered anew after a page is
// loaded again, and chunks of one report have no number. The same report is told
// apart by how it came and for which call, because it is another event then.
func telnyxReportID(n node, e *call.Event, s *telnyxStats, fetchedFor string) string {
	started, first := summaryText(n, "startTimestamp"), ""
	if len(s.intervals) > 0 && !s.intervals[0].Start.IsZero() {
		first = s.intervals[0].Start.Format(time.RFC3339Nano)
	}
	if started == "" && first == "" {
		return recordID(n)
	}
	segment := "final"
	if i := n.at("segment").integer(); i != nil {
		segment = strconv.FormatInt(*i, 10)
	}
	parts := []string{string(e.Kind), e.CallID, segment, cmp.Or(started, "-"), cmp.Or(first, "-")}
	if fetchedFor != "" && fetchedFor != e.CallID {
		parts = append(parts, fetchedFor)
	}
	return identified("sdk", parts...)
}

func summaryText(n node, member string) string { return n.at("summary", member).text() }

func telnyxRegion(n node) string {
	if s := n.at("voice_sdk_id_decoded", "region").text(); s != "" {
		return s
	}
	connection := n.at("summary", "clientSummary", "connection")
	if s := connection.at("region").text(); s != "" && s != "auto" {
		return s
	}
	return connection.at("dc").text()
}

// telnyxSDK is what the SDKs do differently.
type telnyxSDK struct {
	zeroCounts   bool    // Android, React Native and iOS write 0 for counters they do not know
	zeroFigures  bool    // Android and React Native do so for averages as well
	remoteJitter float64 // factor to ms of the far end's jitter: Flutter reports seconds
	stream       string  // which run of the counters; Flutter's flushes do not tell
}

// telnyxSDKOf tells the SDK by its user agent, else by its own members: iOS
// writes the call id in upper case, React Native the direction.
func telnyxSDKOf(n node) telnyxSDK {
	summary := n.at("summary")
	agent := strings.ToLower(n.at("user_agent").or(n.at("version")).text())
	upper := func(member string) bool {
		s := summary.at(member).text()
		return s != strings.ToLower(s) && s == strings.ToUpper(s)
	}
	flush := foldWord(n.at("flushReason", "type").text())
	switch {
	case strings.Contains(agent, "flutter") || summary.at("voiceSdkId").text() != "" || flush == "safety-interval":
		return telnyxSDK{remoteJitter: 1000}
	case strings.Contains(agent, "android") || n.at("android_extra").isObject(),
		strings.Contains(agent, "react") || upper("direction"):
		return telnyxSDK{zeroCounts: true, zeroFigures: true, remoteJitter: 1, stream: summaryText(n, "startTimestamp")}
	default:
		ios := strings.Contains(agent, "ios") || upper("callId")
		return telnyxSDK{zeroCounts: ios, remoteJitter: 1, stream: summaryText(n, "startTimestamp")}
	}
}
