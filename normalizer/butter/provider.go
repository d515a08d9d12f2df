package butter

import (
	"errors"
	"strings"
	"time"

	"callwatch/call"
	"callwatch/normalizer"
	"callwatch/normalizer/lenient"
)

// Provider is Butter AI, a voice-agent platform on Twilio, SIP or WebRTC: one
// unsigned status webhook, everything else by REST. It reports no audio quality.
//
// raw is rooted at the object that describes the call: the webhook's body (of a
// form, its fields as texts) or the call of a REST answer
// (raw.cost_breakdown.tts.units), less transcript and the texts of the turns.
func Provider() normalizer.Provider {
	return normalizer.Provider{
		Name:  "butter",
		Title: "Butter AI",
		Settings: []normalizer.Setting{
			{Name: normalizer.URLToken, Use: normalizer.ForVerify, Secret: true, Doc: "secret last segment of the webhook's URL, made up by you, as Butter signs nothing; a list during rotation"},
			{Name: apiKey, Use: normalizer.ForREST, Secret: true, Check: normalizer.CheckNoBlank, Doc: "API key, from the settings of the dashboard; with it a callback counts only once the API confirms it"},
			{Name: apiAuth, Use: normalizer.ForREST, Check: checkButterAuth, Doc: "how the key is sent: x-api-key (the default), or bearer for accounts of the older form"},
			{Name: organization, Use: normalizer.ForREST, Check: normalizer.CheckNoBlank, Doc: "organization id, sent beside a bearer key"},
		},
		Supplies: []string{
			"agentId", "agentName", "transport", "tags",
			"direction", "status", "from", "to", "startedAt", "ringingAt", "answeredAt", "endedAt", "durationSec",
			"hangupCause", "sipCode", "recorded",
			"turnCount", "interruptions", "turnLatencyMs", "turnLatencyP95Ms", "turnLatencyMaxMs",
			"sttLatencyMs", "llmLatencyMs", "ttsLatencyMs", "llmTokens", "ttsChars",
			"endReason", "errorCount", "fatalError", "errorCode", "errorMessage", "cost", "costCurrency",
		},
		Normalize: normalizeButter,
		REST:      restAPI(),
		Unsigned:  true,
		Replay:    24 * time.Hour, // nothing signed tells the time
	}
}

func normalizeButter(b *normalizer.Body) ([]call.Event, error) {
	if normalizer.IsForm(b.ContentType, b.Bytes) {
		n, err := lenient.ParseForm(b.Bytes)
		if err != nil {
			return nil, err
		}
		if n.At("call_sid").Or(n.At("CallSid")).Text() == "" && normalizer.CallbackOf(n) == normalizer.OtherCallback {
			return nil, nil // a message, the end of a conference ... of Twilio
		}
		return webhook(n)
	}
	n, err := lenient.ParseJSON(b.Bytes)
	if err != nil {
		return nil, err
	}
	if n.IsList() {
		return normalizer.EachRecord(n.List(), object)
	}
	switch data := n.At("data").Or(n.At("call")).Or(n.At("calls")); {
	case n.IsFalse("success"):
		return nil, normalizer.UnknownBody(n, "the status callback, calls or lists of Butter")
	case n.At("call_sid").Or(n.At("CallSid")).Text() != "":
		return object(n)
	case data.IsList():
		return normalizer.EachRecord(data.List(), entity)
	case data.IsObject(), n.At("success").Truth() != nil:
		return entity(data)
	default:
		return nil, normalizer.UnknownBody(n, "the status callback, calls or lists of Butter")
	}
}

// entity maps what an envelope holds: calls, or agents, numbers and other
// entities that are no news about a call.
func entity(n lenient.Node) ([]call.Event, error) {
	if n.At("call_sid").Text() == "" {
		return nil, nil
	}
	return report(n)
}

// object tells a bare call of a REST answer from a webhook by the members
// that only the former has.
func object(n lenient.Node) ([]call.Event, error) {
	for _, name := range []string{"agent_id", "to_number", "call_type", "created_at", "start_time", "duration_seconds"} {
		if !n.At(name).IsNull() {
			return report(n)
		}
	}
	return webhook(n)
}

// webhook maps the status callback, Butter's own or Twilio's passed
// through, which names the same facts otherwise.
func webhook(n lenient.Node) ([]call.Event, error) {
	var e call.Event
	if e.CallID = n.At("call_sid").Or(n.At("CallSid")).Text(); e.CallID == "" {
		return nil, normalizer.UnknownBody(n, "the status callback, calls or lists of Butter")
	}
	if n.At("call_sid").IsNull() && normalizer.CallbackOf(n) == normalizer.OtherCallback {
		return nil, nil // a recording, conference, queue ... of Twilio
	}
	word := n.At("status").Or(n.At("CallStatus"))
	status := lenient.FoldWord(word.Text())
	if status == "" {
		return nil, errors.New("a status callback without status")
	}
	if e.Status = butterStatus(word); e.Status == "" {
		return nil, nil // a word of a newer vocabulary
	}
	at := n.At("timestamp").Or(n.At("Timestamp")).Time()
	e.Kind, e.OccurredAt = call.Progress, at
	if !at.IsZero() {
		e.ID = normalizer.JoinID(e.CallID, status, at.Format(time.RFC3339Nano))
	}
	switch status {
	case "initiated":
		e.StartedAt = at
	case "ringing":
		e.RingingAt = at
	case call.InProgress, "answered":
		e.AnsweredAt = at
	case "queued":
	default:
		e.Kind, e.EndedAt = call.Ended, at
		e.DurationSec = n.At("duration").Or(n.At("CallDuration")).Amount()
		if e.HangupCause = n.At("error_message").Text(); e.HangupCause == "" && e.Status != call.Completed {
			e.HangupCause = status
		}
	}
	e.From, e.To = n.At("From").Text(), n.At("To").Text()
	e.Direction, _, _ = strings.Cut(lenient.FoldWord(n.At("Direction").Text()), "-") // "outbound-api"
	if e.Direction != call.Inbound && e.Direction != call.Outbound {
		e.Direction = ""
	}
	if !n.At("CallSid").IsNull() {
		e.Transport = call.PSTN
	}
	code := n.At("error_code").Or(n.At("ErrorCode"))
	e.ErrorCode, e.ErrorMessage = code.Text(), n.At("error_message").Or(n.At("ErrorMessage")).Text()
	if e.ErrorCode == "0" {
		e.ErrorCode = ""
	}
	if e.SIPCode = n.At("SipResponseCode").SIPCode(); e.SIPCode == nil {
		e.SIPCode = code.SIPCode()
	}
	e.Raw = normalizer.RawOf(n, nil, nil)
	return []call.Event{e}, nil
}

func butterStatus(n lenient.Node) string {
	switch s := lenient.FoldWord(n.Text()); s {
	case call.Completed, call.Busy, call.NoAnswer, call.Failed, call.Canceled:
		return s
	case "queued", "initiated", "ringing", "answered", call.InProgress:
		return call.InProgress
	default:
		return ""
	}
}
