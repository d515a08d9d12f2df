package normalizer

import (
	"net/http"
	"testing"
	"time"
)

// A request is the same whatever headers it has that are not signed, and another with
// another body, key, token or signed timestamp.
func TestIdentity(t *testing.T) {
	p := Provider{Name: "p", Settings: []Setting{{Name: "KEY", Use: ForVerify}}, Verify: func(r *Request, _ Keys) (string, error) {
		r.Signed = r.Header.Get("X-Time")
		return "KEY " + r.Header.Get("X-Key"), nil
	}}
	keys := Keys{"KEY": {"k"}, URLToken: {"one", "two"}}
	of := func(p Provider, token, contentType, body string, headers ...string) Identity {
		t.Helper()
		h := http.Header{}
		for i := 0; i < len(headers); i += 2 {
			h.Set(headers[i], headers[i+1])
		}
		hook, err := Verify(p, &Request{Header: h, Body: []byte(body), Token: token, ContentType: contentType}, keys)
		if err != nil {
			t.Fatal(err)
		}
		return hook.Body().Identity
	}
	const js = "application/json"
	first, byToken := of(p, "", js, "{}"), of(p, "one", js, "{}")
	if first.Within != 5*time.Minute || first.Digest == byToken.Digest {
		t.Errorf("%+v, %+v", first, byToken)
	}
	for name, same := range map[string]bool{
		"other header":       of(p, "", js, "{}", "User-Agent", "x", "X-Forwarded-For", "1").Digest == first.Digest,
		"content type":       of(p, "", "application/json; charset=x", "{}").Digest == first.Digest,
		"token, signed time": of(p, "one", js, "{}", "X-Time", "1").Digest == byToken.Digest,
	} {
		if !same {
			t.Errorf("%s: another request", name)
		}
	}
	for name, same := range map[string]bool{
		"body":        of(p, "", js, "{ }").Digest == first.Digest,
		"signed time": of(p, "", js, "{}", "X-Time", "1").Digest == first.Digest,
		"key":         of(p, "", js, "{}", "X-Key", "1").Digest == first.Digest,
		"token":       of(p, "two", js, "{}").Digest == byToken.Digest,
	} {
		if same {
			t.Errorf("%s: the same request", name)
		}
	}
	if d := Trust(p, &Request{}).Body().Identity; d != (Identity{}) {
		t.Errorf("a request without a check has an identity: %+v", d)
	}
}
