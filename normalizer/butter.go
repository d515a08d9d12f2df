package normalizer

import (
	"errors"
	"strings"
	"time"

	"callwatch/call"
)

// butter is Butter AI, a voice-agent platform on Twilio, SIP or WebRTC: one
// unsigned status webhook, everything else by REST. It reports no audio quality.
//
// raw is rooted at the object that describes the call: the webhook's body (of a
// form, its fields as texts) or the call of a REST answer
// (raw.cost_breakdown.tts.units), less transcript and the texts of the turns.
func butter() Provider {
	return Provider{
		Name:  "butter",
		Title: "Butter AI",
		Settings: []Setting{
			{Name: URLToken, Use: ForVerify, Secret: true, Doc: "secret last segment of the webhook's URL, made up by you, as Butter signs nothing; a list during rotation"},
			{Name: butterAPIKey, Use: ForREST, Secret: true, Check: checkNoBlank, Doc: "API key, from the settings of the dashboard; with it a callback counts only once the API confirms it"},
			{Name: butterAPIAuth, Use: ForREST, Check: checkButterAuth, Doc: "how the key is sent: x-api-key (the default), or bearer for accounts of the older form"},
			{Name: butterOrganization, Use: ForREST, Check: checkNoBlank, Doc: "organization id, sent beside a bearer key"},
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
		REST:      butterAPI(),
		Unsigned:  true,
	}
}

func normalizeButter(b *Body) ([]call.Event, error) {
	if isForm(b.ContentType, b.Bytes) {
		n, err := parseForm(b.Bytes)
		if err != nil {
			return nil, err
		}
		if n.at("call_sid").or(n.at("CallSid")).text() == "" && callbackOf(n) == otherCallback {
			return nil, nil // a message, the end of a conference ... of Twilio
		}
		return butterWebhook(n)
	}
	n, err := parseJSON(b.Bytes)
	if err != nil {
		return nil, err
	}
	if n.isList() {
		return eachRecord(n.list(), butterObject)
	}
	switch data := n.at("data").or(n.at("call")).or(n.at("calls")); {
	case n.isFalse("success"):
		return nil, unknownBody(n, "the status callback, calls or lists of Butter")
	case n.at("call_sid").or(n.at("CallSid")).text() != "":
		return butterObject(n)
	case data.isList():
		return eachRecord(data.list(), butterEntity)
	case data.isObject(), n.at("success").truth() != nil:
		return butterEntity(data)
	default:
		return nil, unknownBody(n, "the status callback, calls or lists of Butter")
	}
}

// butterEntity maps what an envelope holds: calls, or agents, numbers and other
// entities that are no news about a call.
func butterEntity(n node) ([]call.Event, error) {
	if n.at("call_sid").text() == "" {
		return nil, nil
	}
	return butterReport(n)
}

// butterObject tells a bare call of a REST answer from a webhook by the members
// that only the former has.
func butterObject(n node) ([]call.Event, error) {
	for _, name := range []string{"agent_id", "to_number", "call_type", "created_at", "start_time", "duration_seconds"} {
		if !n.at(name).isNull() {
			return butterReport(n)
		}
	}
	return butterWebhook(n)
}

// butterWebhook maps the status callback, Butter's own or Twilio's passed
// through, which names the same facts otherwise.
func butterWebhook(n node) ([]call.Event, error) {
	var e call.Event
	if e.CallID = n.at("call_sid").or(n.at("CallSid")).text(); e.CallID == "" {
		return nil, unknownBody(n, "the status callback, calls or lists of Butter")
	}
	if n.at("call_sid").isNull() && callbackOf(n) == otherCallback {
		return nil, nil // a recording, conference, queue ... of Twilio
	}
	word := n.at("status").or(n.at("CallStatus"))
	status := foldWord(word.text())
	if status == "" {
		return nil, errors.New("a status callback without status")
	}
	if e.Status = butterStatus(word); e.Status == "" {
		return nil, nil // a word of a newer vocabulary
	}
	at := n.at("timestamp").or(n.at("Timestamp")).time()
	e.Kind, e.OccurredAt = call.Progress, at
	if !at.IsZero() {
		e.ID = identified(e.CallID, status, at.Format(time.RFC3339Nano))
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
		e.DurationSec = n.at("duration").or(n.at("CallDuration")).amount()
		if e.HangupCause = n.at("error_message").text(); e.HangupCause == "" && e.Status != call.Completed {
			e.HangupCause = status
		}
	}
	e.From, e.To = n.at("From").text(), n.at("To").text()
	e.Direction, _, _ = strings.Cut(foldWord(n.at("Direction").text()), "-") // "outbound-api"
	if e.Direction != call.Inbound && e.Direction != call.Outbound {
		e.Direction = ""
	}
	if !n.at("CallSid").isNull() {
		e.Transport = call.PSTN
	}
	code := n.at("error_code").or(n.at("ErrorCode"))
	e.ErrorCode, e.ErrorMessage = code.text(), n.at("error_message").or(n.at("ErrorMessage")).text()
	if e.ErrorCode == "0" {
		e.ErrorCode = ""
	}
	if e.SIPCode = n.at("SipResponseCode").sipCode(); e.SIPCode == nil {
		e.SIPCode = code.sipCode()
	}
	e.Raw = rawOf(n, nil, nil)
	return []call.Event{e}, nil
}

func butterStatus(n node) string {
	switch s := foldWord(n.text()); s {
	case call.Completed, call.Busy, call.NoAnswer, call.Failed, call.Canceled:
		return s
	case "queued", "initiated", "ringing", "answered", call.InProgress:
		return call.InProgress
	default:
		return ""
	}
}
