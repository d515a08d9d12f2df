package bird

import (
	"crypto/sha256"
	"slices"
	"strings"
	"testing"
	"time"

	"callwatch/normalizer"
	"callwatch/normalizer/providertest"
)

func FuzzNormalizeBird(f *testing.F) { providertest.FuzzNormalize(f, Provider(), "testdata") }

// FuzzVerifyBird mutates requests with a right signature of each scheme:
// whatever differs in what is signed, or comes too late, is refused.
func FuzzVerifyBird(f *testing.F) {
	const legacyKey = "legacy-key"
	keys := normalizer.Keys{signingKey: {keyA, keyB}, legacySigningKey: {legacyKey}}
	token := legacyToken("HS256", legacyKey, sha256.New, legacyClaims(bodyA))
	legacy := normalizer.Request{
		URL: birdHook, Body: []byte(bodyA), ReceivedAt: time.Unix(legacyNow, 0),
		Header: header("MessageBird-Signature-JWT", token),
	}
	names := [][3]string{
		{"MessageBird-Signature", "MessageBird-Request-Timestamp", "X-Unused"},
		{"webhook-signature", "webhook-timestamp", "webhook-id"},
		{"MessageBird-Signature-JWT", "X-Unused", "X-Unused"},
	}
	valid := []normalizer.Request{crmRequest(signatureA), platformRequest(signatureB), legacy}
	for i, r := range valid {
		if _, err := Provider().Verify(&r, keys); err != nil {
			f.Fatalf("request %d: %v", i, err)
		}
		h := func(j int) string { return r.Header.Get(names[i][j]) }
		f.Add(uint8(i), r.URL, r.Body, h(0), h(1), h(2), int64(0))
		f.Add(uint8(i), r.URL+"?", append([]byte(" "), r.Body...), h(0)+"=", h(1), h(2), int64(time.Hour))
	}
	f.Fuzz(func(t *testing.T, which uint8, url string, body []byte, signature, timestamp, id string, later int64) {
		i := int(which) % len(valid)
		want, r := valid[i], valid[i]
		r.URL, r.Body, r.ReceivedAt = url, body, r.ReceivedAt.Add(time.Duration(later))
		r.Header = header(names[i][2], id, names[i][1], timestamp, names[i][0], signature)
		if _, err := Provider().Verify(&r, keys); err != nil {
			return
		}
		same := string(body) == string(want.Body)
		signed := []string{names[i][0], names[i][1]}
		if i == 1 { // one right signature among several is enough, and the URL is not signed
			signed = []string{"webhook-timestamp", "webhook-id"}
			same = same && slices.Contains(strings.Fields(signature), signatureB)
		} else {
			same = same && url == want.URL
		}
		for _, name := range signed {
			same = same && (name == "X-Unused" || r.Header.Get(name) == want.Header.Get(name))
		}
		if age := time.Duration(later); !same || age > 25*time.Hour || age < -time.Hour {
			t.Fatalf("accepted: scheme %d, url %q, headers %v, body %q, age %v", i, url, r.Header, body, age)
		}
	})
}
