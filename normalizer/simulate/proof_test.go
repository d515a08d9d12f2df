package simulate

import (
	"crypto/ed25519"
	"encoding/base64"
	"net/http"
	"testing"
	"time"
)

// The vectors are published ones, or computed from the schemes' definitions with
// other implementations.
func TestSchemesSignAsTheProvidersDo(t *testing.T) {
	seed := make([]byte, ed25519.SeedSize)
	for i := range seed {
		seed[i] = byte(i)
	}
	const psk = "PSKtest1234567890abcdef"
	tests := map[string]struct {
		scheme     scheme
		key        string
		unix       int64
		url, ctype string
		body       string
		given      map[string]string
		want       map[string]string
	}{
		"ed25519 over timestamp and body": {
			scheme: byEd25519(), key: base64.StdEncoding.EncodeToString(seed), unix: 1763868630,
			body: `{"data":{"event_type":"call.hangup","id":"evt-1","payload":{"call_leg_id":"leg-1"}}}`,
			want: map[string]string{
				"telnyx-timestamp":         "1763868630",
				"telnyx-signature-ed25519": "2HYLW+AUYJJzOEgpvOnYiJxPTQAzf1S59fiVV1z259N3Y5Jx/tSxw40GNVpuShvo+69f7jr94aaiTq+yEuL4AQ==",
			},
		},
		"url and JSON body": {
			scheme: byURLAndBody(), key: psk, url: "https://example.ngrok.io/webhook", ctype: jsonType,
			body: `{"event":"call.state","params":{"call_id":"abc-123","state":"answered"}}`,
			want: map[string]string{
				"X-SignalWire-Signature":        "c3c08c1fefaf9ee198a100d5906765a6f394bf0f",
				"X-Signalwire-SHA256-Signature": "2a29f8a92b11df39da80c3b185fd62173d49c294184da585ff951eae4433571c",
			},
		},
		"url and sorted form": {
			scheme: byURLAndForm(), key: "12345", url: "https://mycompany.com/myapp.php?foo=1&bar=2", ctype: formType,
			body: "To=%2B18005551212&Digits=1234&From=%2B14158675309&Caller=%2B14158675309&CallSid=CA1234567890ABCDE",
			want: map[string]string{"X-SignalWire-Signature": "RSOYDt4T1cUTdK1PDd93/VVr8B8="},
		},
		"repeated and empty form keys": {
			scheme: byURLAndForm(), key: psk, url: "https://hooks.example.com/signalwire/status?tenant=1", ctype: formType,
			body: "CallSid=1&To=b&To=a&Empty=",
			want: map[string]string{"X-SignalWire-Signature": "Jp9kc7OCBMIfyoWr2JnP/25YBi0="},
		},
		"url with the digest of the body": {
			scheme: byURLAndForm(), key: psk, ctype: jsonType, body: `{"event":"call.state"}`,
			url:  "https://example.ngrok.io/webhook?bodySHA256=69f3cbfc18e386ef8236cb7008cd5a54b7fed637a8cb3373b5a1591d7f0fd5f4",
			want: map[string]string{"X-SignalWire-Signature": "dfO9ek8mxyFtn2nMz24plPmPfIY="},
		},
		"timestamp, url and digest": {
			scheme: byURLAndDigest(), key: "test-signing-key-crm", unix: 1755100431, url: "https://hooks.example.com/webhooks/bird",
			body: `{"service":"channels","event":"voice.outbound","payload":{"id":"382ef429-78ba-416d-899e-657d39d194ea","status":"completed"}}`,
			want: map[string]string{
				"MessageBird-Request-Timestamp": "1755100431",
				"MessageBird-Signature":         "x32EVGML0gh2EbOtQByISsqAzLtHLaKNg0Kv6KgNXsk=",
			},
		},
		"standard webhooks": {
			scheme: byStandardWebhooks(), key: "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=", unix: 1787163104,
			given: map[string]string{"webhook-id": "msg_2abc"},
			body: `{"type":"voice_call.ended","timestamp":"2026-08-19T18:11:44Z","data":{"call_id":"vcl_01krdgeqcxet5s7t44vh8rt9mg",` +
				`"status":"answered","sip_response_code":200,"duration_ms":65000,"billable_ms":60000}}`,
			want: map[string]string{
				"webhook-timestamp": "1787163104", "webhook-signature": "v1,4qI5V/UM7RgNjbEX1a7gQJA7NVQHAivCnG1IlcxCG9c=",
			},
		},
		"body alone": {
			scheme: byBody(), key: "atoms-test-secret",
			body: `{"event":"agent1.post-conversation","metadata":{"eventType":"post-conversation","callId":"CALL-1737000000000-abc123"},"id":"delivery1"}`,
			want: map[string]string{"X-Signature": "8d3b946dd6e64f2bfbc3cdeabf7da17c286b6188899486800ec62ccf34694d41"},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			d := draft{url: tt.url, header: http.Header{}, body: []byte(tt.body), now: time.Unix(tt.unix, 0)}
			d.header.Set("Content-Type", tt.ctype)
			for name, value := range tt.given {
				d.header.Set(name, value)
			}
			if err := tt.scheme.sign(tt.key, &d); err != nil {
				t.Fatal(err)
			}
			for name, want := range tt.want {
				if got := d.header.Get(name); got != want {
					t.Errorf("%s: %s, want %s", name, got, want)
				}
			}
		})
	}
}
