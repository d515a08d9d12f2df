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
	sdk := telnyxSDKOf(n)
	stats, err := telnyxStatsOf(n, sdk)
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
		telnyxSummary(&e, n, stats, last)
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
//
// The evidence of an answer are the intervals of an SDK that collects from the
// answer on, not the envelope: it calls every report that is the last one done.
func telnyxSummary(e *call.Event, n node, s *telnyxStats, last bool) {
	summary := n.at("summary")
	state := foldWord(summary.at("state").text())
	e.Direction = telnyxDirection(summary.at("direction").text())
	e.From, e.To = summary.at("callerNumber").text(), summary.at("destinationNumber").text()
	if e.StartedAt = s.counters.Start; s.sdk.flushStarts && state == "active" {
		e.StartedAt = time.Time{} // of the collector
	}
	if e.Kind == call.Stats {
		e.Status = call.InProgress
	}
	if s.sdk.active && (len(s.intervals) > 0 || state == "active" || state == "held") {
		e.Answered = new(true)
		if s.counters.Begins && !s.started.Before(e.StartedAt) {
			e.AnsweredAt = s.started
		}
	}
	if !last {
		return
	}
	e.EndedAt = e.OccurredAt
	e.HangupCause = n.at("android_extra", "deviceInfo", "endReason").or(n.at("android_extra", "endReason")).text()
	switch {
	case s.sdk.active && len(s.intervals) > 0:
		e.Status = call.Completed
		if e.EndedAt.IsZero() {
			e.EndedAt = s.counters.To
		}
	case s.sdk.ends:
		telnyxEndReason(e, n)
	}
}

// telnyxEndReason takes the outcome from Android's reason: an active call ends with
// normal clearing, one that rings with user busy, whoever ended it. The SDK does
// not say when the call was answered, so its talk time is unknown.
func telnyxEndReason(e *call.Event, n node) {
	cause := foldWord(e.HangupCause)
	switch {
	case cause == "normal-clearing", cause == "time-limit":
		e.Status = call.Completed
		if total := n.at("summary", "durationSeconds").number(); total != nil && *total > 0 && *total <= 6 {
			e.ShortCall = new(true) // the talk was shorter still
		}
	case cause == "user-busy": // also of a caller who gave up: not busy, then
		e.Answered = new(false)
	case telnyxUnanswered(cause):
		e.Status = telnyxStatus(e)
	}
	if e.Answered != nil && !*e.Answered || e.Status != "" && e.Status != call.Completed {
		e.DurationSec = new(0.0)
	}
}

// telnyxFinal says whether nothing follows a report: its flush was for the call's
// end, or it has no flush reason and the state is not one of a running call.
func telnyxFinal(n node) bool {
	if flush := foldWord(n.at("flushReason", "type").text()); flush != "" || n.at("flushReason").isObject() {
		return flush == "call-end"
	}
	switch foldWord(n.at("summary", "state").text()) {
	case "new", "requesting", "trying", "recovering", "ringing", "answering", "early", "connecting", "active", "held", "reconnecting",
		"dropped": // not terminated: it may be attached again
		return false
	}
	return true
}

// telnyxReportID tells reports apart: segments are numbered anew after a page is
// loaded again, and chunks of one report have no number. The same report is told
// apart by how it came and for which call, because it is another event then.
func telnyxReportID(n node, e *call.Event, s *telnyxStats, fetchedFor string) string {
	started, first := summaryText(n, "startTimestamp"), ""
	if !s.started.IsZero() {
		first = s.started.Format(time.RFC3339Nano)
	}
	if started == "" && first == "" {
		return recordID(n)
	}
	segment := "final"
	if i := n.at("segment").integer(); i != nil {
		segment = strconv.FormatInt(*i, 10)
	}
	parts := []string{string(e.Kind), e.CallID, segment, cmp.Or(started, "-"), cmp.Or(first, "-")}
	if ended := summaryText(n, "endTimestamp"); ended != "" { // a last report may be sent again, with more
		parts = append(parts, ended)
	}
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
