package normalizer

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	"callwatch/call"
)

// Settings of Bird.
const (
	birdSigningKey       = "SIGNING_KEY"
	birdLegacySigningKey = "LEGACY_SIGNING_KEY"
)

// bird is Bird, formerly MessageBird: the voice calls of Bird CRM (this file),
// the platform of 2026 (bird_platform.go). Objects of the legacy voice API are
// acknowledged and ignored: it reports no quality, and its samples contradict
// themselves.
//
// raw is rooted at the object that describes the call: the payload of a CRM
// webhook or the call of a REST answer (raw.mediaMetrics.flawTotal in both), the
// data of a platform webhook. Members of the envelope stand beside its members.
func bird() Provider {
	return Provider{
		Name:  "bird",
		Title: "Bird",
		Settings: []Setting{
			{Name: birdSigningKey, Use: ForVerify, Secret: true, Check: checkBirdKey, Doc: "signing key of the webhook subscription, or secret (whsec_...) of a 2026 platform endpoint; a list, as each subscription has its own"},
			{Name: birdLegacySigningKey, Use: ForVerify, Secret: true, Doc: "signing key of the legacy MessageBird API (Developers, API access), only for its signed requests"},
			{Name: birdAccessKey, Use: ForREST, Secret: true, Check: checkNoBlank, Doc: "access key of Bird CRM, or API key (bk_...) of the 2026 platform"},
			{Name: birdWorkspaceID, Use: ForREST, Check: checkNoBlank, Doc: "workspace of the CRM's voice channels: the uuid in the console's address"},
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
		Normalize: normalizeBird,
		REST:      birdAPI(),
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
func normalizeBird(b *Body) ([]call.Event, error) {
	n, err := parseJSON(b.Bytes)
	if err != nil {
		return nil, err
	}
	if n.isList() {
		return eachRecord(n.list(), birdBody)
	}
	return birdBody(n)
}

func birdBody(n node) ([]call.Event, error) {
	data := n.at("data")
	switch {
	case n.at("event").text() != "" && (n.at("payload").isObject() || n.at("eventFilters").isList()):
		return birdWebhook(n)
	case n.at("type").text() != "" && data.isObject():
		return birdPlatformWebhook(n)
	case n.at("results").isList():
		return eachRecord(n.at("results").list(), birdObject)
	case data.isList():
		return eachRecord(data.list(), birdObject)
	case data.isObject():
		return birdObject(data)
	default:
		return birdObject(n)
	}
}

// birdObject maps one call of a REST answer, of whichever generation.
func birdObject(n node) ([]call.Event, error) {
	id := n.at("id").text()
	switch {
	case strings.HasPrefix(n.at("call_id").or(n.at("id")).text(), birdCallPrefix):
		return birdPlatformCall(n)
	case id != "" && (n.at("numberId").text() != "" || n.at("callId").text() != ""):
		return nil, nil // a call or leg of the legacy voice API
	case id != "" && n.at("status").text() != "" && n.at("channelId").or(n.at("direction")).text() != "":
		e := birdCall(n, "")
		e.Kind, e.ID = birdReportKind(&e), recordID(n)
		return []call.Event{e}, nil
	default:
		return nil, unknownBody(n, "Bird's webhooks, calls, insights or lists")
	}
}

// birdWebhook maps a delivery of the CRM; those of other channels, and the
// request that creates a subscription, are no news about a call.
func birdWebhook(n node) ([]call.Event, error) {
	p, event := n.at("payload"), n.at("event").text()
	direction, _ := strings.CutPrefix(event, "voice.")
	if birdDirection(node{v: direction}) == "" || p.isNull() {
		return nil, nil
	}
	id := p.at("id").text()
	if id == "" {
		return nil, fmt.Errorf("%s without payload.id", event)
	}
	e := birdCall(p, direction)
	e.Kind = call.Progress
	if birdOver(&e) {
		e.Kind = call.Ended
	}
	e.ID = identified(id, p.at("status").text(), p.at("updatedAt").text())
	e.Raw = rawOf(p, nil, map[string]node{"service": n.at("service"), "event": n.at("event")})
	return []call.Event{e}, nil
}

// birdReportKind is report for a call that is over. One still going on is
// progress, so that a late answer cannot undo its end.
func birdReportKind(e *call.Event) call.Kind {
	if birdOver(e) || e.Status == "" {
		return call.Report
	}
	return call.Progress
}

func birdOver(e *call.Event) bool {
	return e.Status != "" && e.Status != call.InProgress || !e.EndedAt.IsZero()
}

// birdCall maps the CRM's call object, with or without metrics. The event's
// direction stands in where the object has none.
func birdCall(n node, direction string) call.Event {
	var e call.Event
	e.CallID = n.at("id").text()
	e.ParentCallID = n.at("parentId").text()
	e.ConnectionID = n.at("channelId").text()
	e.Transport = birdTransport(n.at("type"))
	e.Tags = n.at("tags").texts()
	e.OccurredAt = n.at("updatedAt").time()

	e.Direction = birdDirection(n.at("direction").or(node{v: direction}))
	e.Status = birdStatus(n.at("status"))
	e.From = birdParty(n.at("from").or(n.at("originator")))
	e.To = birdParty(n.at("to").or(n.at("receiver")))
	e.StartedAt, e.RingingAt = n.at("createdAt").time(), n.at("ringingAt").time()
	e.AnsweredAt, e.EndedAt = n.at("answeredAt").time(), n.at("endedAt").time()
	e.DurationSec = n.at("duration").amount()
	if birdOver(&e) {
		birdHangup(&e, n)
	} else if e.DurationSec != nil && *e.DurationSec == 0 {
		e.DurationSec = nil // not over, so not known
	}

	signalling := firstObject(n, "signallingMetrics", "signalingMetrics", "signallingInsights", "signalling")
	e.PDDMs = signalling.at("pdd").positive()
	e.Region, e.UserAgent = signalling.at("edgeRegion").text(), signalling.at("userAgent").text()
	media := firstObject(n, "mediaMetrics", "qualityInsights", "mediaInsights")
	measured := birdQuality(&e, media)
	e.Final = birdOver(&e) && (measured || e.Status != call.Completed && e.AnsweredAt.IsZero() && e.HangupCode != nil)
	e.Raw = rawOf(n, nil, nil)
	return e
}

func birdHangup(e *call.Event, n node) {
	e.HangupCode = n.at("hangupCauseCode").count()
	if e.HangupCode != nil {
		e.HangupCause = causeName(*e.HangupCode)
	}
	if e.HangupCause == "" {
		e.HangupCause = n.at("reason").text()
	}
	if source := foldWord(n.at("hangupSource").text()); source != "none" {
		e.HangupSource = source
	}
	e.SIPCode = n.at("hangupSipCode").sipCode()
}

// firstObject is the first of the named members that is an object, or an object
// of that name inside one of them.
func firstObject(n node, names ...string) node {
	for _, name := range names {
		if m := n.at(name); m.isObject() {
			if inner := m.at(names[0]); inner.isObject() {
				return inner
			}
			return m
		}
	}
	for _, outer := range []string{"insights", "qualityInsights"} {
		if inner := n.at(outer, names[0]); inner.isObject() {
			return inner
		}
	}
	return node{}
}

// birdParty is a party's number, given as text or within a contact or connector.
func birdParty(n node) string {
	for _, path := range [][]string{{}, {"number"}, {"phoneNumber"}, {"identifierValue"}, {"contact", "identifierValue"}, {"connector", "identifierValue"}} {
		if s := n.at(path...).text(); s != "" {
			return s
		}
	}
	return ""
}

func birdTransport(n node) string {
	switch t := foldWord(n.text()); t {
	case call.PSTN, call.SIP, call.WebRTC:
		return t
	default:
		return ""
	}
}

func birdDirection(n node) string {
	switch foldWord(n.text()) {
	case "incoming", "inbound":
		return call.Inbound
	case "outgoing", "outbound":
		return call.Outbound
	default:
		return ""
	}
}

// birdStatus is the status of a call; the word of a newer vocabulary is absent
// and stays in raw.
func birdStatus(n node) string {
	switch s := foldWord(n.text()); s {
	case call.Completed, call.Busy, call.NoAnswer, call.Failed, call.Canceled:
		return s
	case "accepted", "scheduled", "starting", "ringing", "ongoing", call.InProgress:
		return call.InProgress
	default:
		return ""
	}
}
