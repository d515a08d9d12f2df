package telnyx

import (
	"testing"

	"callwatch/call"
	"callwatch/normalizer"
	"callwatch/normalizer/providertest"
)

func TestCorpusTelnyx(t *testing.T) {
	providertest.Corpus(t, Provider(), map[string]providertest.Expected{
		"01_js_2.27.10_final_good.json": {Events: 1, Kind: call.Ended, Values: map[string]any{
			"packetsReceived": 250, "packetsLost": 1, "jitterMs": 4, "rttMs": 41, "codec": "opus", "len(intervals)": 6,
			"status": "completed", "direction": "outbound", "candidateType": "srflx", "relayed": false,
			"remoteJitterMs": 6, "region": "us-central", "mosProvider": nil, "final": true, "raw.stats": nil, "raw.logs": nil,
		}},
		"03_js_2.27.10_segment0_intermediate.json": {Events: 1, Kind: call.Stats, Values: map[string]any{
			"packetsReceived": 150, "packetsLost": 12, "status": "in-progress", "endedAt": nil, "raw.segment": 0,
			"raw.flushReason.type": "buffer-limit", "final": false,
		}},
		"05_js_2.27.10_socket_close.json": {Events: 1, Kind: call.Stats, Values: map[string]any{
			"packetsReceived": 100, "packetsLost": 2, "raw.flushReason.socketClose.code": 1006,
		}},
		"06_js_2.27.10_socket_error_empty_stats.json": {Events: 1, Kind: call.Stats, Values: map[string]any{
			"packetsReceived": nil, "packetsLost": nil, "jitterMs": nil, "len(intervals)": 0,
		}},
		"07_js_2.27.10_no_media_audio_empty.json": {Events: 1, Kind: call.Ended, Values: map[string]any{
			"packetsReceived": nil, "packetsLost": nil, "jitterMs": nil, "rttMs": nil, "noInboundAudio": nil, "len(intervals)": 3,
		}},
		"09_js_2.27.10_missing_jitter_rtt.json": {Events: 1, Kind: call.Ended, Values: map[string]any{
			"jitterMs": nil, "rttMs": nil,
		}},
		"10_js_2.27.10_page_unload.json": {Events: 1, Kind: call.Stats, Values: map[string]any{
			"packetsReceived": 50, "packetsLost": 2, "jitterMs": 12, "rttMs": 120,
		}},
		"11_js_2.25.19_first_release.json": {Events: 1, Kind: call.Ended, Values: map[string]any{
			"iceState": nil, "codec": nil,
		}},
		"12_rn_segment0_intermediate_nulls.json": {Events: 1, Kind: call.Stats, Values: map[string]any{
			"direction": "outbound", "packetsReceived": 150, "packetsLost": 3, "from": nil, "sessionId": nil, "rttMs": 110,
		}},
		"21_rest_get_call_report_docs.json": {Events: 1, Kind: call.Report, Source: normalizer.Fetched, Values: map[string]any{
			"callId": "6d6fb6f1-2b82-4d75-9eb5-3c8e995f1ed1", "packetsReceived": 1840, "packetsLost": 0, "jitterMs": 0.003,
			"rttMs": 41, "region": "us-central-1", "userAgent": "TelnyxRTC/2.24.0 (iOS 17.5)", "dtlsState": "connected",
			"candidateType": "host", "status": "completed", "sessionId": "9a0f6b0e-fb1f-44c9-9b53-7f81442b4c5f",
		}},
		"24_rn_docs_example.json": {Events: 1, Kind: call.Ended, Values: map[string]any{
			"callId": "uuid", "direction": "outbound", "durationSec": 65, "packetsLost": 2, "packetLossPct": 0.8,
			"from": "sip_user", "rttMs": 50, "jitterMs": 15,
		}},
		"30_webhook_call_hangup_docs.json": {Events: 1, Kind: call.Ended, Values: map[string]any{
			"id": "telnyx:0ccc7b54-4df3-4bca-a65a-3da1ecc777f0", "status": "failed", "sipCode": 603, "mos": 4.5,
			"packetsReceived": 591, "packetsSkipped": 9, "packetsLost": nil, "packetLossPct": nil, "hangupSource": "caller",
			"raw.call_quality_stats.inbound.mos": "4.50", "raw.hangup_cause": "call_rejected", "durationSec": 0,
		}},
		"31_webhook_call_hangup_captured_zero_inbound_mos450.json": {Events: 1, Kind: call.Ended, Values: map[string]any{
			"mosProvider": 4.5, "mosSource": nil, "mos": nil, "packetsReceived": 0, "packetsSent": 98, "packetsSkipped": 101,
			"sipCode": 503, "status": "completed", "transport": "webrtc", "durationSec": 5.08, "packetsLost": nil,
		}},
		"33_webhook_call_hangup_flat_no_data_envelope.json": {Events: 1, Kind: call.Ended, Values: map[string]any{
			"id": "telnyx:30aa187c-cad6-4d29-bd52-e7c792f95313", "mos": 4.5, "jitterMaxMs": 7.985612061701,
			"tags": []string{"single", "dual"}, "hangupSource": "callee",
		}},
		"35_webhook_call_hangup_partial_quality.json": {Events: 1, Kind: call.Ended, Values: map[string]any{
			"mos": 4.5, "mosSource": "provider", "sipCode": nil, "packetsReceived": nil, "callId": "v3:abc",
		}},
		"37_webhook_call_hangup_loss5pct_mos438.json": {Events: 1, Kind: call.Ended, Values: map[string]any{
			"mos": 4.38, "packetsReceived": 950, "packetsSkipped": 50, "packetsLost": nil, "occurredAt": "2026-11-01T12:00:00Z",
		}},
		"38_webhook_call_hangup_mos31_poor.json": {Events: 1, Kind: call.Ended, Values: map[string]any{
			"mos": 3.1, "mosSource": "provider", "status": nil, "packetsLost": nil,
		}},
		"39_webhook_call_hangup_skip170_jitter1206_mos45.json": {Events: 1, Kind: call.Ended, Values: map[string]any{
			"packetsSkipped": 170, "packetsLost": nil, "packetLossPct": nil, "mos": 4.5, "jitterMaxMs": 34.728518539,
		}},
		"40_webhook_call_hangup_rejected_486_no_quality.json": {Events: 1, Kind: call.Ended, Values: map[string]any{
			"status": "busy", "answered": false, "sipCode": 486, "mosProvider": nil, "packetsReceived": nil, "durationSec": 0,
		}},
		"41_webhook_call_hangup_docs_old_no_quality.json": {Events: 1, Kind: call.Ended, Values: map[string]any{
			"sipCode": nil, "status": "completed", "durationSec": 2096, "raw.sip_hangup_cause": "16", "final": false,
		}},
		"43_webhook_call_initiated_captured.json": {Events: 1, Kind: call.Progress, Values: map[string]any{
			"direction": "outbound", "startedAt": "2025-09-11T12:33:32.94081Z", "callId": "876b7aec-8f0b-11f0-a6b2-02420a1f0b69",
		}},
		"46_texml_call_completed_docs.json":     {Events: 1, Kind: call.Ended, Values: texmlCompleted()},
		"47_texml_call_completed_docs.form.txt": {Events: 1, Kind: call.Ended, Values: texmlCompleted()},
		"48_texml_hangup_completed_docs_2021.form.txt": {Events: 1, Kind: call.Ended, Values: map[string]any{
			"status": "completed", "occurredAt": "2021-04-28T21:51:18.731479Z", "durationSec": 2, "hangupSource": "callee", "mos": nil,
		}},
		"49_voice_api_delivery_record_wrapper_docs.json": {Events: 1, Kind: call.Progress, Values: map[string]any{
			"answered": true, "answeredAt": "2019-11-10T22:26:27.521992Z", "id": "telnyx:0ccc7b54-4df3-4bca-a65a-3da1ecc777f0",
			"setupMs": 1000, "raw.meta.status": "delivered",
		}},
		"50_rest_webrtc_detail_record_docs.json": {Events: 1, Kind: call.Report, Source: normalizer.Fetched, Values: map[string]any{
			"callId": "4b679aae-b7e7-11ef-9fe0-02420aef3920", "cost": 0.002, "costCurrency": "USD", "durationSec": 50,
			"transport": "webrtc", "direction": "outbound", "raw.call_id": "064d6317-4837-41e2-8795-cfc304ced4d1", "mosProvider": nil,
		}},
		"51_js_test_socket_close_logs_only.json": {Events: 1, Kind: call.Stats, Values: map[string]any{
			"callId": "call-id", "packetsReceived": nil, "raw.logs": nil,
		}},
	})
}

func texmlCompleted() map[string]any {
	return map[string]any{
		"callId": "abc123-leg1", "sessionId": "session-abc123", "status": "completed", "mos": 4.2, "jitterMs": 10,
		"packetLossPct": 0.5, "packetsLost": nil, "durationSec": 45, "errorCode": "10001", "recorded": true, "sipCode": 200,
		"startedAt": "2024-01-15T10:30:00Z", "answeredAt": "2024-01-15T10:30:15Z", "raw.CallQualityStats.mos": 4.2,
		"raw.DialCallStatus": "completed",
	}
}
