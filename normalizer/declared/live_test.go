package declared

import (
	"encoding/hex"
	"net/http"
	"slices"
	"strings"
	"testing"

	"callwatch/normalizer"
)

// A replaced declaration counts at once: how webhooks are verified, what bodies mean, and
// what is asked where. What has to wait for the next start is named.
func TestReplace(t *testing.T) {
	old, src := nimbus(t)
	live := NewLive(old)
	p := live.Provider()
	change := func(pairs ...string) *Declaration {
		t.Helper()
		d, problems := Load("nimbus.yaml", []byte(strings.NewReplacer(pairs...).Replace(string(src))))
		if problems.Errors() {
			t.Fatal(problems)
		}
		return d
	}
	d := change("X-Nimbus-Signature", "X-Other-Signature", "api.nimbus.example/v2", "api.nimbus.example/v3", "{bearer: API_KEY}", "{header: X-Key, secret: API_KEY}")
	if waiting := live.Waiting(d); len(waiting) > 0 {
		t.Errorf("%v wait", waiting)
	}
	live.Replace(d)
	keys := normalizer.Keys{"API_KEY": {"k"}, "SIGNING_SECRET": {"s"}}
	if base := p.REST.BaseURL(keys); base != "https://api.nimbus.example/v3" {
		t.Errorf("base %s", base)
	}
	h := http.Header{}
	if p.REST.Authorize(h, keys); h.Get("X-Key") != "k" || h.Get("Authorization") != "" {
		t.Errorf("authorized by %v", h)
	}
	body := []byte(`{"a":1}`)
	sum := normalizer.HMACSHA256([]byte("s"), []byte("1767323045."), body)
	for header, ok := range map[string]bool{"X-Nimbus-Signature": false, "X-Other-Signature": true} {
		r := normalizer.Request{Body: body, Header: http.Header{header: {"t=1767323045,v1=" + hex.EncodeToString(sum)}}, ReceivedAt: testTime()}
		if _, err := p.Verify(&r, keys); (err == nil) != ok {
			t.Errorf("%s: %v", header, err)
		}
	}
	for want, d := range map[string]*Declaration{
		"settings": change("SIGNING_SECRET", "OTHER_SECRET"), "causes": change("media-lost: media", "media-lost: network"),
		"delays of fetching": change("[2s, 10s]", "[2s]"),
	} {
		if waiting := live.Waiting(d); !slices.Contains(waiting, want) {
			t.Errorf("%v wait, want %s", waiting, want)
		}
	}
}
