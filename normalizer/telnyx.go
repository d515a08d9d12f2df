package normalizer

import (
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"callwatch/call"
)

const (
	telnyxSignature = "Telnyx-Signature-Ed25519"
	telnyxTimestamp = "Telnyx-Timestamp"

	telnyxPublicKey = "PUBLIC_KEY"

	// telnyxTolerance is that of the official SDK, in both directions.
	telnyxTolerance = 5 * time.Minute
)

func telnyx() Provider {
	return Provider{
		Name:  "telnyx",
		Title: "Telnyx",
		Settings: []Setting{
			{
				Name: telnyxPublicKey, Use: ForVerify, Check: checkEd25519Key,
				Doc: "public key of the account, from Mission Control under Keys & Credentials; a list during rotation",
			},
			{
				Name: telnyxAPIKey, Use: ForREST, Secret: true, Check: checkNoBlank,
				Doc: "API v2 key, with which call reports are fetched after a call",
			},
		},
		Causes: telnyxCauses(),
		Supplies: []string{
			"aliases", "sessionId", "parentCallId", "connectionId", "agentId", "region", "userAgent", "transport", "tags",
			"direction", "status", "answered", "from", "to", "startedAt", "ringingAt", "answeredAt", "endedAt",
			"durationSec", "shortCall", "hangupCause", "hangupSource", "sipCode", "recorded",
			"codec", "packetsReceived", "packetsLost", "packetsSent", "packetsDiscarded", "packetsSkipped",
			"packetLossPct", "jitterMs", "jitterMaxMs", "rttMs", "rttMaxMs", "jitterBufferMs", "concealedPct",
			"audioLevel", "bytesReceived", "bytesSent", "remotePacketsLost", "remoteJitterMs",
			"iceState", "dtlsState", "candidateType", "relayed",
			"mos", "mosSource", "mosProvider", "endReason", "errorCode", "errorMessage",
			"cost", "costCurrency", "intervals",
		},
		Aliases:   true,
		Verify:    verifyTelnyx,
		Normalize: normalizeTelnyx,
		REST:      telnyxAPI(),
	}
}

// verifyTelnyx checks the Ed25519 signature over timestamp, "|" and body, and
// that the timestamp lies within five minutes of the receipt.
func verifyTelnyx(r *Request, k Keys) (string, error) {
	timestamp := r.Header.Get(telnyxTimestamp)
	sent, err := strconv.ParseInt(timestamp, 10, 64)
	if err != nil {
		return "", ErrSignature
	}
	signature, err := base64.StdEncoding.Strict().DecodeString(r.Header.Get(telnyxSignature))
	if err != nil || len(signature) != ed25519.SignatureSize {
		return "", ErrSignature
	}
	signed := append([]byte(timestamp+"|"), r.Body...)
	key, err := tryKeys(k, telnyxPublicKey, func(key string) bool {
		public, err := ed25519Key(key)
		return err == nil && ed25519.Verify(public, signed, signature)
	})
	if err != nil {
		return "", err
	}
	if age := r.ReceivedAt.Sub(time.Unix(sent, 0)); age.Abs() > telnyxTolerance {
		return "", ErrStale
	}
	return key, nil
}

func ed25519Key(s string) (ed25519.PublicKey, error) {
	b, err := base64.StdEncoding.DecodeString(strings.TrimSpace(s))
	if err != nil {
		return nil, fmt.Errorf("not base64: %w", err)
	}
	if len(b) != ed25519.PublicKeySize {
		return nil, fmt.Errorf("%d bytes, want %d", len(b), ed25519.PublicKeySize)
	}
	return b, nil
}

func checkEd25519Key(value string) error {
	if _, err := ed25519Key(value); err != nil {
		return fmt.Errorf("not an Ed25519 public key in base64: %w", err)
	}
	return nil
}

// normalizeTelnyx maps webhooks in each of their envelopes, TeXML callbacks,
// SDK call reports and the records of the REST API.
func normalizeTelnyx(b *Body) ([]call.Event, error) {
	if isForm(b.ContentType, b.Bytes) {
		form, err := parseForm(b.Bytes)
		if err != nil {
			return nil, err
		}
		return telnyxTeXML(form)
	}
	n, err := parseJSON(b.Bytes)
	if err != nil {
		return nil, err
	}
	switch data := n.at("data"); {
	case n.isList():
		return eachRecord(n.list(), func(n node) ([]call.Event, error) { return telnyxRecord(n, Fetched, b.CallID) })
	case data.isList():
		return eachRecord(data.list(), func(n node) ([]call.Event, error) { return telnyxRecord(n, Fetched, b.CallID) })
	default:
		return telnyxRecord(n, b.Source, b.CallID)
	}
}

// telnyxRecord maps one object, told apart by its members.
func telnyxRecord(n node, source Source, fetchedFor string) ([]call.Event, error) {
	switch {
	case n.at("summary").isObject() || n.at("stats").isList() || n.at("stats").isObject():
		return telnyxReport(n, source, fetchedFor)
	case n.at("data", "event_type").text() != "":
		return telnyxWebhook(n.at("data"), n.at("meta"))
	case n.at("event_type").text() != "":
		return telnyxWebhook(n, node{})
	case n.at("webhook").isObject(): // a record of /webhook_deliveries
		return telnyxWebhook(n.at("webhook"), node{v: map[string]any{"status": n.at("status").value()}})
	case n.at("metadata").isObject():
		return telnyxCallEvent(n)
	case callbackOf(n) != unknownCallback:
		return telnyxTeXML(n)
	case n.at("call_sec").number() != nil || n.at("billed_sec").number() != nil || n.at("finished_at").text() != "":
		return telnyxDetail(n)
	}
	if data := n.at("data"); data.isObject() && !data.at("data").isObject() {
		return telnyxRecord(data, Fetched, fetchedFor)
	}
	if err := refusal(n); err != nil {
		return nil, err
	}
	return nil, errors.New("neither a webhook, a TeXML callback, a call report nor a REST record of Telnyx")
}
