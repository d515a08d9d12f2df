package shipped

import (
	"testing"

	"callwatch/call"
	"callwatch/normalizer"
	"callwatch/normalizer/providertest"
)

// Real bodies become the events that their fields say.
func TestCorpus(t *testing.T) {
	for name, table := range map[string]map[string]providertest.Expected{
		"vonage": {
			"conversation_rtc_hangup_quality.json": {Events: 1, Kind: call.Report, Values: map[string]any{
				"callId": "string", "direction": "inbound", "mos": 4, "mosSource": "provider", "qualityScore": 98, "packetsReceived": 1000, "packetLossPct": 6,
				"bytesReceived": 1234, "bytesSent": 56789, "hangupCause": "A good one", "sipCode": nil, "occurredAt": "2020-01-01T14:00:00Z", "jitterMs": nil,
			}},
			"voice_event_completed.json": {Events: 1, Kind: call.Ended, Values: map[string]any{
				"callId": "63f61863-4a51-4f6b-86e1-46edebcf9356", "status": "completed", "durationSec": 6, "cost": 0.00015, "costCurrency": "EUR",
				"direction": "inbound", "hangupSource": "platform", "from": "+442079460000", "startedAt": "2023-12-30T23:59:59.999Z", "endedAt": "2024-01-09T11:01:58.324Z",
			}},
			"voice_event_failed.json": {Events: 1, Kind: call.Ended, Values: map[string]any{
				"status": "failed", "answered": false, "hangupCause": "cannot_route", "sipCode": 404, "cost": nil, "durationSec": nil,
			}},
		},
		"plivo": {
			"sip_trunk_call.json": {Events: 1, Kind: call.Ended, Source: normalizer.Imported, Values: map[string]any{
				"status": "completed", "transport": "sip", "durationSec": 4, "cost": 0.002, "costCurrency": "USD", "direction": "outbound", "hangupSource": "carrier",
				"hangupClass": "normal", "hangupCode": nil, "fromCountry": "IN", "setupMs": 8000, "endedAt": "2022-12-06T07:02:00Z",
			}},
		},
		"vapi": {
			"end_of_call_report.json": {Err: "without a callId"},
			"end_of_call_report_minimal.json": {Events: 1, Kind: call.Ended, Values: map[string]any{
				"callId": "73a6da0f-c455-4bb6-bf4a-5f0634871430", "status": "completed", "endReason": "assistant-ended-call", "cost": nil, "turnLatencyMs": nil, "fatalError": false,
			}},
			"end_of_call_report_test_fixture.json": {Events: 1, Kind: call.Ended, Values: map[string]any{
				"callId": "vapi-web-1", "durationSec": 42.7, "hangupClass": "user", "startedAt": "2026-09-17T16:00:00Z", "endedAt": "2026-09-17T16:00:42Z", "raw.artifact": nil,
			}},
		},
		"retell": {
			"call_ended.json": {Events: 1, Kind: call.Ended, Values: map[string]any{
				"callId": "Jabr9TXYYJHfvl6Syypi88rdAHYHmcq6", "status": "completed", "transport": "pstn", "direction": "inbound", "hangupClass": "user",
				"endReason": "user_hangup", "durationSec": nil, "turnLatencyMs": nil, "cost": nil, "raw.transcript": nil, "fatalError": false,
			}},
		},
		"elevenlabs": {
			"post_call_audio.json": {Events: 0},
			"post_call_transcription.json": {Events: 1, Kind: call.Ended, Values: map[string]any{
				"callId": "abc", "agentId": "xyz", "status": "completed", "durationSec": 22, "cost": 296, "costCurrency": "credits", "turnCount": 2,
				"llmLatencyMs": 370.4247010173276, "turnLatencyMs": 555.1181449554861, "startedAt": "2025-02-14T12:48:17Z", "raw.transcript": nil, "endReason": nil,
			}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			p, ok := Providers().Find(name)
			if !ok {
				t.Fatal("no such provider")
			}
			providertest.Corpus(t, p, table)
		})
	}
}
