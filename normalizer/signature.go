package normalizer

import (
	"crypto/hmac"
	"crypto/sha1" //nolint:gosec // fixed by the providers' schemes
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"hash"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"callwatch/normalizer/lenient"
)

// HmacOf is the HMAC of the parts, one after the other.
func HmacOf(h func() hash.Hash, key []byte, parts ...[]byte) []byte {
	mac := hmac.New(h, key)
	for _, p := range parts {
		mac.Write(p)
	}
	return mac.Sum(nil)
}

func HMACSHA256(key []byte, parts ...[]byte) []byte { return HmacOf(sha256.New, key, parts...) }
func HMACSHA1(key []byte, parts ...[]byte) []byte   { return HmacOf(sha1.New, key, parts...) }

// TryKeys calls match with each configured value and names the first that
// matches: "SIGNING_KEY 1". Every key is tried, so that the time taken does not
// tell which one matched.
func TryKeys(k Keys, setting string, match func(key string) bool) (string, error) {
	name := ""
	for i, key := range k[setting] {
		if key != "" && match(key) && name == "" {
			name = setting + " " + strconv.Itoa(i+1)
		}
	}
	if name == "" {
		return "", ErrSignature
	}
	return name, nil
}

// BodyDigest is the SHA-256 of a body.
func BodyDigest(body []byte) [sha256.Size]byte { return sha256.Sum256(body) }

// VerifyURLSignature checks the signature of the TwiML family: the base64 HMAC of the URL and, for a form, each name and value in the order of the names. The URL of another
// body carries its digest as bodySHA256, and is signed alone; so a form without pairs, or
// a body without digest, is refused. The port of the scheme may be in the URL or not
// (twilio/twilio-go client/request_validator.go).
func VerifyURLSignature(r *Request, k Keys, setting, given string, algorithm func() hash.Hash) (string, error) {
	sum := DecodeExact(base64.StdEncoding, given)
	if len(sum) == 0 {
		return "", ErrSignature
	}
	var pairs []byte
	if IsForm(r.ContentType, r.Body) {
		form, err := lenient.ReadForm(r.Body)
		if err != nil || len(form) == 0 {
			return "", ErrSignature
		}
		pairs = form.Signed()
	} else {
		digest, err := hex.DecodeString(DigestInURL(r.URL))
		if have := BodyDigest(r.Body); err != nil || !hmac.Equal(digest, have[:]) {
			return "", ErrSignature
		}
	}
	addresses := PortVariants(r.URL)
	return TryKeys(k, setting, func(key string) bool {
		return slices.ContainsFunc(addresses, func(address string) bool { // which of them was signed is no secret
			return hmac.Equal(sum, HmacOf(algorithm, []byte(key), []byte(address), pairs))
		})
	})
}

// DecodeExact decodes a text that is the one encoding of its bytes; nil for any
// other, line breaks and stray bits included.
func DecodeExact(enc *base64.Encoding, s string) []byte {
	b, err := enc.Strict().DecodeString(s)
	if err != nil || enc.EncodedLen(len(b)) != len(s) {
		return nil
	}
	return b
}

// DigestInURL is the digest of the body that a signed URL carries, "" for none.
func DigestInURL(address string) string {
	if !strings.Contains(address, "?") {
		return ""
	}
	u, err := url.Parse(address)
	if err != nil {
		return ""
	}
	return u.Query().Get("bodySHA256")
}
