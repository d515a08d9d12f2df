// Package twilio maps Twilio: the status callbacks of Programmable Voice, and Voice
// Insights as Event Streams pushes it and as its REST API has it.
package twilio

import (
	"crypto/sha1" //nolint:gosec // fixed by the scheme
	"crypto/sha256"
	"errors"
	"strings"
	"time"

	"callwatch/call"
	"callwatch/normalizer"
	"callwatch/normalizer/lenient"
)

const (
	signature = "X-Twilio-Signature"
	authToken = "AUTH_TOKEN"
	sharedKey = "SHARED_KEY"
)

func Provider() normalizer.Provider {
	user := normalizer.Cause{Class: normalizer.ClassUser}
	return normalizer.Provider{
		Name:  "twilio",
		Title: "Twilio",
		Settings: []normalizer.Setting{
			{
				Name: authToken, Use: normalizer.ForVerify, Secret: true, Check: normalizer.CheckNoBlank,
				Doc: "auth token of the account, from the console; it signs webhooks, and fetches where no API key is set; a list during rotation",
			},
			{
				Name: sharedKey, Use: normalizer.ForVerify, Secret: true, Check: normalizer.CheckNoBlank,
				Doc: "shared key of a webhooks rule, where one has requests signed with HMAC-SHA256; a list during rotation",
			},
			{Name: accountSID, Use: normalizer.ForREST, Check: checkSID("AC"), Doc: "account SID (AC...), from the console"},
			{Name: apiKey, Use: normalizer.ForREST, Check: checkSID("SK"), Doc: "SID of an API key (SK...), to fetch without the auth token"},
			{Name: apiSecret, Use: normalizer.ForREST, Secret: true, Check: normalizer.CheckNoBlank, Doc: "secret of the API key"},
		},
		Supplies: []string{
			"parentCallId", "connectionId", "region", "userAgent", "transport", "tags", "direction", "status", "answered",
			"from", "to", "fromCountry", "toCountry", "startedAt", "ringingAt", "answeredAt", "endedAt", "durationSec", "pddMs",
			"hangupCause", "hangupCode", "hangupSource", "sipCode", "recorded", "codec", "packetsReceived", "packetsLost",
			"packetsSent", "packetLossPct", "jitterMs", "jitterMaxMs", "rttMs", "rttMaxMs", "bytesReceived", "bytesSent",
			"remotePacketsLost", "remoteJitterMs", "remotePacketLossPct", "mos", "mosSource", "mosProvider",
			"errorCode", "errorMessage", "intervals",
		},
		// "failed" is said of numbers that do not exist; a SIP response tells more
		// (twilio.com/docs/voice/api/call-resource#call-status-values).
		Causes: map[string]normalizer.Cause{
			call.Busy: user, call.NoAnswer: user, call.Canceled: user,
			call.Failed: {Class: normalizer.ClassNumber, Severity: normalizer.Info, AnySIP: true},
		},
		SignsURL:  true,
		Verify:    verifyTwilio,
		Replay:    24 * time.Hour, // nothing signed tells the time
		Normalize: normalizeTwilio,
		REST:      restAPI(),
	}
}

// verifyTwilio checks the HMAC-SHA1 by the auth token and, where a shared key is set, the
// HMAC-SHA256 by that: a webhooks rule changes key and hash, and nothing else
// (twilio/twilio-node examples/WebhookSignatureValidation.md).
func verifyTwilio(r *normalizer.Request, k normalizer.Keys) (string, error) {
	given := r.Header.Get(signature)
	key, err := normalizer.VerifyURLSignature(r, k, authToken, given, sha1.New)
	if err != nil && len(k[sharedKey]) > 0 {
		return normalizer.VerifyURLSignature(r, k, sharedKey, given, sha256.New)
	}
	return key, err
}

// checkSID accepts the id of an object of one kind.
func checkSID(prefix string) func(value string) error {
	return func(value string) error {
		hex, ok := strings.CutPrefix(value, prefix)
		if !ok || len(hex) != 32 || strings.Trim(hex, "0123456789abcdefABCDEF") != "" {
			return errors.New("not " + prefix + " and 32 hexadecimal digits")
		}
		return nil
	}
}

// normalizeTwilio maps a status callback, an array of CloudEvents, or an answer of the
// REST API of Voice Insights.
func normalizeTwilio(b *normalizer.Body) ([]call.Event, error) {
	var n lenient.Node
	var err error
	if normalizer.IsForm(b.ContentType, b.Bytes) {
		n, err = lenient.ParseForm(b.Bytes)
	} else {
		n, err = lenient.ParseJSON(b.Bytes)
	}
	if err != nil {
		return nil, err
	}
	switch {
	case n.IsList():
		return normalizer.EachRecord(n.List(), record)
	case n.At("call_summaries").IsList():
		return normalizer.EachRecord(n.At("call_summaries").List(), record)
	case n.At("metrics").IsList():
		return metricsPage(n.At("metrics").List())
	default:
		return record(n)
	}
}

// record maps one thing that Twilio sends.
func record(n lenient.Node) ([]call.Event, error) {
	kind := n.At("type").Text()
	switch {
	case n.At("specversion").Text() != "" || strings.HasPrefix(kind, "com.twilio."):
		return cloudEvent(n, kind)
	case n.At("CallSid").Text() != "":
		return callback(n), nil
	case normalizer.CallbackOf(n) == normalizer.OtherCallback:
		return nil, nil // a message, the end of a conference ...: it is about no call
	case n.At("processing_state").Text() != "":
		return summary(n)
	}
	if n.At("code").Text() != "" && n.At("message").Text() != "" {
		return nil, normalizer.ErrorAnswer(lenient.Of(map[string]any{"error": n.Value()}))
	}
	return nil, normalizer.UnknownBody(n, "status callback, CloudEvent and record of Voice Insights")
}
