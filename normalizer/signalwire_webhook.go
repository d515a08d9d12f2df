package normalizer

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"callwatch/call"
)

// signalwireCXML maps a cXML status callback. Raw has the callback's own names,
// such as raw.AudioInLargestJbSize. Before the end the Audio members are
// meaningless (a MOS without packets), so they are dropped there.
func signalwireCXML(n node) ([]call.Event, error) {
	status := foldWord(n.at("CallStatus").text())
	if status == "" || callbackOf(n) != statusCallback {
		return nil, nil // a recording, conference, queue ...
	}
	e := call.Event{Identity: call.Identity{
		Kind:         call.Progress,
		CallID:       n.at("CallSid").text(),
		ParentCallID: n.at("ParentCallSid").text(),
		OccurredAt:   n.at("Timestamp").time(),
	}}
	which := n.at("SequenceNumber").text()
	if !e.OccurredAt.IsZero() {
		which += "@" + e.OccurredAt.Format(time.RFC3339)
	}
	e.ID = identified("cxml", e.CallID, status, which)
	e.Direction = signalwireDirection(n.at("Direction").text())
	e.Status = signalwireStatus(status)
	e.From, e.To = n.at("From").text(), n.at("To").text()
	e.Raw = rawOf(n, nil, nil)
	switch {
	case overStatus(status):
		e.Kind, e.EndedAt = call.Ended, e.OccurredAt
		signalwireCXMLEnd(&e, n)
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

// signalwireCXMLEnd takes what only the last callback has. Skipped packets are
// no loss; AudioOutLost is what the far end missed of our packets.
func signalwireCXMLEnd(e *call.Event, n node) {
	e.DurationSec = n.at("CallDuration").number()
	if e.Status != call.Completed {
		e.HangupCause = e.Status
	}
	switch by := n.at("HangupBy").text(); {
	case by == "":
	case by == e.From && by != e.To:
		e.HangupSource = "caller"
	case by == e.To && by != e.From:
		e.HangupSource = "callee"
	}
	e.SIPCode = n.at("SipResultCode").count()
	if n.at("RecordingUrl").or(n.at("RecordingSid")).text() != "" {
		e.Recorded = new(true)
	}
	e.PacketsReceived = n.at("AudioInMediaPacketCount").count()
	e.PacketsSent = n.at("AudioOutMediaPacketCount").count()
	e.PacketsSkipped = n.at("AudioInSkipPacketCount").count()
	e.PacketsDiscarded = n.at("AudioInFlushPacketCount").count()
	e.RemotePacketsLost = n.at("AudioOutLost").count()
	e.JitterMaxMs = root(n.at("AudioInJitterMaxVariance").number())
	acceptMOS(e, n.at("AudioInMos").number(), e.PacketsReceived)
	e.Final = settled(e)
}

// signalwireState maps a SWML or Relay call state; other event types give no
// event. Raw is params with SignalWire's own names, so that rules read
// raw.end_reason; beside it stand the members of the envelope.
func signalwireState(n node) ([]call.Event, error) {
	if n.at("event_type").text() != "calling.call.state" {
		return nil, nil
	}
	p := n.at("params")
	if text := p.text(); text != "" {
		parsed, err := parseJSON([]byte(text))
		if err != nil {
			parsed, err = parsePython(text)
		}
		if err != nil {
			return nil, fmt.Errorf("params: %w", err)
		}
		p = parsed
	}
	at := n.at("timestamp").unix(time.Second)
	e := call.Event{Identity: call.Identity{
		Kind:         call.Progress,
		CallID:       p.at("call_id").text(),
		SessionID:    p.at("segment_id").text(),
		ParentCallID: p.at("parent", "call_id").text(),
		Transport:    signalwireTransport(p.at("device", "type").text()),
		OccurredAt:   at,
	}}
	if e.CallID == "" {
		return nil, errors.New("call state names no call")
	}
	state := foldWord(p.at("call_state").text())
	e.ID = identified("state", e.CallID, state, n.at("timestamp").text())
	e.Direction = signalwireDirection(p.at("direction").text())
	device := p.at("device", "params")
	e.From = device.at("from_number").or(device.at("from")).text()
	e.To = device.at("to_number").or(device.at("to")).text()
	e.StartedAt = p.at("start_time").unix(time.Millisecond)
	e.AnsweredAt = p.at("answer_time").unix(time.Millisecond)
	e.Raw = rawOf(p, nil, map[string]node{
		"event_type": n.at("event_type"), "event_channel": n.at("event_channel"), "timestamp": n.at("timestamp"),
		"project_id": n.at("project_id"), "space_id": n.at("space_id"),
	})
	signalwireCallState(&e, p, state, at)
	return []call.Event{e}, nil
}

func signalwireCallState(e *call.Event, p node, state string, at time.Time) {
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
		signalwireStateEnd(e, p, at)
	}
}

func signalwireStateEnd(e *call.Event, p node, at time.Time) {
	reason := foldWord(p.at("end_reason").text())
	e.Status = signalwireReason(reason)
	e.HangupCause = p.at("end_reason").text()
	switch s := foldWord(p.at("end_source").text()); s {
	case "caller", "callee":
		e.HangupSource = s
	}
	if e.EndedAt = p.at("end_time").unix(time.Millisecond); e.EndedAt.IsZero() {
		e.EndedAt = at
	}
	switch answered := p.at("answer_time").number(); {
	case answered == nil:
	case *answered == 0:
		e.Answered, e.DurationSec = new(false), new(0.0)
	case !e.AnsweredAt.IsZero() && !e.EndedAt.Before(e.AnsweredAt):
		e.Answered, e.DurationSec = new(true), new(e.EndedAt.Sub(e.AnsweredAt).Seconds())
	}
	acceptMOS(e, p.at("audio_in_mos").number())
	e.Final = settled(e)
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

func signalwireDirection(s string) string {
	switch s = foldWord(s); {
	case s == call.Inbound:
		return call.Inbound
	case s == call.Outbound || strings.HasPrefix(s, "outbound-"):
		return call.Outbound
	default:
		return ""
	}
}

func signalwireTransport(s string) string {
	switch foldWord(s) {
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
