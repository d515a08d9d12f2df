package atoms

import (
	"net/http"
	"strings"
	"testing"

	"callwatch/normalizer"
	"callwatch/normalizer/providertest"
)

func FuzzNormalizeAtoms(f *testing.F) { providertest.FuzzNormalize(f, Provider(), "testdata") }

func FuzzVerifyAtoms(f *testing.F) {
	keys := normalizer.Keys{signingSecret: {secret}}
	f.Add([]byte(atomsBody), atomsSignature)
	f.Add([]byte(atomsBody+" "), atomsSignature)
	f.Add([]byte(atomsBody), strings.ToUpper(atomsSignature))
	f.Fuzz(func(t *testing.T, body []byte, signature string) {
		r := normalizer.Request{Body: body, Header: header("X-Signature", signature)}
		_, err := Provider().Verify(&r, keys)
		same := string(body) == atomsBody && strings.EqualFold(signature, atomsSignature)
		if (err == nil) != same {
			t.Fatalf("body %q, signature %q: %v", body, signature, err)
		}
	})
}

func header(name, value string) http.Header {
	h := http.Header{}
	h.Set(name, value)
	return h
}
