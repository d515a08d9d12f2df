package normalizer

import (
	"crypto/hmac"
	"encoding/hex"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"callwatch/call"
)

const atomsSigningSecret = "SIGNING_SECRET"

// atoms is smallest.ai Atoms, a voice-agent platform: three webhooks per call,
// details by REST. It reports no audio quality.
//
// raw is rooted at the object that describes the call: the metadata of a webhook
// (raw.analytics.summary, raw.variables.due_amount) or the call of a REST answer
// (raw.turnLatencyMetrics.medianLatency), less transcript and runtime events.
// Members of the webhook's envelope stand beside those of the metadata.
func atoms() Provider {
	return Provider{
		Name:  "atoms",
		Title: "smallest.ai Atoms",
		Settings: []Setting{
			{Name: atomsSigningSecret, Use: ForVerify, Secret: true, Doc: "signing secret of the webhook, shown in the dashboard; a list during rotation"},
			{Name: atomsAPIKey, Use: ForREST, Secret: true, Check: checkNoBlank, Doc: "API key (sk_...) from the console"},
		},
		Supplies: []string{
			"agentId", "agentName", "campaignId", "transport", "tags",
			"direction", "status", "from", "to", "startedAt", "answeredAt", "endedAt", "durationSec",
			"hangupCause", "hangupSource", "recorded",
			"turnCount", "turnLatencyMs", "turnLatencyP95Ms", "turnLatencyMaxMs", "sttLatencyMs", "llmLatencyMs", "ttsLatencyMs",
			"endReason", "fatalError", "errorMessage", "cost", "costCurrency",
		},
		Verify:    verifyAtoms,
		Normalize: normalizeAtoms,
		REST:      atomsAPI(),
	}
}

// verifyAtoms checks the HMAC over the raw body. Nothing signed tells the time:
// the delivery id keeps a replay from counting twice.
func verifyAtoms(r *Request, k Keys) (string, error) {
	mac, err := hex.DecodeString(r.Header.Get("X-Signature"))
	if err != nil || len(mac) == 0 {
		return "", ErrSignature
	}
	return tryKeys(k, atomsSigningSecret, func(key string) bool {
		return hmac.Equal(mac, hmacSHA256([]byte(key), r.Body))
	})
}

func normalizeAtoms(b *Body) ([]call.Event, error) {
	n, err := parseJSON(b.Bytes)
	if err != nil {
		return nil, err
	}
	toEvents := func(n node) ([]call.Event, error) { return atomsReport(n, b) }
	switch {
	case n.isList():
		return eachRecord(n.list(), toEvents)
	case n.isFalse("status"), n.isFalse("success"):
		return nil, unknownBody(n, "the three webhooks, calls or lists of Atoms")
	case n.at("event").or(n.at("metadata", "eventType")).text() != "":
		return atomsWebhook(n, b)
	case n.at("event_type").text() != "":
		return nil, nil // an event of the live stream, saved to a file
	case n.at("callId").text() != "":
		return toEvents(n)
	case n.at("data").isObject(), n.at("data").isList():
		return eachRecord(atomsCalls(n.at("data")), toEvents)
	default:
		return nil, unknownBody(n, "the three webhooks, calls or lists of Atoms")
	}
}

// atomsCalls finds the calls of an answer: the data itself, its logs, or a call
// with its retries under whichever names.
func atomsCalls(data node) []node {
	var calls []node
	for _, item := range data.list() {
		if item.at("callId").text() != "" {
			calls = append(calls, item)
		}
	}
	if data.at("callId").text() != "" {
		calls = append(calls, data)
	}
	members := data.object()
	for _, name := range slices.Sorted(maps.Keys(members)) {
		m := node{v: members[name]}
		if m.at("callId").text() != "" {
			calls = append(calls, m)
		}
		for _, item := range m.list() {
			if item.at("callId").text() != "" {
				calls = append(calls, item)
			}
		}
	}
	return calls
}

func atomsWebhook(n node, b *Body) ([]call.Event, error) {
	m, event := n.at("metadata"), n.at("event").text()
	agent, suffix := "", event
	if dot := strings.LastIndexByte(event, '.'); dot >= 0 {
		agent, suffix = event[:dot], event[dot+1:]
	}
	typ := m.at("eventType").or(node{v: suffix}).text()
	kind := map[string]call.Kind{
		"pre-conversation":    call.Progress,
		"post-conversation":   call.Ended,
		"analytics-completed": call.Report,
	}[typ]
	if kind == "" {
		return nil, nil
	}
	var e call.Event
	if e.CallID = m.at("callId").text(); e.CallID == "" {
		return nil, fmt.Errorf("%s without metadata.callId", typ)
	}
	e.Kind = kind
	if id := n.at("id").text(); id != "" {
		e.ID = identified(id, typ) // the documentation's samples share one id
	}
	e.AgentID = m.at("agentId").or(node{v: agent}).text()
	atomsType(&e, m.at("callData", "callDirection").or(m.at("conversationType")))
	e.From, e.To = m.at("fromPhone").text(), m.at("toPhone").text()
	if kind == call.Progress {
		e.Status, e.StartedAt = call.InProgress, b.ReceivedAt
	} else {
		atomsCallData(&e, m.at("callData"))
	}
	e.TurnCount = atomsTurns(m.at("transcript"))
	if m.at("recordingUrl").text() != "" {
		e.Recorded = new(true)
	}
	e.Raw = rawOf(m, atomsBulky(), map[string]node{
		"url": n.at("url"), "description": n.at("description"), "event": n.at("event"), "id": n.at("id"),
	})
	return []call.Event{e}, nil
}

// atomsCallData maps the figures of an ended call. Start is the end less the
// duration, which is talk time: a start within a moment of the answer is it.
func atomsCallData(e *call.Event, d node) {
	const moment = 50 * time.Millisecond
	e.From = d.at("fromNumber").or(node{v: e.From}).text()
	e.To = d.at("toNumber").or(node{v: e.To}).text()
	e.Status = atomsStatus(d.at("callStatus"))
	e.AnsweredAt, e.EndedAt = d.at("answerTime").time(), d.at("endTime").time()
	e.DurationSec = atomsDuration(d.at("callDuration").amount(), e.AnsweredAt, e.EndedAt)
	switch {
	case !e.AnsweredAt.IsZero():
		if e.DurationSec != nil {
			e.StartedAt = secondsAfter(e.EndedAt, -*e.DurationSec)
		}
		if early := e.AnsweredAt.Sub(e.StartedAt); early > 0 && early < moment {
			e.StartedAt = e.AnsweredAt
		}
	case e.Status != "" && e.Status != call.Completed && e.Status != call.InProgress:
		e.DurationSec = new(0.0)
	}
}

// atomsDuration is callDuration in seconds. Older deliveries give milliseconds,
// told by a value about 1000 times the time from answer to end.
func atomsDuration(d *float64, answered, ended time.Time) *float64 {
	if d == nil || answered.IsZero() || !ended.After(answered) {
		return d
	}
	if ratio := *d / ended.Sub(answered).Seconds(); math.Abs(ratio-1000) <= 100 {
		return new(*d / 1000)
	}
	return d
}

// atomsType maps telephonyOutbound, telephony_inbound, webcall and chat.
func atomsType(e *call.Event, n node) {
	t := foldWord(n.text())
	switch {
	case strings.HasPrefix(t, "telephony"):
		e.Transport = call.PSTN
	case t == "webcall", t == "web-call":
		e.Transport = call.WebRTC
	case t == call.Chat:
		e.Transport = call.Chat
	}
	if _, direction, ok := strings.Cut(t, "-"); ok && (direction == call.Inbound || direction == call.Outbound) {
		e.Direction = direction
	}
}

// atomsStatus is the status of a call; the word of a newer vocabulary is absent
// and stays in raw.
func atomsStatus(n node) string {
	switch s := foldWord(n.text()); s {
	case call.Completed, call.Busy, call.NoAnswer, call.Failed, call.Canceled:
		return s
	case "blocked":
		return call.Failed
	case "pending", "in-queue", "active", "processing", call.InProgress:
		return call.InProgress
	default:
		return ""
	}
}

// atomsBulky are the members that raw goes without: what was said.
func atomsBulky() []string { return []string{"transcript", "events"} }

// atomsTurns counts the agent's entries of a transcript; nil for none.
func atomsTurns(transcript node) *int64 {
	turns := int64(0)
	for _, entry := range transcript.list() {
		if foldWord(entry.at("role").text()) == "agent" {
			turns++
		}
	}
	if turns == 0 {
		return nil
	}
	return &turns
}
