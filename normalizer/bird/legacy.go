package bird

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"hash"
	"strings"
	"time"

	"callwatch/normalizer"
)

// legacySkew is how far the clocks of the legacy API and ours may differ.
const legacySkew = time.Second

// verifyBirdLegacy checks the signed token (JWT) of the legacy MessageBird API,
// which binds the full URL and the body by their digests.
func verifyBirdLegacy(r *normalizer.Request, k normalizer.Keys) (string, error) {
	head, rest, _ := strings.Cut(r.Header.Get("MessageBird-Signature-JWT"), ".")
	claims, sig, ok := strings.Cut(rest, ".")
	mac, newHash := normalizer.DecodeExact(base64.RawURLEncoding, sig), legacyHash(head)
	if !ok || mac == nil || newHash == nil {
		return "", normalizer.ErrSignature
	}
	key, err := normalizer.TryKeys(k, legacySigningKey, func(key string) bool {
		return hmac.Equal(mac, normalizer.HmacOf(newHash, []byte(key), []byte(head+"."+claims)))
	})
	if err != nil {
		return "", err
	}
	r.Signed = claims
	return key, checkLegacyClaims(claims, r)
}

// legacyHash is the hash of the token's algorithm; nil for any but the three
// that a shared key can prove.
func legacyHash(head string) func() hash.Hash {
	var h struct {
		Alg string `json:"alg"`
	}
	if !decodePart(head, &h) {
		return nil
	}
	switch h.Alg {
	case "HS256":
		return sha256.New
	case "HS384":
		return sha512.New384
	case "HS512":
		return sha512.New
	default:
		return nil
	}
}

func checkLegacyClaims(part string, r *normalizer.Request) error {
	var c struct {
		Issuer      string   `json:"iss"`
		ID          string   `json:"jti"`
		NotBefore   *float64 `json:"nbf"` // unix seconds
		Expires     *float64 `json:"exp"`
		URLHash     string   `json:"url_hash"`
		PayloadHash string   `json:"payload_hash"` // absent when the body is empty
	}
	if !decodePart(part, &c) || c.Issuer != "MessageBird" || c.ID == "" || c.NotBefore == nil || c.Expires == nil {
		return normalizer.ErrSignature
	}
	body := ""
	if len(r.Body) > 0 {
		body = hexDigest(r.Body)
	}
	if c.URLHash != hexDigest([]byte(r.URL)) || c.PayloadHash != body {
		return normalizer.ErrSignature
	}
	now, skew := float64(r.ReceivedAt.UnixMilli())/1000, legacySkew.Seconds()
	if now < *c.NotBefore-skew || now > *c.Expires+skew {
		return normalizer.ErrStale
	}
	return nil
}

func decodePart(part string, v any) bool {
	b, err := base64.RawURLEncoding.DecodeString(part)
	return err == nil && json.Unmarshal(b, v) == nil
}

func hexDigest(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}
