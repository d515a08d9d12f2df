package signalwire

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"net/url"
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
	switch {
	case normalizer.IsForm(r.ContentType, r.Body):
		return verifySignalwireForm(r, k, given)
	case bodyDigest(r.URL) != "":
		return verifySignalwireDigest(r, k, given)
	default:
		return verifySignalwireJSON(r, k, given)
	}
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

// verifySignalwireDigest checks the HMAC of the URL alone, which counts only
// because the URL carries the body's digest.
func verifySignalwireDigest(r *normalizer.Request, k normalizer.Keys, given string) (string, error) {
	sum := sha256.Sum256(r.Body)
	if !sameText(bodyDigest(r.URL), hex.EncodeToString(sum[:])) {
		return "", normalizer.ErrSignature
	}
	return normalizer.TryKeys(k, signingKey, func(key string) bool {
		return sameText(given, base64.StdEncoding.EncodeToString(normalizer.HMACSHA1([]byte(key), []byte(r.URL))))
	})
}

// verifySignalwireForm checks the base64 HMAC of the URL and each key and value
// in the order of the keys; repeated keys keep theirs. A form without pairs
// would leave the URL signed alone, so it is refused.
func verifySignalwireForm(r *normalizer.Request, k normalizer.Keys, given string) (string, error) {
	form, err := lenient.ReadForm(r.Body)
	if err != nil || len(form) == 0 {
		return "", normalizer.ErrSignature
	}
	pairs := form.Signed()
	addresses := withStandardPort(r.URL)
	return normalizer.TryKeys(k, signingKey, func(key string) bool {
		for _, address := range addresses { // which of them was signed is no secret
			sum := normalizer.HMACSHA1([]byte(key), []byte(address), pairs)
			if sameText(given, base64.StdEncoding.EncodeToString(sum)) {
				return true
			}
		}
		return false
	})
}

func sameText(given, want string) bool {
	return subtle.ConstantTimeCompare([]byte(given), []byte(want)) == 1
}

func bodyDigest(address string) string {
	if !strings.Contains(address, "?") {
		return ""
	}
	u, err := url.Parse(address)
	if err != nil {
		return ""
	}
	return u.Query().Get("bodySHA256")
}

// withStandardPort is the URL as it is, and with the port of its scheme added or
// removed: senders differ in writing it.
func withStandardPort(address string) []string {
	scheme, port := "https://", ":443"
	rest, ok := strings.CutPrefix(address, scheme)
	if !ok {
		scheme, port = "http://", ":80"
		if rest, ok = strings.CutPrefix(address, scheme); !ok {
			return []string{address}
		}
	}
	end := strings.IndexAny(rest, "/?")
	if end < 0 {
		end = len(rest)
	}
	host, path := rest[:end], rest[end:]
	if bare, had := strings.CutSuffix(host, port); had {
		return []string{address, scheme + bare + path}
	}
	if !strings.Contains(host[strings.LastIndexByte(host, ']')+1:], ":") {
		return []string{address, scheme + host + port + path}
	}
	return []string{address}
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
