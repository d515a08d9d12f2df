package normalizer

import (
	"errors"
	"net/http"
	"testing"
)

// TestVerifyOfEveryProvider: without configuration a provider is off, a request
// without signature and token is refused, and a right token is enough.
func TestVerifyOfEveryProvider(t *testing.T) {
	for _, p := range Providers() {
		t.Run(p.Name, func(t *testing.T) {
			r := Request{URL: "https://calls.example.net/webhooks/" + p.Name, Header: http.Header{}, Body: []byte(`{"a":1}`), ContentType: "application/json", ReceivedAt: testReceivedAt()}
			if _, err := Verify(p, &r, Keys{}); !errors.Is(err, ErrOff) {
				t.Errorf("no configuration: %v", err)
			}
			rest := Keys{}
			for _, s := range p.AllSettings() {
				if s.Use == ForREST {
					rest[s.Name] = []string{"value"}
				}
			}
			if _, err := Verify(p, &r, rest); !errors.Is(err, ErrOff) {
				t.Errorf("REST settings only: %v", err)
			}
			keys := Keys{URLToken: {"old", "new"}}
			for _, s := range p.Settings {
				if s.Use == ForVerify && s.Name != URLToken {
					keys[s.Name] = []string{"key"}
				}
			}
			for _, token := range []string{"", "wrong", "new "} {
				r.Token = token
				if _, err := Verify(p, &r, keys); !errors.Is(err, ErrSignature) && !errors.Is(err, ErrStale) {
					t.Errorf("token %q: %v", token, err)
				}
			}
			r.Token = "new"
			w, err := Verify(p, &r, keys)
			if err != nil || w.Body().Key != "url_token 2" || string(w.Body().Bytes) != `{"a":1}` || w.Body().Provider != p.Name {
				t.Errorf("right token: %+v, %v", w.Body(), err)
			}
		})
	}
}

// TestSettingsOfEveryProvider: each setting has a name of its own, a use and a
// sentence.
func TestSettingsOfEveryProvider(t *testing.T) {
	for _, p := range Providers() {
		seen := map[string]bool{}
		for _, s := range p.AllSettings() {
			if s.Name == "" || s.Doc == "" || s.Use != ForVerify && s.Use != ForREST || seen[s.Name] {
				t.Errorf("%s: setting %+v is incomplete or named twice", p.Name, s)
			}
			seen[s.Name] = true
		}
	}
}
