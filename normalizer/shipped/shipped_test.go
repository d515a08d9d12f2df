package shipped

import (
	"encoding/json"
	"math/rand/v2"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"callwatch/call"
	"callwatch/normalizer"
	"callwatch/normalizer/declared"
	"callwatch/normalizer/providertest"
	"callwatch/normalizer/simulate"
)

// Each declaration is without problems and passes its own tests.
func TestDeclarations(t *testing.T) {
	for _, name := range names() {
		src, err := files.ReadFile(name + ".yaml")
		if err != nil {
			t.Fatal(err)
		}
		d, problems := declared.Load(name+".yaml", src)
		if len(problems) > 0 {
			t.Errorf("%v", problems)
			continue
		}
		for _, o := range d.Run() {
			for _, f := range o.Faults {
				t.Errorf("%s, %s: %s", name, o.Name, f)
			}
			for _, n := range o.Notes {
				t.Errorf("%s, %s: note %s", name, o.Name, n)
			}
		}
	}
}

// Each body of a declaration becomes the events of the golden file, whole.
func TestGolden(t *testing.T) {
	providers := Providers()
	for i, d := range Declarations() {
		golden := map[string][]call.Event{}
		for _, c := range d.Tests {
			b := normalizer.Body{Provider: d.Name, Source: c.Source, ContentType: c.ContentType, Bytes: c.Body, CallID: c.CallID, ReceivedAt: providertest.ReceivedAt(), RawID: "1.0"}
			events, err := normalizer.Events(providers[i], &b, normalizer.Options{})
			if err != nil {
				t.Fatalf("%s, %s: %v", d.Name, c.Name, err)
			}
			golden[c.Name] = events
		}
		text, err := json.MarshalIndent(golden, "", "  ")
		if err != nil {
			t.Fatal(err)
		}
		providertest.Compare(t, filepath.Join("testdata", d.Name+".golden.json"), append(text, '\n'))
	}
}

// Each provider keeps the contract of all of them.
func TestContract(t *testing.T) {
	for _, p := range Providers() {
		t.Run(p.Name, func(t *testing.T) {
			providertest.Settings(t, p)
			providertest.Verified(t, p)
		})
	}
}

// What is known of a call does not depend on the order or the repetition of its webhooks.
func TestOrderAndRepetition(t *testing.T) {
	providers := Providers()
	for i, d := range Declarations() {
		byCall := map[string][]call.Event{}
		for _, c := range d.Tests {
			b := normalizer.Body{Provider: d.Name, Source: c.Source, ContentType: c.ContentType, Bytes: c.Body, CallID: c.CallID, ReceivedAt: providertest.ReceivedAt(), RawID: "1.0"}
			events, err := normalizer.Events(providers[i], &b, normalizer.Options{})
			if err != nil {
				t.Fatalf("%s, %s: %v", d.Name, c.Name, err)
			}
			for _, e := range events {
				byCall[e.CallID] = append(byCall[e.CallID], e)
			}
		}
		for id, events := range byCall {
			fold := func(events []call.Event) call.Facts {
				var c call.Call
				for i := range events {
					e := events[i].Clone()
					c.Fold(&e, call.PreferProvider)
				}
				return c.Facts
			}
			want := fold(events)
			backward := slices.Clone(events)
			slices.Reverse(backward)
			for order, other := range map[string][]call.Event{"backward": backward, "twice": slices.Concat(events, events), "backward twice": slices.Concat(backward, backward)} {
				if diff := cmp.Diff(want, fold(other)); diff != "" {
					t.Errorf("%s, call %s, %s:\n%s", d.Name, id, order, diff)
				}
			}
		}
	}
}

// A signature as plivo/plivo-python makes it: HMAC-SHA256("token", "https://x.example/h?CallUUIDu1Fromf.n1"), by openssl.
func TestVerifyPlivo(t *testing.T) {
	const vector = "P9VJ5pYv4MWoKyT+wpNSBSmUw4Kwc1IA0f7rezkmiog="
	keys := normalizer.Keys{authToken: {"token"}}
	for name, c := range map[string]struct {
		url, body, signature, nonce string
		ok                          bool
	}{
		"vector":      {"https://x.example/h", "From=f&CallUUID=u1", "AAAA," + vector, "n1", true},
		"other nonce": {"https://x.example/h", "From=f&CallUUID=u1", vector, "n2", false},
		"other form":  {"https://x.example/h", "From=g&CallUUID=u1", vector, "n1", false},
		"other query": {"https://x.example/h?a=1", "From=f&CallUUID=u1", vector, "n1", false},
		"none":        {"https://x.example/h", "From=f&CallUUID=u1", "", "n1", false},
	} {
		r := normalizer.Request{URL: c.url, Body: []byte(c.body), ContentType: simulate.FormType, Header: http.Header{"X-Plivo-Signature-V3": {c.signature}, "X-Plivo-Signature-V3-Nonce": {c.nonce}}}
		if _, err := verifyPlivo(&r, keys); (err == nil) != c.ok {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Vectors of what the vendors' sources describe, made by openssl and by Python's hmac:
// Retell signs body and milliseconds (RetellAI/retell-typescript-sdk src/lib/webhook_auth.ts),
// ElevenLabs and jambonz seconds, a dot and the body (elevenlabs-docs webhook-hmac-authentication.mdx,
// jambonz/node-client webhook-response.js), Vonage a token with the digest of the body in hex,
// LiveKit one with it in base64 (livekit/protocol webhook/verifier.go).
func TestVerifyDeclared(t *testing.T) {
	at := time.Unix(1767323045, 0)
	const (
		head    = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9."
		digest  = "eyJpYXQiOjE3NjczMjMwNDUsImp0aSI6ImoxIiwiaXNzIjoiVm9uYWdlIiwicGF5bG9hZF9oYXNoIjoiMDE1YWJkN2Y1Y2M1N2EyZGQ5NGI3NTkwZjA0YWQ4MDg0MjczOTA1ZWUzM2VjNWNlYmVhZTYyMjc2YTk3Zjg2MiIsImFwaV9rZXkiOiJhYmNkMTIzNCJ9."
		vonage  = "Bearer " + head + digest + "Tt_DiHK3ZDJ-lWMmHR5v0wm4Og6Fr98AeqExhWHYxmM"
		old     = "Bearer " + head + "eyJpYXQiOjE3NjczMTkwNDUsImp0aSI6ImoxIiwiaXNzIjoiVm9uYWdlIiwicGF5bG9hZF9oYXNoIjoiMDE1YWJkN2Y1Y2M1N2EyZGQ5NGI3NTkwZjA0YWQ4MDg0MjczOTA1ZWUzM2VjNWNlYmVhZTYyMjc2YTk3Zjg2MiJ9.eCoVQMYN9pYAFXa47ncESk7uFnr6GP8Ypv2imEkYx0I"
		livekit = head + "eyJpc3MiOiJBUElrZXkiLCJuYmYiOjE3NjczMjMwNDUsImV4cCI6MTc2NzMyMzM0NSwic2hhMjU2IjoiQVZxOWYxekZlaTNaUzNXUThFcllDRUp6a0Y3alBzWE92cTVpSjJxWCtHST0ifQ.QYbvxgsWxmTn6ssCZt0_BB-AvkYX9n8nP9-Qgg415iU"
		expired = head + "eyJpc3MiOiJBUElrZXkiLCJuYmYiOjE3NjczMjIwNDUsImV4cCI6MTc2NzMyMjM0NSwic2hhMjU2IjoiQVZxOWYxekZlaTNaUzNXUThFcllDRUp6a0Y3alBzWE92cTVpSjJxWCtHST0ifQ._tvzgy6pfRX5UoGhYiEqpL7Gk4cYKE3i45Jp6LKSi8o"
		retell  = "v=1767323045000,d=e34bd1c7b604f9bb505acaec9c99f63f79fdd6b65651137ca5224bf5791a8346"
		seconds = "t=1767323045,v0=5801ec7c2609536b21e872dabc58e02401283cba52f83527f288b9a0036a4941"
	)
	for name, c := range map[string]struct {
		provider, setting, header, value string
		ok                               bool
	}{
		"retell":            {"retell", "API_KEY", "X-Retell-Signature", retell, true},
		"retell, older":     {"retell", "API_KEY", "X-Retell-Signature", strings.Replace(retell, "3045000", "3044000", 1), false},
		"elevenlabs":        {"elevenlabs", "WEBHOOK_SECRET", "Elevenlabs-Signature", seconds, true},
		"elevenlabs, old":   {"elevenlabs", "WEBHOOK_SECRET", "Elevenlabs-Signature", strings.Replace(seconds, "3045", "3000", 1), false},
		"jambonz":           {"jambonz", "WEBHOOK_SECRET", "Jambonz-Signature", strings.Replace(seconds, "v0", "v1", 1), true},
		"jambonz, v0":       {"jambonz", "WEBHOOK_SECRET", "Jambonz-Signature", seconds, false},
		"jambonz, password": {"jambonz", "PASSWORD", "Authorization", "Basic dXNlcjpzZWNyZXQ=", true},
		"vonage":            {"vonage", "SIGNATURE_SECRET", "Authorization", vonage, true},
		"vonage, old":       {"vonage", "SIGNATURE_SECRET", "Authorization", old, false},
		"vonage, unsigned":  {"vonage", "SIGNATURE_SECRET", "Authorization", "Bearer eyJhbGciOiJub25lIn0." + digest, false},
		"livekit":           {"livekit", "API_SECRET", "Authorization", livekit, true},
		"livekit, expired":  {"livekit", "API_SECRET", "Authorization", expired, false},
		"vapi, secret":      {"vapi", "SERVER_SECRET", "X-Vapi-Secret", "secret", true},
		"vapi, token":       {"vapi", "BEARER_TOKEN", "Authorization", "Bearer secret", true},
		"vapi, other token": {"vapi", "BEARER_TOKEN", "Authorization", "Bearer secre", false},
		"vapi, hmac":        {"vapi", "SIGNING_SECRET", "X-Vapi-Signature", "aa9e2e3575f5d7098b6caccd790888c36d5fdb63342a73bada2d6a51747a8494", true},
		"freeswitch":        {"freeswitch", "PASSWORD", "Authorization", "Basic dXNlcjpzZWNyZXQ=", true},
		"freeswitch, other": {"freeswitch", "PASSWORD", "Authorization", "Basic dXNlcjp3cm9uZw==", false},
	} {
		p, _ := Providers().Find(c.provider)
		for body, ok := range map[string]bool{`{"a":1}`: c.ok, `{"a":2}`: c.ok && (c.header == "X-Vapi-Secret" || strings.HasPrefix(c.value, "Basic") || c.setting == "BEARER_TOKEN")} {
			r := normalizer.Request{Body: []byte(body), ContentType: simulate.JSONType, ReceivedAt: at, Header: http.Header{c.header: {c.value}}}
			if _, err := normalizer.Verify(p, &r, normalizer.Keys{c.setting: {"other", "secret"}}); (err == nil) != ok {
				t.Errorf("%s with %s: %v", name, body, err)
			}
		}
	}
}

// The traffic of simulate is accepted and understood, with each scheme that it can sign.
func TestSimulated(t *testing.T) {
	sources, providers := Simulators(), Providers()
	secrets, err := sources.Generate(rand.NewChaCha8([32]byte{1}))
	if err != nil {
		t.Fatal(err)
	}
	start := time.Date(2026, 3, 2, 9, 30, 0, 0, time.UTC)
	traffic, err := simulate.Traffic(simulate.Options{Sources: sources, Secrets: secrets, Seed: 1, Count: 300, Start: start})
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]int{}
	for r := range traffic {
		p, _ := providers.Find(r.Provider)
		now := start.Add(r.At)
		req, err := r.Sign(t.Context(), simulate.Target{URL: "https://x.example"}, now)
		if err != nil {
			t.Fatal(err)
		}
		if r.Expect != simulate.Normalized {
			continue
		}
		token := ""
		if parts := req.URL.Path[len("/webhooks/"+r.Provider):]; parts != "" {
			token = parts[1:]
		}
		hook, err := normalizer.Verify(p, &normalizer.Request{URL: req.URL.String(), Header: req.Header, Body: r.Body, Token: token, ReceivedAt: now, ContentType: req.Header.Get("Content-Type")}, secrets.Receive[r.Provider])
		if err != nil {
			t.Errorf("%s %s: %v", r.Provider, r.Kind, err)
			continue
		}
		b := hook.Body()
		events, err := normalizer.Events(p, &b, normalizer.Options{})
		if err != nil || len(events) == 0 || events[0].CallID != r.CallID && r.Provider != "livekit" {
			t.Errorf("%s %s: %d events, %v", r.Provider, r.Kind, len(events), err)
			continue
		}
		if at := events[0].EndedAt; !at.IsZero() && (at.After(now.Add(time.Second)) || now.Sub(at) > time.Minute) {
			t.Errorf("%s %s at %s reports %s", r.Provider, r.Kind, now, at)
		}
		seen[r.Provider]++
	}
	for _, name := range names() {
		if seen[name] == 0 {
			t.Errorf("no traffic of %s", name)
		}
	}
}

// FuzzShipped feeds hostile bodies and signatures to all declarations.
func FuzzShipped(f *testing.F) {
	for _, d := range Declarations() {
		for _, c := range d.Tests {
			f.Add(c.Body, c.ContentType, "t=1,v1=00")
		}
	}
	providers := Providers()
	f.Fuzz(func(t *testing.T, body []byte, contentType, signature string) {
		for _, p := range providers {
			for _, source := range []normalizer.Source{normalizer.Pushed, normalizer.Fetched} {
				b := normalizer.Body{Provider: p.Name, Source: source, ContentType: contentType, Bytes: body, ReceivedAt: providertest.ReceivedAt(), RawID: "1.0"}
				events, err := normalizer.Events(p, &b, normalizer.Options{})
				if err != nil {
					continue
				}
				for i := range events {
					providertest.CheckEvent(t, &events[i])
				}
			}
			if p.Verify == nil {
				continue
			}
			keys, h := normalizer.Keys{}, http.Header{}
			for _, s := range p.Settings {
				keys[s.Name] = []string{"a secret that nobody knows"}
			}
			for _, name := range []string{"Authorization", "X-Plivo-Signature-V3", "X-Plivo-Signature-V3-Nonce", "X-Retell-Signature", "Elevenlabs-Signature", "X-Vapi-Secret", "X-Vapi-Signature", "Jambonz-Signature"} {
				h.Set(name, signature)
			}
			if key, err := p.Verify(&normalizer.Request{URL: "https://x.example/h?bodySHA256=00", Header: h, Body: body, ContentType: contentType, ReceivedAt: providertest.ReceivedAt()}, keys); err == nil {
				t.Errorf("%s takes the signature %q by %s", p.Name, signature, key)
			}
		}
	})
}

// The end of a call that names no call is an error, not a kind that is ignored: it becomes
// a dead letter. A message about something else is ignored.
func TestEndWithoutACall(t *testing.T) {
	t.Parallel()
	p, _ := Providers().Find("vapi")
	for body, want := range map[string]string{
		`{"message":{"type":"end-of-call-report","endedReason":"hangup","call":{}}}`: "end of call without a callId",
		`{"message":{"type":"end-of-call-report"}}`:                                  "end of call without a callId",
		`{"message":{"type":"transcript","transcript":"hello"}}`:                     "",
	} {
		events, err := normalizer.Events(p, &normalizer.Body{Provider: p.Name, ContentType: "application/json", Bytes: []byte(body)}, normalizer.Options{})
		if len(events) > 0 || (want == "") != (err == nil) || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %d events, %v; want %q", body, len(events), err, want)
		}
	}
}
