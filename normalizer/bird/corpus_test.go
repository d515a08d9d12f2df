package bird

import (
	"testing"

	"callwatch/call"
	"callwatch/normalizer"
	"callwatch/normalizer/providertest"
)

func TestCorpusBird(t *testing.T) {
	ignored := providertest.Expected{}
	providertest.Corpus(t, Provider(), map[string]providertest.Expected{
		"get_insights_docs_2024.json": {Events: 1, Kind: call.Report, Source: normalizer.Fetched, Values: map[string]any{
			"callId":       "123e4567-e89b-12d3-a456-426614174000",
			"parentCallId": "123e4567-e89b-12d3-a456-426614174000",
			"connectionId": "123e4567-e89b-12d3-a456-426614174000",
			"direction":    call.Inbound, "status": call.InProgress, "transport": call.PSTN,
			"hangupSource": "callee", "sipCode": nil, "hangupCode": nil,
			"answeredAt": "2024-11-21T08:56:49.748Z", "endedAt": "2024-11-21T08:56:49.748Z",
			"mos": nil, "mosProvider": nil, "mosEstimate": nil, "qualityScore": nil,
			"packetsReceived": nil, "packetsLost": nil, "packetLossPct": nil, "jitterMaxMs": nil, "rttMs": nil,
			"pddMs": nil, "codec": nil, "region": "text",
			"raw.mediaMetrics.flawTotal": 0, "raw.signallingMetrics.providerName": "text",
		}},
		"webhook_envelope_whatsapp_inbound.json":    ignored,
		"subscription_create_voice_inbound.json":    ignored,
		"platform2026_webhook_email_delivered.json": ignored,
		"platform2026_error_envelope.json":          {Err: "E01001 Request validation failed."},
		"legacy_voice_call_object.json":             ignored,
		"legacy_voice_leg_object.json":              ignored,
		"legacy_voice_error.json":                   {Err: "13 some-error"},
		"legacy_voice_errors.json":                  {Err: "11 some-error"},
		// Vectors of signatures: no body of any webhook or answer.
		"legacy_signature_jwt_reference_vectors.json": {Err: "none of Bird's webhooks"},
	})
}
