package bird

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	"callwatch/call"
	"callwatch/normalizer"
	"callwatch/normalizer/lenient"
)

// Settings of Bird.
const (
	signingKey       = "SIGNING_KEY"
	legacySigningKey = "LEGACY_SIGNING_KEY"
)

// Provider is Bird, formerly MessageBird: the voice calls of Bird CRM (this file),
// the platform of 2026 (bird_platform.go). Objects of the legacy voice API are
// acknowledged and ignored: it reports no quality, and its samples contradict
// themselves.
//
// raw is rooted at the object that describes the call: the payload of a CRM
// webhook or the call of a REST answer (raw.mediaMetrics.flawTotal in both), the
// data of a platform webhook. Members of the envelope are read together with its members.
func Provider() normalizer.Provider {
	return normalizer.Provider{
		Name:  "bird",
		Title: "Bird",
		Settings: []normalizer.Setting{
			{Name: signingKey, Use: normalizer.ForVerify, Secret: true, Check: checkBirdKey, Doc: "signing key of the webhook subscription, or secret (whsec_...) of a 2026 platform endpoint; a list, as each subscription has its own"},
			{Name: legacySigningKey, Use: normalizer.ForVerify, Secret: true, Doc: "signing key of the legacy MessageBird API (Developers, API access), only for its signed requests"},
			{Name: accessKey, Use: normalizer.ForREST, Secret: true, Check: normalizer.CheckNoBlank, Doc: "access key of Bird CRM, or API key (bk_...) of the 2026 platform"},
			{Name: workspaceID, Use: normalizer.ForREST, Check: normalizer.CheckNoBlank, Doc: "workspace of the CRM's voice channels: the uuid in the console's address"},
		},
		Supplies: []string{
			"sessionId", "parentCallId", "connectionId", "region", "userAgent", "transport", "tags",
			"direction", "status", "from", "to", "startedAt", "ringingAt", "answeredAt", "endedAt",
			"durationSec", "ringSec", "pddMs", "hangupCause", "hangupCode", "hangupSource", "sipCode",
			"codec", "packetsReceived", "packetsLost", "packetsSent", "packetLossPct", "jitterMs", "jitterMaxMs",
			"rttMs", "burstRatio", "bytesReceived", "bytesSent", "noInboundAudio",
			"mos", "mosSource", "mosProvider", "qualityScore", "cost", "costCurrency",
		},
		SignsURL:  true,
		Verify:    verifyBird,
		Replay:    maxAge,
		Normalize: normalizeBird,
		REST:      restAPI(),
	}
}

func checkBirdKey(key string) error {
	secret, ok := strings.CutPrefix(key, standardSecret)
	if !ok {
		return nil
	}
	if b, err := base64.StdEncoding.DecodeString(secret); err != nil || len(b) == 0 {
		return errors.New("the text after whsec_ is not base64")
	}
	return nil
}

// normalizeBird tells the generations and shapes apart by their members.
func normalizeBird(b *normalizer.Body) ([]call.Event, error) {
	n, err := lenient.ParseJSON(b.Bytes)
	if err != nil {
		return nil, err
	}
	if n.IsList() {
		return normalizer.EachRecord(n.List(), body)
	}
	return body(n)
}

func body(n lenient.Node) ([]call.Event, error) {
	data := n.At("data")
	switch {
	case n.At("event").Text() != "" && (n.At("payload").IsObject() || n.At("eventFilters").IsList()):
		return webhook(n)
	case n.At("type").Text() != "" && data.IsObject():
		return platformWebhook(n)
	case n.At("results").IsList():
		return normalizer.EachRecord(n.At("results").List(), object)
	case data.IsList():
		return normalizer.EachRecord(data.List(), object)
	case data.IsObject():
		return object(data)
	default:
		return object(n)
	}
}

// object maps one call of a REST answer, of whichever generation.
func object(n lenient.Node) ([]call.Event, error) {
	id := n.At("id").Text()
	switch {
	case strings.HasPrefix(n.At("call_id").Or(n.At("id")).Text(), callPrefix):
		return platformCall(n)
	case id != "" && (n.At("numberId").Text() != "" || n.At("callId").Text() != ""):
		return nil, nil // a call or leg of the legacy voice API
	case id != "" && n.At("status").Text() != "" && n.At("channelId").Or(n.At("direction")).Text() != "":
		e := birdCall(n, "")
		e.Kind, e.ID = reportKind(&e), normalizer.RecordID(n)
		return []call.Event{e}, nil
	default:
		return nil, normalizer.UnknownBody(n, "Bird's webhooks, calls, insights or lists")
	}
}

// webhook maps a delivery of the CRM; those of other channels, and the
// request that creates a subscription, are no news about a call.
func webhook(n lenient.Node) ([]call.Event, error) {
	p, event := n.At("payload"), n.At("event").Text()
	direction, _ := strings.CutPrefix(event, "voice.")
	if birdDirection(lenient.Of(direction)) == "" || p.IsNull() {
		return nil, nil
	}
	id := p.At("id").Text()
	if id == "" {
		return nil, fmt.Errorf("%s without payload.id", event)
	}
	e := birdCall(p, direction)
	e.Kind = call.Progress
	if over(&e) {
		e.Kind = call.Ended
	}
	e.ID = normalizer.JoinID(id, p.At("status").Text(), p.At("updatedAt").Text())
	e.Raw = normalizer.RawOf(p, nil, map[string]lenient.Node{"service": n.At("service"), "event": n.At("event")})
	return []call.Event{e}, nil
}

// reportKind is report for a call that is over. One still going on is
// progress, so that a late answer cannot undo its end.
func reportKind(e *call.Event) call.Kind {
	if over(e) || e.Status == "" {
		return call.Report
	}
	return call.Progress
}

func over(e *call.Event) bool {
	return e.Status != "" && e.Status != call.InProgress || !e.EndedAt.IsZero()
}

// birdCall maps the CRM's call object, with or without metrics. The event's
// direction is used where the object has none.
func birdCall(n lenient.Node, direction string) call.Event {
	var e call.Event
	e.CallID = n.At("id").Text()
	e.ParentCallID = n.At("parentId").Text()
	e.ConnectionID = n.At("channelId").Text()
	e.Transport = transport(n.At("type"))
	e.Tags = n.At("tags").Texts()
	e.OccurredAt = n.At("updatedAt").Time()

	e.Direction = birdDirection(n.At("direction").Or(lenient.Of(direction)))
	e.Status = status(n.At("status"))
	e.From = party(n.At("from").Or(n.At("originator")))
	e.To = party(n.At("to").Or(n.At("receiver")))
	e.StartedAt, e.RingingAt = n.At("createdAt").Time(), n.At("ringingAt").Time()
	e.AnsweredAt, e.EndedAt = n.At("answeredAt").Time(), n.At("endedAt").Time()
	e.DurationSec = n.At("duration").Amount()
	if over(&e) {
		hangup(&e, n)
	} else if e.DurationSec != nil && *e.DurationSec == 0 {
		e.DurationSec = nil // not over, so not known
	}

	signalling := firstObject(n, "signallingMetrics", "signalingMetrics", "signallingInsights", "signalling")
	e.PDDMs = signalling.At("pdd").Positive()
	e.Region, e.UserAgent = signalling.At("edgeRegion").Text(), signalling.At("userAgent").Text()
	media := firstObject(n, "mediaMetrics", "qualityInsights", "mediaInsights")
	measured := quality(&e, media)
	e.Final = over(&e) && (measured || e.Status != call.Completed && e.AnsweredAt.IsZero() && e.HangupCode != nil)
	e.Raw = normalizer.RawOf(n, nil, nil)
	return e
}

func hangup(e *call.Event, n lenient.Node) {
	e.HangupCode = n.At("hangupCauseCode").Count()
	if e.HangupCode != nil {
		e.HangupCause = normalizer.CauseName(*e.HangupCode)
	}
	if e.HangupCause == "" {
		e.HangupCause = n.At("reason").Text()
	}
	if source := lenient.FoldWord(n.At("hangupSource").Text()); source != "none" {
		e.HangupSource = source
	}
	e.SIPCode = n.At("hangupSipCode").SIPCode()
}

// firstObject is the first of the named members that is an object, or an object
// of that name inside one of them.
func firstObject(n lenient.Node, names ...string) lenient.Node {
	for _, name := range names {
		if m := n.At(name); m.IsObject() {
			if inner := m.At(names[0]); inner.IsObject() {
				return inner
			}
			return m
		}
	}
	for _, outer := range []string{"insights", "qualityInsights"} {
		if inner := n.At(outer, names[0]); inner.IsObject() {
			return inner
		}
	}
	return lenient.Node{}
}

// party is a party's number, given as text or within a contact or connector.
func party(n lenient.Node) string {
	for _, path := range [][]string{{}, {"number"}, {"phoneNumber"}, {"identifierValue"}, {"contact", "identifierValue"}, {"connector", "identifierValue"}} {
		if s := n.At(path...).Text(); s != "" {
			return s
		}
	}
	return ""
}

func transport(n lenient.Node) string {
	switch t := lenient.FoldWord(n.Text()); t {
	case call.PSTN, call.SIP, call.WebRTC:
		return t
	default:
		return ""
	}
}

func birdDirection(n lenient.Node) string {
	switch lenient.FoldWord(n.Text()) {
	case "incoming", "inbound":
		return call.Inbound
	case "outgoing", "outbound":
		return call.Outbound
	default:
		return ""
	}
}

// status is the status of a call; the word of a newer vocabulary is absent
// and stays in raw.
func status(n lenient.Node) string {
	switch s := lenient.FoldWord(n.Text()); s {
	case call.Completed, call.Busy, call.NoAnswer, call.Failed, call.Canceled:
		return s
	case "accepted", "scheduled", "starting", "ringing", "ongoing", call.InProgress:
		return call.InProgress
	default:
		return ""
	}
}
