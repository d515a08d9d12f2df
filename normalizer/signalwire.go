package normalizer

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"net/url"
	"strings"

	"callwatch/call"
)

const (
	signalwireSignature = "X-Signalwire-Signature"
	signalwireAlias     = "X-Twilio-Signature"
	signalwireSHA256    = "X-Signalwire-Sha256-Signature"

	signalwireSigningKey = "SIGNING_KEY"
)

func signalwire() Provider {
	return Provider{
		Name:  "signalwire",
		Title: "SignalWire",
		Settings: []Setting{
			{
				Name: signalwireSigningKey, Use: ForVerify, Secret: true, Check: checkNoBlank,
				Doc: "signing key of the project (PSK...), from API credentials in the dashboard; not the API token; a list during rotation",
			},
			{Name: signalwireSpace, Use: ForREST, Check: checkSpace, Doc: `name of the space: "example" of example.signalwire.com`},
			{Name: signalwireProjectID, Use: ForREST, Check: checkNoBlank, Doc: "id of the project, a UUID"},
			{
				Name: signalwireAPIToken, Use: ForREST, Secret: true, Check: checkNoBlank,
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
		Normalize: normalizeSignalwire,
		REST:      signalwireAPI(),
	}
}

// verifySignalwire checks one of the three schemes. Which one is decided by the
// body's type: forms are signed by their pairs, JSON by its bytes, or, where
// the signed URL carries bodySHA256, by that digest. There is no timestamp: a
// repeated request is found by the identity of its event.
func verifySignalwire(r *Request, k Keys) (string, error) {
	given := r.Header.Get(signalwireSignature)
	if given == "" {
		given = r.Header.Get(signalwireAlias)
	}
	switch {
	case isForm(r.ContentType, r.Body):
		return verifySignalwireForm(r, k, given)
	case bodyDigest(r.URL) != "":
		return verifySignalwireDigest(r, k, given)
	default:
		return verifySignalwireJSON(r, k, given)
	}
}

// verifySignalwireJSON checks the hex HMAC of URL and body, SHA-256 where that
// header is present, else SHA-1.
func verifySignalwireJSON(r *Request, k Keys, given string) (string, error) {
	strong := r.Header.Get(signalwireSHA256)
	return tryKeys(k, signalwireSigningKey, func(key string) bool {
		if strong != "" {
			return sameText(strong, hex.EncodeToString(hmacSHA256([]byte(key), []byte(r.URL), r.Body)))
		}
		return sameText(given, hex.EncodeToString(hmacSHA1([]byte(key), []byte(r.URL), r.Body)))
	})
}

// verifySignalwireDigest checks the HMAC of the URL alone, which counts only
// because the URL carries the body's digest.
func verifySignalwireDigest(r *Request, k Keys, given string) (string, error) {
	sum := sha256.Sum256(r.Body)
	if !sameText(bodyDigest(r.URL), hex.EncodeToString(sum[:])) {
		return "", ErrSignature
	}
	return tryKeys(k, signalwireSigningKey, func(key string) bool {
		return sameText(given, base64.StdEncoding.EncodeToString(hmacSHA1([]byte(key), []byte(r.URL))))
	})
}

// verifySignalwireForm checks the base64 HMAC of the URL and each key and value
// in the order of the keys; repeated keys keep theirs. A form without pairs
// would leave the URL signed alone, so it is refused.
func verifySignalwireForm(r *Request, k Keys, given string) (string, error) {
	form, err := readForm(r.Body)
	if err != nil || len(form) == 0 {
		return "", ErrSignature
	}
	pairs := form.signed()
	addresses := withStandardPort(r.URL)
	return tryKeys(k, signalwireSigningKey, func(key string) bool {
		for _, address := range addresses { // which of them was signed is no secret
			sum := hmacSHA1([]byte(key), []byte(address), pairs)
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
func normalizeSignalwire(b *Body) ([]call.Event, error) {
	var n node
	var err error
	if isForm(b.ContentType, b.Bytes) {
		n, err = parseForm(b.Bytes)
	} else {
		n, err = parseJSON(b.Bytes)
	}
	if err != nil {
		return nil, err
	}
	if n.at("jsonrpc").text() != "" {
		n = n.at("params") // a frame of the Relay connection, relayed: it wraps the event
	}
	switch {
	case n.at("CallSid").text() != "":
		return signalwireCXML(n)
	case callbackOf(n) == otherCallback:
		return nil, nil // a message, the end of a conference ...: it is about no call
	case isSignalwireAI(n):
		return signalwireAI(n)
	case n.at("call").isObject() || !n.isObject() && !n.isList():
		return nil, nil // the fetch of a SWML document; a frame without an event
	case n.at("event_type").text() != "":
		return signalwireState(n)
	default:
		return signalwireREST(n)
	}
}
