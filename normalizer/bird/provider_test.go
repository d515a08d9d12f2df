package bird

import (
	"testing"

	"callwatch/normalizer/providertest"
)

func TestProvider(t *testing.T) { providertest.Run(t, Provider(), "testdata") }

func TestSimulatedSignatures(t *testing.T) {
	providertest.Schemes(t, map[string]providertest.Signed{
		"timestamp, url and digest": {
			Scheme: byURLAndDigest(), Key: "test-signing-key-crm", Unix: 1755100431, URL: "https://hooks.example.com/webhooks/bird",
			Body: `{"service":"channels","event":"voice.outbound","payload":{"id":"382ef429-78ba-416d-899e-657d39d194ea","status":"completed"}}`,
			Want: map[string]string{
				"MessageBird-Request-Timestamp": "1755100431",
				"MessageBird-Signature":         "x32EVGML0gh2EbOtQByISsqAzLtHLaKNg0Kv6KgNXsk=",
			},
		},
		"standard webhooks": {
			Scheme: byStandardWebhooks(), Key: "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=", Unix: 1787163104,
			Given: map[string]string{"webhook-id": "msg_2abc"},
			Body: `{"type":"voice_call.ended","timestamp":"2026-08-19T18:11:44Z","data":{"call_id":"vcl_01krdgeqcxet5s7t44vh8rt9mg",` +
				`"status":"answered","sip_response_code":200,"duration_ms":65000,"billable_ms":60000}}`,
			Want: map[string]string{
				"webhook-timestamp": "1787163104", "webhook-signature": "v1,4qI5V/UM7RgNjbEX1a7gQJA7NVQHAivCnG1IlcxCG9c=",
			},
		},
	})
}
