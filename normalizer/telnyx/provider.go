package telnyx

import (
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"callwatch/call"
	"callwatch/normalizer"
	"callwatch/normalizer/lenient"
)

const (
	telnyxSignature = "Telnyx-Signature-Ed25519"
	timestamp       = "Telnyx-Timestamp"

	publicKey = "PUBLIC_KEY"

	// tolerance is that of the official SDK, in both directions.
	tolerance = 5 * time.Minute
)

func Provider() normalizer.Provider {
	return normalizer.Provider{
		Name:  "telnyx",
		Title: "Telnyx",
		Settings: []normalizer.Setting{
			{
				Name: publicKey, Use: normalizer.ForVerify, Check: checkEd25519Key,
				Doc: "public key of the account, from Mission Control under Keys & Credentials; a list during rotation",
			},
			{
				Name: apiKey, Use: normalizer.ForREST, Secret: true, Check: normalizer.CheckNoBlank,
				Doc: "API v2 key, with which call reports are fetched after a call",
			},
		},
		Causes: causes(),
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
		Replay:    tolerance,
		Normalize: normalizeTelnyx,
		REST:      restAPI(),
	}
}

// verifyTelnyx checks the Ed25519 signature over timestamp, "|" and body, and
// that the timestamp lies within five minutes of the receipt.
func verifyTelnyx(r *normalizer.Request, k normalizer.Keys) (string, error) {
	timestamp := r.Header.Get(timestamp)
	sent, err := strconv.ParseInt(timestamp, 10, 64)
	if err != nil {
		return "", normalizer.ErrSignature
	}
	signature := normalizer.DecodeExact(base64.StdEncoding, r.Header.Get(telnyxSignature))
	if len(signature) != ed25519.SignatureSize {
		return "", normalizer.ErrSignature
	}
	signed := append([]byte(timestamp+"|"), r.Body...)
	key, err := normalizer.TryKeys(k, publicKey, func(key string) bool {
		public, err := ed25519Key(key)
		return err == nil && ed25519.Verify(public, signed, signature)
	})
	if err != nil {
		return "", err
	}
	if age := r.ReceivedAt.Sub(time.Unix(sent, 0)); age.Abs() > tolerance {
		return "", normalizer.ErrStale
	}
	r.Signed = timestamp
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
func normalizeTelnyx(b *normalizer.Body) ([]call.Event, error) {
	if normalizer.IsForm(b.ContentType, b.Bytes) {
		form, err := lenient.ParseForm(b.Bytes)
		if err != nil {
			return nil, err
		}
		return teXML(form)
	}
	n, err := lenient.ParseJSON(b.Bytes)
	if err != nil {
		return nil, err
	}
	switch data := n.At("data"); {
	case n.IsList():
		return normalizer.EachRecord(n.List(), func(n lenient.Node) ([]call.Event, error) { return record(n, normalizer.Fetched, b.CallID) })
	case data.IsList():
		return normalizer.EachRecord(data.List(), func(n lenient.Node) ([]call.Event, error) { return record(n, normalizer.Fetched, b.CallID) })
	default:
		return record(n, b.Source, b.CallID)
	}
}

// record maps one object, told apart by its members.
func record(n lenient.Node, source normalizer.Source, fetchedFor string) ([]call.Event, error) {
	switch {
	case n.At("summary").IsObject() || n.At("stats").IsList() || n.At("stats").IsObject():
		return report(n, source, fetchedFor)
	case n.At("data", "event_type").Text() != "":
		return webhook(n.At("data"), n.At("meta"))
	case n.At("event_type").Text() != "":
		return webhook(n, lenient.Node{})
	case n.At("webhook").IsObject(): // a record of /webhook_deliveries
		return webhook(n.At("webhook"), lenient.Of(map[string]any{"status": n.At("status").Value()}))
	case n.At("metadata").IsObject():
		return callEvent(n)
	case normalizer.CallbackOf(n) != normalizer.UnknownCallback:
		return teXML(n)
	case n.At("call_sec").Number() != nil || n.At("billed_sec").Number() != nil || n.At("finished_at").Text() != "":
		return detail(n)
	}
	if data := n.At("data"); data.IsObject() && !data.At("data").IsObject() {
		return record(data, normalizer.Fetched, fetchedFor)
	}
	if err := normalizer.ErrorAnswer(n); err != nil {
		return nil, err
	}
	return nil, errors.New("neither a webhook, a TeXML callback, a call report nor a REST record of Telnyx")
}
