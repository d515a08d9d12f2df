package butter

import (
	"errors"
	"testing"

	"callwatch/normalizer"
)

// Butter signs nothing: the token of the URL decides alone.
func TestVerifyButter(t *testing.T) {
	keys := normalizer.Keys{normalizer.URLToken: {"former", "k3-9f27c1"}}
	for token, want := range map[string]error{"k3-9f27c1": nil, "former": nil, "k3-9f27c": normalizer.ErrSignature, "": normalizer.ErrSignature} {
		r := normalizer.Request{Body: []byte(`{"call_sid":"call_1"}`), Token: token}
		w, err := normalizer.Verify(Provider(), &r, keys)
		if !errors.Is(err, want) {
			t.Errorf("token %q: %v, want %v", token, err, want)
		}
		if err == nil && string(w.Body().Bytes) != string(r.Body) {
			t.Errorf("token %q: body %q", token, w.Body().Bytes)
		}
	}
	if _, err := normalizer.Verify(Provider(), &normalizer.Request{Token: "x"}, normalizer.Keys{}); !errors.Is(err, normalizer.ErrOff) {
		t.Errorf("no token configured: %v", err)
	}
}
