package atoms

import (
	"testing"

	"callwatch/normalizer/providertest"
)

func TestProvider(t *testing.T) { providertest.Run(t, Provider(), "testdata") }

func TestSimulatedSignatures(t *testing.T) {
	providertest.Schemes(t, map[string]providertest.Signed{
		"body alone": {
			Scheme: byBody(), Key: "atoms-test-secret",
			Body: `{"event":"agent1.post-conversation","metadata":{"eventType":"post-conversation","callId":"CALL-1737000000000-abc123"},"id":"delivery1"}`,
			Want: map[string]string{"X-Signature": "8d3b946dd6e64f2bfbc3cdeabf7da17c286b6188899486800ec62ccf34694d41"},
		},
	})
}
