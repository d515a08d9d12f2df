package signalwire

import (
	"crypto/sha1" //nolint:gosec // fixed by the scheme
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"strings"
	"time"

	"callwatch/call"
	"callwatch/normalizer"
	"callwatch/normalizer/lenient"
)

const (
	signalwireSignature = "X-Signalwire-Signature"
	signalwireAlias     = "X-Twilio-Signature"
	strongSignature     = "X-Signalwire-Sha256-Signature"

	signingKey = "SIGNING_KEY"
)

func Provider() normalizer.Provider {
	return normalizer.Provider{
		Name:  "signalwire",
		Title: "SignalWire",
		Settings: []normalizer.Setting{
			{
				Name: signingKey, Use: normalizer.ForVerify, Secret: true, Check: normalizer.CheckNoBlank,
				Doc: "signing key of the project (PSK...), from API credentials in the dashboard; not the API token; a list during rotation",
			},
			{Name: space, Use: normalizer.ForREST, Check: checkSpace, Doc: `name of the space: "example" of example.signalwire.com`},
			{Name: projectID, Use: normalizer.ForREST, Check: normalizer.CheckNoBlank, Doc: "id of the project, a UUID"},
			{
				Name: apiToken, Use: normalizer.ForREST, Secret: true, Check: normalizer.CheckNoBlank,
				Doc: "API token with the scope Voice, with which voice logs are fetched after a call",
			},
		},
		Supplies: []string{
			"sessionId", "parentCallId", "transport", "direction", "status", "answered", "from", "to",
			"startedAt", "ringingAt", "answeredAt", "endedAt", "durationSec", "hangupCause", "hangupSource",
			"sipCode", "recorded", "packetsReceived", "packetsSent", "packetsSkipped", "packetsDiscarded",
			"jitterMaxMs", "rttMs", "rttMaxMs", "remotePacketsLost", "remoteJitterMs",
			"mos", "mosSource", "mosProvider", "qualityScore", "errorCount", "cost", "costCurrency",
			"agentName", "turnCount", "turnLatencyMs", "turnLatencyP95Ms", "turnLatencyMaxMs", "llmLatencyMs",
			"llmTokens", "ttsChars", "endReason",
		},
		SignsURL:  true,
		Verify:    verifySignalwire,
		Replay:    24 * time.Hour, // nothing signed tells the time
		Normalize: normalizeSignalwire,
		REST:      restAPI(),
	}
}

// verifySignalwire checks one of the three schemes. Which one is decided by the
// body's type: forms are signed by their pairs, JSON by its bytes, or, where
// the signed URL carries bodySHA256, by that digest. There is no timestamp: a
// repeated request is found by the identity of its event.
func verifySignalwire(r *normalizer.Request, k normalizer.Keys) (string, error) {
	given := r.Header.Get(signalwireSignature)
	if given == "" {
		given = r.Header.Get(signalwireAlias)
	}
	if normalizer.IsForm(r.ContentType, r.Body) || normalizer.DigestInURL(r.URL) != "" {
		return normalizer.VerifyURLSignature(r, k, signingKey, given, sha1.New)
	}
	return verifySignalwireJSON(r, k, given)
}

// verifySignalwireJSON checks the hex HMAC of URL and body, SHA-256 where that
// header is present, else SHA-1.
func verifySignalwireJSON(r *normalizer.Request, k normalizer.Keys, given string) (string, error) {
	strong := r.Header.Get(strongSignature)
	return normalizer.TryKeys(k, signingKey, func(key string) bool {
		if strong != "" {
			return sameText(strong, hex.EncodeToString(normalizer.HMACSHA256([]byte(key), []byte(r.URL), r.Body)))
		}
		return sameText(given, hex.EncodeToString(normalizer.HMACSHA1([]byte(key), []byte(r.URL), r.Body)))
	})
}

func sameText(given, want string) bool {
	return subtle.ConstantTimeCompare([]byte(given), []byte(want)) == 1
}

// checkSpace accepts a label, or the whole host name of the space.
func checkSpace(value string) error {
	label := strings.TrimSuffix(strings.ToLower(value), ".signalwire.com")
	if label == "" || strings.Trim(label, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" {
		return errors.New(`not the name of a space: give "example" for https://example.signalwire.com`)
	}
	return nil
}

// normalizeSignalwire maps cXML status callbacks, call states, the reports of AI
// agents and the records of the REST APIs.
func normalizeSignalwire(b *normalizer.Body) ([]call.Event, error) {
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
	if n.At("jsonrpc").Text() != "" {
		n = n.At("params") // a frame of the Relay connection, relayed: it wraps the event
	}
	switch {
	case n.At("CallSid").Text() != "":
		return cxml(n)
	case normalizer.CallbackOf(n) == normalizer.OtherCallback:
		return nil, nil // a message, the end of a conference ...: it is about no call
	case isSignalwireAI(n):
		return ai(n)
	case n.At("call").IsObject() || !n.IsObject() && !n.IsList():
		return nil, nil // the fetch of a SWML document; a frame without an event
	case n.At("event_type").Text() != "":
		return state(n)
	default:
		return fetched(n)
	}
}
