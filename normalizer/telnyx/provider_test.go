package telnyx

import (
	"crypto/ed25519"
	"encoding/base64"
	"testing"

	"callwatch/normalizer/providertest"
)

func TestProvider(t *testing.T) { providertest.Run(t, Provider(), "testdata") }

func TestSimulatedSignatures(t *testing.T) {
	seed := make([]byte, ed25519.SeedSize)
	for i := range seed {
		seed[i] = byte(i)
	}
	providertest.Schemes(t, map[string]providertest.Signed{
		"ed25519 over timestamp and body": {
			Scheme: byEd25519(), Key: base64.StdEncoding.EncodeToString(seed), Unix: 1763868630,
			Body: `{"data":{"event_type":"call.hangup","id":"evt-1","payload":{"call_leg_id":"leg-1"}}}`,
			Want: map[string]string{
				"telnyx-timestamp":         "1763868630",
				"telnyx-signature-ed25519": "2HYLW+AUYJJzOEgpvOnYiJxPTQAzf1S59fiVV1z259N3Y5Jx/tSxw40GNVpuShvo+69f7jr94aaiTq+yEuL4AQ==",
			},
		},
	})
}
