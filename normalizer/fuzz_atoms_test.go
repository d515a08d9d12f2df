package normalizer

import (
	"strings"
	"testing"
)

func FuzzNormalizeAtoms(f *testing.F) { fuzzNormalize(f, "atoms") }

func FuzzVerifyAtoms(f *testing.F) {
	keys := Keys{atomsSigningSecret: {atomsSecret}}
	f.Add([]byte(atomsBody), atomsSignature)
	f.Add([]byte(atomsBody+" "), atomsSignature)
	f.Add([]byte(atomsBody), strings.ToUpper(atomsSignature))
	f.Fuzz(func(t *testing.T, body []byte, signature string) {
		r := Request{Body: body, Header: header("X-Signature", signature)}
		_, err := atoms().Verify(&r, keys)
		same := string(body) == atomsBody && strings.EqualFold(signature, atomsSignature)
		if (err == nil) != same {
			t.Fatalf("body %q, signature %q: %v", body, signature, err)
		}
	})
}
