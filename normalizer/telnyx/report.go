package telnyx

import (
	"cmp"
	"errors"
	"strconv"
	"strings"
	"time"

	"callwatch/call"
	"callwatch/normalizer"
	"callwatch/normalizer/lenient"
)

// report maps a Voice SDK call report, relayed by the customer or fetched
// by REST. Raw is the report less stats and logs; envelope members keep their
// snake_case names, those of summary their camelCase ones. A relayed report's
// call_report_id is the credential it was posted with, so it is left out.
func report(n lenient.Node, source normalizer.Source, fetchedFor string) ([]call.Event, error) {
	summary := n.At("summary")
	e := call.Event{Identity: call.Identity{
		CallID:    strings.ToLower(summary.At("callId").Or(n.At("call_id")).Text()),
		SessionID: n.At("telnyx_session_id").Or(summary.At("telnyxSessionId")).Text(),
		Region:    region(n),
		UserAgent: n.At("user_agent").Or(n.At("version")).Or(n.At("android_extra", "deviceInfo", "userAgent")).Text(),
		Transport: call.WebRTC,
	}}
	if e.CallID == "" {
		return nil, errors.New("call report names no call")
	}
	sdk := sdkOf(n)
	stats, err := statsOf(n, sdk)
	if err != nil {
		return nil, err
	}
	last := final(n)
	switch {
	case source != normalizer.Pushed:
		e.Kind = call.Report
	case last:
		e.Kind = call.Ended
	default:
		e.Kind = call.Stats
	}
	e.Final = last

	e.OccurredAt = summary.At("endTimestamp").Time()
	if fetchedFor == "" || source == normalizer.Imported {
		telnyxSummary(&e, n, stats, last)
		if fetchedFor != "" && fetchedFor != e.CallID {
			e.Direction = "" // that of the user, and the call is the account's leg
		}
	}
	stats.fill(&e)
	if e.OccurredAt.IsZero() {
		if e.OccurredAt = stats.counters.To; e.OccurredAt.IsZero() {
			e.OccurredAt = n.At("stored_at").Or(n.At("created_at")).Time()
		}
	}
	e.ID = reportID(n, &e, stats, fetchedFor)

	without := []string{"stats", "logs"}
	if source == normalizer.Pushed {
		without = append(without, "call_report_id")
	}
	e.Raw = normalizer.RawOf(n, without, nil)
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
func telnyxSummary(e *call.Event, n lenient.Node, s *stats, last bool) {
	summary := n.At("summary")
	state := lenient.FoldWord(summary.At("state").Text())
	e.Direction = direction(summary.At("direction").Text())
	e.From, e.To = summary.At("callerNumber").Text(), summary.At("destinationNumber").Text()
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
	e.HangupCause = n.At("android_extra", "deviceInfo", "endReason").Or(n.At("android_extra", "endReason")).Text()
	switch {
	case s.sdk.active && len(s.intervals) > 0:
		e.Status = call.Completed
		if e.EndedAt.IsZero() {
			e.EndedAt = s.counters.To
		}
	case s.sdk.ends:
		endReason(e, n)
	}
}

// endReason takes the outcome from Android's reason: an active call ends with
// normal clearing, one that rings with user busy, on either side. The SDK does
// not say when the call was answered, so its talk time is unknown.
func endReason(e *call.Event, n lenient.Node) {
	cause := lenient.FoldWord(e.HangupCause)
	switch {
	case cause == "normal-clearing", cause == "time-limit":
		e.Status = call.Completed
		if total := n.At("summary", "durationSeconds").Number(); total != nil && *total > 0 && *total <= 6 {
			e.ShortCall = new(true) // the talk was shorter still
		}
	case cause == "user-busy": // also of a caller who gave up: not busy, then
		e.Answered = new(false)
	case unanswered(cause):
		e.Status = status(e)
	}
	if e.Answered != nil && !*e.Answered || e.Status != "" && e.Status != call.Completed {
		e.DurationSec = new(0.0)
	}
}

// final says whether nothing follows a report: its flush was for the call's
// end, or it has no flush reason and the state is not one of a running call.
func final(n lenient.Node) bool {
	if flush := lenient.FoldWord(n.At("flushReason", "type").Text()); flush != "" || n.At("flushReason").IsObject() {
		return flush == "call-end"
	}
	switch lenient.FoldWord(n.At("summary", "state").Text()) {
	case "new", "requesting", "trying", "recovering", "ringing", "answering", "early", "connecting", "active", "held", "reconnecting",
		"dropped": // not terminated: it may be attached again
		return false
	}
	return true
}

// reportID tells reports apart: segments are numbered from 0 again after a page is
// loaded again, and chunks of one report have no number. The same report is told
// apart by how it came and for which call, because it is another event then.
func reportID(n lenient.Node, e *call.Event, s *stats, fetchedFor string) string {
	started, first := summaryText(n, "startTimestamp"), ""
	if !s.started.IsZero() {
		first = s.started.Format(time.RFC3339Nano)
	}
	if started == "" && first == "" {
		return normalizer.RecordID(n)
	}
	segment := "final"
	if i := n.At("segment").Integer(); i != nil {
		segment = strconv.FormatInt(*i, 10)
	}
	parts := []string{string(e.Kind), e.CallID, segment, cmp.Or(started, "-"), cmp.Or(first, "-")}
	if ended := summaryText(n, "endTimestamp"); ended != "" { // a last report may be sent again, with more
		parts = append(parts, ended)
	}
	if fetchedFor != "" && fetchedFor != e.CallID {
		parts = append(parts, fetchedFor)
	}
	return normalizer.JoinID("sdk", parts...)
}

func summaryText(n lenient.Node, member string) string { return n.At("summary", member).Text() }

func region(n lenient.Node) string {
	if s := n.At("voice_sdk_id_decoded", "region").Text(); s != "" {
		return s
	}
	connection := n.At("summary", "clientSummary", "connection")
	if s := connection.At("region").Text(); s != "" && s != "auto" {
		return s
	}
	return connection.At("dc").Text()
}
