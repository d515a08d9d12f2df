package signalwire

import (
	"testing"

	"callwatch/normalizer/providertest"
	"callwatch/normalizer/simulate"
)

func TestProvider(t *testing.T) { providertest.Run(t, Provider(), "testdata") }

func TestSimulatedSignatures(t *testing.T) {
	providertest.Schemes(t, map[string]providertest.Signed{
		"url and JSON body": {
			Scheme: byURLAndBody(), Key: "PSKtest1234567890abcdef", URL: "https://example.ngrok.io/webhook", ContentType: simulate.JSONType,
			Body: `{"event":"call.state","params":{"call_id":"abc-123","state":"answered"}}`,
			Want: map[string]string{
				"X-SignalWire-Signature":        "c3c08c1fefaf9ee198a100d5906765a6f394bf0f",
				"X-Signalwire-SHA256-Signature": "2a29f8a92b11df39da80c3b185fd62173d49c294184da585ff951eae4433571c",
			},
		},
		"url and sorted form": {
			Scheme: byURLAndForm(), Key: "12345", URL: "https://mycompany.com/myapp.php?foo=1&bar=2", ContentType: simulate.FormType,
			Body: "To=%2B18005551212&Digits=1234&From=%2B14158675309&Caller=%2B14158675309&CallSid=CA1234567890ABCDE",
			Want: map[string]string{"X-SignalWire-Signature": "RSOYDt4T1cUTdK1PDd93/VVr8B8="},
		},
		"repeated and empty form keys": {
			Scheme: byURLAndForm(), Key: "PSKtest1234567890abcdef", URL: "https://hooks.example.com/signalwire/status?tenant=1", ContentType: simulate.FormType,
			Body: "CallSid=1&To=b&To=a&Empty=",
			Want: map[string]string{"X-SignalWire-Signature": "Jp9kc7OCBMIfyoWr2JnP/25YBi0="},
		},
		"url with the digest of the body": {
			Scheme: byURLAndForm(), Key: "PSKtest1234567890abcdef", ContentType: simulate.JSONType, Body: `{"event":"call.state"}`,
			URL:  "https://example.ngrok.io/webhook?bodySHA256=69f3cbfc18e386ef8236cb7008cd5a54b7fed637a8cb3373b5a1591d7f0fd5f4",
			Want: map[string]string{"X-SignalWire-Signature": "dfO9ek8mxyFtn2nMz24plPmPfIY="},
		},
	})
}
