package atoms

import (
	"testing"

	"callwatch/call"
	"callwatch/normalizer"
	"callwatch/normalizer/providertest"
)

func TestCorpusAtoms(t *testing.T) {
	table := map[string]providertest.Expected{
		"webhook_pre_conversation.json": {Events: 1, Kind: call.Progress, Values: map[string]any{
			"callId": "CALL-1778226705739-7e4c17", "agentId": "69fc7dd072a0c1d28d948ace",
			"direction": call.Outbound, "transport": call.PSTN, "status": call.InProgress,
			"from": "+910000000001", "to": "+910000000002", "durationSec": nil, "answered": nil,
		}},
		"webhook_post_conversation.json": {Events: 1, Kind: call.Ended, Values: map[string]any{
			"callId": "CALL-1778226705739-7e4c17", "status": call.Completed, "answered": true,
			"durationSec": 49.350622, "startedAt": "2026-05-08T07:51:58.813378Z",
			"answeredAt": "2026-05-08T07:51:58.813Z", "endedAt": "2026-05-08T07:52:48.164Z", "setupMs": nil,
			"recorded": true, "turnCount": 1, "mos": nil, "packetsLost": nil, "rttMs": nil, "cost": nil,
			"raw.variables.due_amount": "29000", "raw.transcript": nil,
		}},
		"webhook_analytics_completed.json": {Events: 1, Kind: call.Report, Values: map[string]any{
			"callId": "CALL-1778226705739-7e4c17", "direction": call.Outbound, "durationSec": 49.350622,
			"raw.analytics.summary": "The call involved the agent discussing an overdue EMI payment…",
		}},
		"webhook_pre_conversation_docs_2026-01.json": {Events: 1, Kind: call.Progress, Values: map[string]any{"callId": "CALL-1231231233-123123"}},
		"webhook_post_conversation_docs_2026-01.json": {Events: 1, Kind: call.Ended, Values: map[string]any{
			"callId": "CALL-XXXXXXX-YYYY", "durationSec": 30, "turnCount": 1, "raw.variables.var1": "v_123",
		}},
		"webhook_analytics_completed_docs_2026-01.json": {Events: 1, Kind: call.Report, Values: map[string]any{
			"callId": "CALL-XXXXXXX-YYYY", "durationSec": 180, "startedAt": "2024-03-21T10:00:01Z", "setupMs": nil,
		}},
		"get_conversation_list_example.json": {Events: 1, Kind: call.Report, Source: normalizer.Fetched, Values: map[string]any{
			"callId": "CALL-1737000000123-xyz789", "agentName": "John Doe", "direction": call.Outbound,
			"status": call.Completed, "durationSec": 185, "startedAt": "2025-01-15T10:30:00Z", "recorded": true,
			"endReason": "user_hangup", "hangupCause": "user_hangup", "hangupSource": "callee",
			"cost": nil, "turnLatencyMs": nil, "raw.dispositionMetrics.interested": "yes",
		}},
		"list_pagination_envelope.json": {Source: normalizer.Fetched},
		"error_400.json":                {Err: "Invalid input"},
		"error_401.json":                {Err: "Unauthorized: User not found"},
		"error_429.json":                {Err: "Rate limit exceeded"},
		"error_500.json":                {Err: "Internal server error"},
	}
	for _, name := range []string{
		"stale_draft_analytics_completed", "stale_draft_call_end", "stale_draft_call_start",
		"sse_2025_agent_node_state", "sse_2025_call_start", "sse_2025_hopping", "sse_2025_llm_full_response_end",
		"sse_2025_metrics", "sse_2025_metrics_2", "sse_2025_sse_close", "sse_2025_sse_init", "sse_2025_tts_completed",
		"sse_2025_turn_latency", "sse_2025_user_interim_transcription", "sse_2025_user_transcription",
		"sse_2026_call_recording", "sse_2026_call_start", "sse_2026_sse_close", "sse_2026_sse_init",
		"sse_2026_tool_call_end", "sse_2026_tts_completed", "sse_2026_user_interim_transcription", "sse_2026_user_transcription",
	} {
		table[name+".json"] = providertest.Expected{} // acknowledged and ignored
	}
	providertest.Corpus(t, Provider(), table)
}
