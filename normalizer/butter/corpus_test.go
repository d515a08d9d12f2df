package butter

import (
	"testing"

	"callwatch/call"
	"callwatch/normalizer"
	"callwatch/normalizer/providertest"
)

func TestCorpusButter(t *testing.T) {
	providertest.Corpus(t, Provider(), map[string]providertest.Expected{
		"webhook_status_completed.json": {Events: 1, Kind: call.Ended, Values: map[string]any{
			"id":     "butter:call_123456:completed:2024-01-01T12:00:45Z",
			"callId": "call_123456", "status": call.Completed, "durationSec": 45, "endedAt": "2024-01-01T12:00:45Z",
			"hangupCause": nil, "errorCode": nil, "errorMessage": nil, "errorCount": nil, "sipCode": nil, "mos": nil,
		}},
		"get_call_completed.json": {Events: 1, Kind: call.Report, Source: normalizer.Fetched, Values: map[string]any{
			"callId": "call_abc123def456", "agentId": "agent_xyz789", "agentName": "Sales Rep",
			"direction": call.Outbound, "transport": call.PSTN, "status": call.Completed, "final": true,
			"from": "+15551234567", "to": "+15559876543", "recorded": true,
			"startedAt": "2026-03-09T10:00:05Z", "endedAt": "2026-03-09T10:02:25Z", "durationSec": 120.5,
			"turnCount": 7, "interruptions": 2, "turnLatencyMs": 500, "turnLatencyP95Ms": 500, "turnLatencyMaxMs": 500,
			"llmLatencyMs": 500, "sttLatencyMs": nil, "ttsLatencyMs": nil, "llmTokens": 150, "ttsChars": 500,
			"hangupCause": "tool_end_call", "endReason": "tool_end_call", "errorCount": 0, "fatalError": false,
			"cost": 12.35, "costCurrency": "credits", "mos": nil, "packetLossPct": nil, "jitterMs": nil,
			"raw.summary.avg_turn_duration": 17.2, "raw.cost_breakdown.stt.units": 120,
			"raw.agent_config.llm_model": "gpt-4", "raw.transcript": nil,
		}},
		"envelope_action_result.json":  {Source: normalizer.Fetched},
		"envelope_paginated_list.json": {Source: normalizer.Fetched},
	})
}
