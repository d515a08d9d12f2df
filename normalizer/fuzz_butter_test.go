package normalizer

import "testing"

func FuzzNormalizeButter(f *testing.F) { fuzzNormalize(f, "butter") }

func FuzzVerifyButter(f *testing.F) {
	const token = "k3-9f27c1"
	f.Add(token, []byte("{}"))
	f.Add("", []byte("{}"))
	f.Add(token+"0", []byte("{}"))
	f.Fuzz(func(t *testing.T, given string, body []byte) {
		_, err := Verify(butter(), &Request{Token: given, Body: body}, Keys{URLToken: {token}})
		if (err == nil) != (given == token) {
			t.Fatalf("token %q: %v", given, err)
		}
	})
}
