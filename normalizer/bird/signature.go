package bird

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"strconv"
	"strings"
	"time"

	"callwatch/normalizer"
)

const (
	// standardSecret begins the secrets of the 2026 platform.
	standardSecret = "whsec_"

	// Retries of the CRM keep the timestamp of the first attempt for hours.
	maxAge = 24 * time.Hour
	// clockSkew is how far a provider's clock may run ahead of ours, and the
	// age limit of senders that sign each attempt again.
	clockSkew = 5 * time.Minute
)

// verifyBird accepts what any of the schemes accepts whose keys are configured:
// a key proves its own scheme only, whichever headers a request carries.
func verifyBird(r *normalizer.Request, k normalizer.Keys) (string, error) {
	var all error
	for _, verify := range []func(*normalizer.Request, normalizer.Keys) (string, error){verifyBirdCRM, verifyBirdPlatform, verifyBirdLegacy} {
		key, err := verify(r, k)
		if err == nil {
			return key, nil
		}
		all = errors.Join(all, err)
	}
	if errors.Is(all, normalizer.ErrStale) {
		return "", normalizer.ErrStale
	}
	return "", normalizer.ErrSignature
}

// verifyBirdCRM checks the HMAC over timestamp, URL and the digest of the body.
func verifyBirdCRM(r *normalizer.Request, k normalizer.Keys) (string, error) {
	mac := normalizer.DecodeExact(base64.StdEncoding, r.Header.Get("Messagebird-Signature"))
	timestamp := r.Header.Get("Messagebird-Request-Timestamp")
	sum := sha256.Sum256(r.Body)
	signed := []byte(timestamp + "\n" + r.URL + "\n" + string(sum[:]))
	key, err := normalizer.TryKeys(k, signingKey, func(key string) bool {
		return !strings.HasPrefix(key, standardSecret) && hmac.Equal(mac, normalizer.HMACSHA256([]byte(key), signed))
	})
	if err != nil {
		return "", err
	}
	r.Signed = timestamp
	return key, checkAge(timestamp, r.ReceivedAt, maxAge)
}

// verifyBirdPlatform checks Standard Webhooks: one of the v1 signatures over id,
// timestamp and body, several of which are sent while a secret is rotated.
func verifyBirdPlatform(r *normalizer.Request, k normalizer.Keys) (string, error) {
	timestamp := r.Header.Get("Webhook-Timestamp")
	signed := append([]byte(r.Header.Get("Webhook-Id")+"."+timestamp+"."), r.Body...)
	key, err := normalizer.TryKeys(k, signingKey, func(key string) bool {
		secret, ok := strings.CutPrefix(key, standardSecret)
		raw, err := base64.StdEncoding.DecodeString(secret)
		return ok && err == nil && len(raw) > 0 && standardMatch(r.Header.Get("Webhook-Signature"), normalizer.HMACSHA256(raw, signed))
	})
	if err != nil {
		return "", err
	}
	r.Signed = r.Header.Get("Webhook-Id") + "." + timestamp
	return key, checkAge(timestamp, r.ReceivedAt, clockSkew)
}

func standardMatch(header string, want []byte) bool {
	match := false
	for given := range strings.FieldsSeq(header) {
		sig, ok := strings.CutPrefix(given, "v1,")
		match = ok && hmac.Equal(normalizer.DecodeExact(base64.StdEncoding, sig), want) || match
	}
	return match
}

// checkAge refuses a signed unix time in seconds that is older than maxAge or
// ahead of our clock by more than clockSkew.
func checkAge(timestamp string, received time.Time, maxAge time.Duration) error {
	sec, err := strconv.ParseInt(timestamp, 10, 64)
	if err != nil {
		return normalizer.ErrSignature
	}
	if age := received.Sub(time.Unix(sec, 0)); age > maxAge || age < -clockSkew {
		return normalizer.ErrStale
	}
	return nil
}
