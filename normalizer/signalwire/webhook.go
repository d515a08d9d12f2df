package signalwire

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"callwatch/call"
	"callwatch/normalizer"
	"callwatch/normalizer/lenient"
)

// cxml maps a cXML status callback. Raw has the callback's own names,
// such as raw.AudioInLargestJbSize. Before the end the Audio members are
// meaningless (a MOS without packets), so they are dropped there.
func cxml(n lenient.Node) ([]call.Event, error) {
	status := lenient.FoldWord(n.At("CallStatus").Text())
	if status == "" || normalizer.CallbackOf(n) != normalizer.StatusCallback {
		return nil, nil // a recording, conference, queue ...
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
	e.ID = normalizer.JoinID("cxml", e.CallID, status, which)
	e.Direction = direction(n.At("Direction").Text())
	e.Status = signalwireStatus(status)
	e.From, e.To = n.At("From").Text(), n.At("To").Text()
	e.Raw = normalizer.RawOf(n, nil, nil)
	switch {
	case normalizer.EndedStatus(status):
		e.Kind, e.EndedAt = call.Ended, e.OccurredAt
		cxmlEnd(&e, n)
		return []call.Event{e}, nil
	case status == "initiated":
		e.StartedAt = e.OccurredAt
	case status == "ringing":
		e.RingingAt = e.OccurredAt
	case status == call.InProgress, status == "answered":
		e.AnsweredAt, e.Answered = e.OccurredAt, new(true)
	}
	for name := range e.Raw {
		if strings.HasPrefix(name, "Audio") {
			delete(e.Raw, name)
		}
	}
	return []call.Event{e}, nil
}

// cxmlEnd takes what only the last callback has. Skipped packets are
// no loss; AudioOutLost is what the far end missed of our packets.
func cxmlEnd(e *call.Event, n lenient.Node) {
	e.DurationSec = n.At("CallDuration").Number()
	if e.Status != call.Completed {
		e.HangupCause = e.Status
	}
	switch by := n.At("HangupBy").Text(); {
	case by == "":
	case by == e.From && by != e.To:
		e.HangupSource = "caller"
	case by == e.To && by != e.From:
		e.HangupSource = "callee"
	}
	e.SIPCode = n.At("SipResultCode").Count()
	if n.At("RecordingUrl").Or(n.At("RecordingSid")).Text() != "" {
		e.Recorded = new(true)
	}
	e.PacketsReceived = n.At("AudioInMediaPacketCount").Count()
	e.PacketsSent = n.At("AudioOutMediaPacketCount").Count()
	e.PacketsSkipped = n.At("AudioInSkipPacketCount").Count()
	e.PacketsDiscarded = n.At("AudioInFlushPacketCount").Count()
	e.RemotePacketsLost = n.At("AudioOutLost").Count()
	e.JitterMaxMs = normalizer.StandardDeviation(n.At("AudioInJitterMaxVariance").Number())
	normalizer.AcceptMOS(e, n.At("AudioInMos").Number(), e.PacketsReceived)
	e.Final = normalizer.QualitySettled(e)
}

// state maps a SWML or Relay call state; other event types give no
// event. Raw is params with SignalWire's own names, so that rules read
// raw.end_reason; beside it are the members of the envelope.
func state(n lenient.Node) ([]call.Event, error) {
	if n.At("event_type").Text() != "calling.call.state" {
		return nil, nil
	}
	p := n.At("params")
	if text := p.Text(); text != "" {
		parsed, err := lenient.ParseJSON([]byte(text))
		if err != nil {
			parsed, err = lenient.ParsePython(text)
		}
		if err != nil {
			return nil, fmt.Errorf("params: %w", err)
		}
		p = parsed
	}
	at := n.At("timestamp").Unix(time.Second)
	e := call.Event{Identity: call.Identity{
		Kind:         call.Progress,
		CallID:       p.At("call_id").Text(),
		SessionID:    p.At("segment_id").Text(),
		ParentCallID: p.At("parent", "call_id").Text(),
		Transport:    transport(p.At("device", "type").Text()),
		OccurredAt:   at,
	}}
	if e.CallID == "" {
		return nil, errors.New("call state names no call")
	}
	state := lenient.FoldWord(p.At("call_state").Text())
	e.ID = normalizer.JoinID("state", e.CallID, state, n.At("timestamp").Text())
	e.Direction = direction(p.At("direction").Text())
	device := p.At("device", "params")
	e.From = device.At("from_number").Or(device.At("from")).Text()
	e.To = device.At("to_number").Or(device.At("to")).Text()
	e.StartedAt = p.At("start_time").Unix(time.Millisecond)
	e.AnsweredAt = p.At("answer_time").Unix(time.Millisecond)
	e.Raw = normalizer.RawOf(p, nil, map[string]lenient.Node{
		"event_type": n.At("event_type"), "event_channel": n.At("event_channel"), "timestamp": n.At("timestamp"),
		"project_id": n.At("project_id"), "space_id": n.At("space_id"),
	})
	callState(&e, p, state, at)
	return []call.Event{e}, nil
}

func callState(e *call.Event, p lenient.Node, state string, at time.Time) {
	e.Status = call.InProgress
	switch state {
	case "created":
		if e.StartedAt.IsZero() {
			e.StartedAt = at
		}
	case "ringing":
		e.RingingAt = at
	case "answered":
		e.Answered = new(true)
		if e.AnsweredAt.IsZero() {
			e.AnsweredAt = at
		}
	case "ended":
		e.Kind = call.Ended
		stateEnd(e, p, at)
	}
}

func stateEnd(e *call.Event, p lenient.Node, at time.Time) {
	reason := lenient.FoldWord(p.At("end_reason").Text())
	e.Status = signalwireReason(reason)
	e.HangupCause = p.At("end_reason").Text()
	switch s := lenient.FoldWord(p.At("end_source").Text()); s {
	case "caller", "callee":
		e.HangupSource = s
	}
	if e.EndedAt = p.At("end_time").Unix(time.Millisecond); e.EndedAt.IsZero() {
		e.EndedAt = at
	}
	switch answered := p.At("answer_time").Number(); {
	case answered == nil:
	case *answered == 0:
		e.Answered, e.DurationSec = new(false), new(0.0)
	case !e.AnsweredAt.IsZero() && !e.EndedAt.Before(e.AnsweredAt):
		e.Answered, e.DurationSec = new(true), new(e.EndedAt.Sub(e.AnsweredAt).Seconds())
	}
	normalizer.AcceptMOS(e, p.At("audio_in_mos").Number())
	e.Final = normalizer.QualitySettled(e)
}

// signalwireReason is the status of an end_reason, of either vocabulary.
func signalwireReason(reason string) string {
	switch reason {
	case "hangup", "max-duration":
		return call.Completed
	case "busy":
		return call.Busy
	case "no-answer", "timeout":
		return call.NoAnswer
	case "cancel", "canceled", "abandoned":
		return call.Canceled
	case "decline", "declined", "error", "not-found":
		return call.Failed
	default:
		return ""
	}
}

// signalwireStatus is the status of a CallStatus or of a voice log's status.
func signalwireStatus(status string) string {
	switch status {
	case call.Completed, call.Busy, call.NoAnswer, call.Failed, call.Canceled:
		return status
	case "ended":
		return call.Completed
	case "queued", "initiated", "ringing", call.InProgress, "created", "answered", "joined", "ending":
		return call.InProgress
	default:
		return ""
	}
}

func direction(s string) string {
	switch s = lenient.FoldWord(s); {
	case s == call.Inbound:
		return call.Inbound
	case s == call.Outbound || strings.HasPrefix(s, "outbound-"):
		return call.Outbound
	default:
		return ""
	}
}

func transport(s string) string {
	switch lenient.FoldWord(s) {
	case "phone":
		return call.PSTN
	case call.SIP:
		return call.SIP
	case call.WebRTC:
		return call.WebRTC
	default:
		return ""
	}
}
