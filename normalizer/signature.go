package normalizer

import (
	"crypto/hmac"
	"crypto/sha1" //nolint:gosec // fixed by the providers' schemes
	"crypto/sha256"
	"hash"
	"strconv"
)

// hmacOf is the HMAC of the parts, one after the other.
func hmacOf(h func() hash.Hash, key []byte, parts ...[]byte) []byte {
	mac := hmac.New(h, key)
	for _, p := range parts {
		mac.Write(p)
	}
	return mac.Sum(nil)
}

func hmacSHA256(key []byte, parts ...[]byte) []byte { return hmacOf(sha256.New, key, parts...) }
func hmacSHA1(key []byte, parts ...[]byte) []byte   { return hmacOf(sha1.New, key, parts...) }

// tryKeys calls match with each configured value and names the first that
// matches: "SIGNING_KEY 1". Every key is tried, so that the time taken does not
// tell which one matched.
func tryKeys(k Keys, setting string, match func(key string) bool) (string, error) {
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
