package normalizer

import (
	"crypto/hmac"
	"crypto/sha1" //nolint:gosec // fixed by the providers' schemes
	"crypto/sha256"
	"hash"
	"strconv"
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
