package atoms

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
	"callwatch/normalizer"
	"callwatch/normalizer/lenient"
)

const signingSecret = "SIGNING_SECRET"

// Provider is smallest.ai Atoms, a voice-agent platform: three webhooks per call,
// details by REST. It reports no audio quality.
//
// raw is rooted at the object that describes the call: the metadata of a webhook
// (raw.analytics.summary, raw.variables.due_amount) or the call of a REST answer
// (raw.turnLatencyMetrics.medianLatency), less transcript and runtime events.
// Members of the webhook's envelope are read together with those of the metadata.
func Provider() normalizer.Provider {
	return normalizer.Provider{
		Name:  "atoms",
		Title: "smallest.ai Atoms",
		Settings: []normalizer.Setting{
			{Name: signingSecret, Use: normalizer.ForVerify, Secret: true, Doc: "signing secret of the webhook, shown in the dashboard; a list during rotation"},
			{Name: apiKey, Use: normalizer.ForREST, Secret: true, Check: normalizer.CheckNoBlank, Doc: "API key (sk_...) from the console"},
		},
		Supplies: []string{
			"agentId", "agentName", "campaignId", "transport", "tags",
			"direction", "status", "from", "to", "startedAt", "answeredAt", "endedAt", "durationSec",
			"hangupCause", "hangupSource", "recorded",
			"turnCount", "turnLatencyMs", "turnLatencyP95Ms", "turnLatencyMaxMs", "sttLatencyMs", "llmLatencyMs", "ttsLatencyMs",
			"endReason", "fatalError", "errorMessage", "cost", "costCurrency",
		},
		Verify:    verifyAtoms,
		Replay:    24 * time.Hour, // nothing signed tells the time
		Normalize: normalizeAtoms,
		REST:      restAPI(),
	}
}

// verifyAtoms checks the HMAC over the raw body. Nothing signed tells the time:
// the delivery id keeps a replay from counting twice.
func verifyAtoms(r *normalizer.Request, k normalizer.Keys) (string, error) {
	mac, err := hex.DecodeString(r.Header.Get("X-Signature"))
	if err != nil || len(mac) == 0 {
		return "", normalizer.ErrSignature
	}
	return normalizer.TryKeys(k, signingSecret, func(key string) bool {
		return hmac.Equal(mac, normalizer.HMACSHA256([]byte(key), r.Body))
	})
}

func normalizeAtoms(b *normalizer.Body) ([]call.Event, error) {
	n, err := lenient.ParseJSON(b.Bytes)
	if err != nil {
		return nil, err
	}
	toEvents := func(n lenient.Node) ([]call.Event, error) { return report(n, b) }
	switch {
	case n.IsList():
		return normalizer.EachRecord(n.List(), toEvents)
	case n.IsFalse("status"), n.IsFalse("success"):
		return nil, normalizer.UnknownBody(n, "the three webhooks, calls or lists of Atoms")
	case n.At("event").Or(n.At("metadata", "eventType")).Text() != "":
		return webhook(n, b)
	case n.At("event_type").Text() != "":
		return nil, nil // an event of the live stream, saved to a file
	case n.At("callId").Text() != "":
		return toEvents(n)
	case n.At("data").IsObject(), n.At("data").IsList():
		return normalizer.EachRecord(calls(n.At("data")), toEvents)
	default:
		return nil, normalizer.UnknownBody(n, "the three webhooks, calls or lists of Atoms")
	}
}

// calls finds the calls of an answer: the data itself, its logs, or a call
// with its retries under whichever names.
func calls(data lenient.Node) []lenient.Node {
	var calls []lenient.Node
	for _, item := range data.List() {
		if item.At("callId").Text() != "" {
			calls = append(calls, item)
		}
	}
	if data.At("callId").Text() != "" {
		calls = append(calls, data)
	}
	members := data.Object()
	for _, name := range slices.Sorted(maps.Keys(members)) {
		m := lenient.Of(members[name])
		if m.At("callId").Text() != "" {
			calls = append(calls, m)
		}
		for _, item := range m.List() {
			if item.At("callId").Text() != "" {
				calls = append(calls, item)
			}
		}
	}
	return calls
}

func webhook(n lenient.Node, b *normalizer.Body) ([]call.Event, error) {
	m, event := n.At("metadata"), n.At("event").Text()
	agent, suffix := "", event
	if dot := strings.LastIndexByte(event, '.'); dot >= 0 {
		agent, suffix = event[:dot], event[dot+1:]
	}
	typ := m.At("eventType").Or(lenient.Of(suffix)).Text()
	kind := map[string]call.Kind{
		"pre-conversation":    call.Progress,
		"post-conversation":   call.Ended,
		"analytics-completed": call.Report,
	}[typ]
	if kind == "" {
		return nil, nil
	}
	var e call.Event
	if e.CallID = m.At("callId").Text(); e.CallID == "" {
		return nil, fmt.Errorf("%s without metadata.callId", typ)
	}
	e.Kind = kind
	if id := n.At("id").Text(); id != "" {
		e.ID = normalizer.JoinID(id, typ) // the documentation's samples share one id
	}
	e.AgentID = m.At("agentId").Or(lenient.Of(agent)).Text()
	atomsType(&e, m.At("callData", "callDirection").Or(m.At("conversationType")))
	e.From, e.To = m.At("fromPhone").Text(), m.At("toPhone").Text()
	if kind == call.Progress {
		e.Status, e.StartedAt = call.InProgress, b.ReceivedAt
	} else {
		callData(&e, m.At("callData"))
	}
	e.TurnCount = turns(m.At("transcript"))
	if m.At("recordingUrl").Text() != "" {
		e.Recorded = new(true)
	}
	e.Raw = normalizer.RawOf(m, bulky(), map[string]lenient.Node{
		"url": n.At("url"), "description": n.At("description"), "event": n.At("event"), "id": n.At("id"),
	})
	return []call.Event{e}, nil
}

// callData maps the figures of an ended call. Start is the end less the
// duration, which is talk time: a start within a moment of the answer is it.
func callData(e *call.Event, d lenient.Node) {
	const moment = 50 * time.Millisecond
	e.From = d.At("fromNumber").Or(lenient.Of(e.From)).Text()
	e.To = d.At("toNumber").Or(lenient.Of(e.To)).Text()
	e.Status = status(d.At("callStatus"))
	e.AnsweredAt, e.EndedAt = d.At("answerTime").Time(), d.At("endTime").Time()
	e.DurationSec = duration(d.At("callDuration").Amount(), e.AnsweredAt, e.EndedAt)
	switch {
	case !e.AnsweredAt.IsZero():
		if e.DurationSec != nil {
			e.StartedAt = normalizer.SecondsAfter(e.EndedAt, -*e.DurationSec)
		}
		if early := e.AnsweredAt.Sub(e.StartedAt); early > 0 && early < moment {
			e.StartedAt = e.AnsweredAt
		}
	case e.Status != "" && e.Status != call.Completed && e.Status != call.InProgress:
		e.DurationSec = new(0.0)
	}
}

// duration is callDuration in seconds. Older deliveries give milliseconds,
// told by a value about 1000 times the time from answer to end.
func duration(d *float64, answered, ended time.Time) *float64 {
	if d == nil || answered.IsZero() || !ended.After(answered) {
		return d
	}
	if ratio := *d / ended.Sub(answered).Seconds(); math.Abs(ratio-1000) <= 100 {
		return new(*d / 1000)
	}
	return d
}

// atomsType maps telephonyOutbound, telephony_inbound, webcall and chat.
func atomsType(e *call.Event, n lenient.Node) {
	t := lenient.FoldWord(n.Text())
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

// status is the status of a call; the word of a newer vocabulary is absent
// and stays in raw.
func status(n lenient.Node) string {
	switch s := lenient.FoldWord(n.Text()); s {
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

// bulky are the members that raw goes without: what was said.
func bulky() []string { return []string{"transcript", "events"} }

// turns counts the agent's entries of a transcript; nil for none.
func turns(transcript lenient.Node) *int64 {
	turns := int64(0)
	for _, entry := range transcript.List() {
		if lenient.FoldWord(entry.At("role").Text()) == "agent" {
			turns++
		}
	}
	if turns == 0 {
		return nil
	}
	return &turns
}
