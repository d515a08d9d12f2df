package twilio

import (
	"strings"
	"time"

	"callwatch/call"
	"callwatch/normalizer"
	"callwatch/normalizer/lenient"
)

// callback maps a status callback (twilio.com/docs/voice/api/call-resource#statuscallback).
// Raw has the callback's own names, such as raw.AnsweredBy. Callbacks about something
// else than the status of a call give no event.
func callback(n lenient.Node) []call.Event {
	status := lenient.FoldWord(n.At("CallStatus").Text())
	if status == "" || normalizer.CallbackOf(n) != normalizer.StatusCallback {
		return nil // a recording, conference, queue, request for TwiML ...
	}
	e := call.Event{Identity: call.Identity{
		Kind:         call.Progress,
		CallID:       n.At("CallSid").Text(),
		ParentCallID: n.At("ParentCallSid").Text(),
		OccurredAt:   n.At("Timestamp").Time(),
	}}
	which := n.At("SequenceNumber").Text()
	if !e.OccurredAt.IsZero() {
		which += "@" + e.OccurredAt.Format(time.RFC3339)
	}
	e.ID = normalizer.JoinID("status", e.CallID, status, which)
	e.Direction = direction(n.At("Direction").Text())
	e.From, e.To = n.At("From").Text(), n.At("To").Text()
	e.FromCountry, e.ToCountry = n.At("FromCountry").Text(), n.At("ToCountry").Text()
	e.Raw = normalizer.RawOf(n, []string{"CallToken"}, nil)
	switch {
	case normalizer.EndedStatus(status):
		e.Kind, e.Status, e.EndedAt = call.Ended, status, e.OccurredAt
		callbackEnd(&e, n)
		return []call.Event{e}
	case status == "queued", status == "initiated":
		e.StartedAt = e.OccurredAt
	case status == "ringing":
		e.RingingAt = e.OccurredAt
	case status == call.InProgress, status == "answered":
		e.AnsweredAt, e.Answered = e.OccurredAt, new(true)
	}
	e.Status = call.InProgress
	return []call.Event{e}
}

// callbackEnd takes what only the last callback has. Its figures of quality come later,
// by Voice Insights.
func callbackEnd(e *call.Event, n lenient.Node) {
	e.DurationSec = n.At("CallDuration").Number()
	e.SIPCode = n.At("SipResponseCode").SIPCode()
	if n.At("RecordingUrl").Or(n.At("RecordingSid")).Text() != "" {
		e.Recorded = new(true)
	}
	if e.Status != call.Completed {
		e.HangupCause = e.Status
		e.Final = true // nobody answered: there is no quality to come
	}
}

// direction takes the words of callbacks and of Voice Insights. The terms of a trunk are
// seen from the telephone network: origination brings calls in, termination takes them
// out (twilio.com/docs/sip-trunking#termination-and-origination).
func direction(s string) string {
	switch s = lenient.FoldWord(s); {
	case s == call.Inbound, s == "trunking-originating":
		return call.Inbound
	case strings.HasPrefix(s, call.Outbound), s == "trunking-terminating":
		return call.Outbound
	default:
		return ""
	}
}
