package providertest

import (
	"errors"
	"net/http"
	"testing"

	"callwatch/normalizer"
)

// Verified checks that without configuration a provider is off, a request
// without signature and token is refused, and a right token is enough.
func Verified(t *testing.T, p normalizer.Provider) {
	r := normalizer.Request{URL: "https://calls.example.net/webhooks/" + p.Name, Header: http.Header{}, Body: []byte(`{"a":1}`), ContentType: "application/json", ReceivedAt: ReceivedAt()}
	if _, err := normalizer.Verify(p, &r, normalizer.Keys{}); !errors.Is(err, normalizer.ErrOff) {
		t.Errorf("no configuration: %v", err)
	}
	rest := normalizer.Keys{}
	for _, s := range p.AllSettings() {
		if s.Use == normalizer.ForREST {
			rest[s.Name] = []string{"value"}
		}
	}
	if _, err := normalizer.Verify(p, &r, rest); !errors.Is(err, normalizer.ErrOff) {
		t.Errorf("REST settings only: %v", err)
	}
	keys := normalizer.Keys{normalizer.URLToken: {"old", "new"}}
	for _, s := range p.Settings {
		if s.Use == normalizer.ForVerify && s.Name != normalizer.URLToken {
			keys[s.Name] = []string{"key"}
		}
	}
	for _, token := range []string{"", "wrong", "new "} {
		r.Token = token
		if _, err := normalizer.Verify(p, &r, keys); !errors.Is(err, normalizer.ErrSignature) && !errors.Is(err, normalizer.ErrStale) {
			t.Errorf("token %q: %v", token, err)
		}
	}
	r.Token = "new"
	w, err := normalizer.Verify(p, &r, keys)
	if err != nil || w.Body().Key != "url_token 2" || string(w.Body().Bytes) != `{"a":1}` || w.Body().Provider != p.Name {
		t.Errorf("right token: %+v, %v", w.Body(), err)
	}
}

// Settings checks that each setting has a name of its own, a use and a sentence, and
// that a provider without a signature of its own is declared Unsigned.
func Settings(t *testing.T, p normalizer.Provider) {
	seen := map[string]bool{}
	for _, s := range p.AllSettings() {
		if s.Name == "" || s.Doc == "" || s.Use != normalizer.ForVerify && s.Use != normalizer.ForREST || seen[s.Name] {
			t.Errorf("setting %+v is incomplete or named twice", s)
		}
		seen[s.Name] = true
	}
	if p.Unsigned && p.Verify != nil {
		t.Error("the provider signs, and is Unsigned")
	}
	if !p.Unsigned && p.Verify == nil {
		t.Error("the provider cannot sign: it has to be Unsigned")
	}
}
