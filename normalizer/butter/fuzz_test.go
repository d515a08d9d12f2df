package butter

import (
	"testing"

	"callwatch/normalizer"
	"callwatch/normalizer/providertest"
)

func FuzzNormalizeButter(f *testing.F) { providertest.FuzzNormalize(f, Provider(), "testdata") }

func FuzzVerifyButter(f *testing.F) {
	const token = "k3-9f27c1"
	f.Add(token, []byte("{}"))
	f.Add("", []byte("{}"))
	f.Add(token+"0", []byte("{}"))
	f.Fuzz(func(t *testing.T, given string, body []byte) {
		_, err := normalizer.Verify(Provider(), &normalizer.Request{Token: given, Body: body}, normalizer.Keys{normalizer.URLToken: {token}})
		if (err == nil) != (given == token) {
			t.Fatalf("token %q: %v", given, err)
		}
	})
}
