package signalwire

import (
	"testing"

	"callwatch/call"
	"callwatch/normalizer"
	"callwatch/normalizer/providertest"
)

func TestCorpusSignalwire(t *testing.T) {
	providertest.Corpus(t, Provider(), map[string]providertest.Expected{
		"01_voice_log_call_docs.json": {Events: 1, Kind: call.Report, Source: normalizer.Fetched, Values: map[string]any{
			"transport": "sip", "durationSec": 9.638, "cost": 0.01, "costCurrency": "USD", "status": "completed", "mosProvider": nil,
			"direction": "inbound", "raw.billing_ms": 60000, "occurredAt": "2024-05-06T12:20:09.638Z",
		}},
		"02_voice_log_video_room_leg.json": {Events: 1, Kind: call.Report, Source: normalizer.Fetched, Values: map[string]any{
			"transport": "pstn", "durationSec": 9.638,
		}},
		"03_voice_log_dialogflow.json": {Events: 1, Kind: call.Report, Source: normalizer.Fetched, Values: map[string]any{
			"direction": nil, "durationSec": 9, "status": "completed",
		}},
		"04_voice_log_fabric_device.json": {Events: 1, Kind: call.Report, Source: normalizer.Fetched, Values: map[string]any{
			"status": nil, "durationSec": nil, "final": false,
		}},
		"05_voice_log_deleted.json": {Events: 1, Kind: call.Report, Source: normalizer.Fetched, Values: map[string]any{
			"callId": "b7182dc2-00f3-40e4-a5ce-20f164b329df", "status": nil, "raw.discarded_at": "2024-05-06T12:20:00Z",
		}},
		"07_voice_log_events.json": {Events: 1, Kind: call.Report, Source: normalizer.Fetched, Values: map[string]any{
			"callId": "b7182dc2-00f3-40e4-a5ce-20f164b329df", "errorCount": 0, "occurredAt": "2024-05-06T12:20:00Z",
		}},
		"09_voice_log_404.json":      {Err: "Not Found"},
		"10_voice_log_list_422.json": {Err: "Parameter value is invalid"},
		"20_compat_status_completed_captured_good.form.txt": {Events: 1, Kind: call.Ended, Values: map[string]any{
			"mos": 4.5, "packetsReceived": 2873, "packetsSent": 2686, "remotePacketsLost": 0, "packetsLost": nil, "jitterMs": nil,
			"jitterMaxMs": 1.236931687685, "durationSec": 58, "hangupSource": "caller", "direction": "outbound",
			"occurredAt": "2026-06-25T20:11:01Z", "raw.AudioInAveragePtime": "20.01", "hangupCause": nil,
		}},
		"22_compat_status_busy_no_audio.form.txt": {Events: 1, Kind: call.Ended, Values: map[string]any{
			"status": "busy", "answered": false, "sipCode": 486, "hangupCause": "busy", "hangupSource": "callee",
			"mosProvider": nil, "packetsReceived": nil, "durationSec": nil, "from": "+15550100001",
		}},
		"24_compat_status_completed_openapi_examples.json":     {Events: 1, Kind: call.Ended, Values: cxmlCompleted()},
		"25_compat_status_completed_openapi_examples.form.txt": {Events: 1, Kind: call.Ended, Values: cxmlCompleted()},
		"26_compat_inbound_call_status_openapi_examples.form.txt": {Events: 1, Kind: call.Ended, Values: map[string]any{
			"mos": 4.5, "packetsReceived": nil, "durationSec": 142, "direction": nil,
		}},
		"30_swml_connect_call_state_docs.json": {Events: 1, Kind: call.Progress, Values: map[string]any{
			"answered": true, "direction": "outbound", "transport": "pstn", "hangupCause": nil,
		}},
		"31_relay_call_state_ended.json": {Events: 1, Kind: call.Ended, Values: map[string]any{
			"callId": "c1", "status": "completed", "hangupCause": "hangup", "from": "+15551234567", "mosProvider": nil, "durationSec": nil,
		}},
		"32_relay_call_state_answered.json": {Events: 1, Kind: call.Progress, Values: map[string]any{
			"to": "+15550100002", "answeredAt": "2019-05-22T15:36:44.79576Z",
		}},
		"35_relay_jsonrpc_frame.json":     {Events: 1, Kind: call.Progress},
		"37_swml_inbound_call_fetch.json": {Events: 0},
		"40_compat_rest_call_openapi_examples.json": {Events: 1, Kind: call.Report, Source: normalizer.Fetched, Values: map[string]any{
			"mos": 4.5, "rttMs": 50, "rttMaxMs": 100, "remoteJitterMs": 5, "remotePacketsLost": 0, "sipCode": 200,
			"cost": 0.003, "costCurrency": "USD", "durationSec": 20, "packetsLost": nil,
		}},
		"41_compat_rest_call_captured_mos_string.json": {Events: 1, Kind: call.Report, Source: normalizer.Fetched, Values: map[string]any{
			"mos": 4.5, "rttMs": nil, "sipCode": nil, "parentCallId": nil, "endedAt": "2024-10-24T22:08:46Z",
		}},
		"43_transcribe_status_callback_docs.json": {Events: 0},
	})
}

func cxmlCompleted() map[string]any {
	return map[string]any{
		"mos": 4.3, "packetsReceived": 1842, "packetsSkipped": 1, "packetsDiscarded": 2, "packetsSent": 1840, "recorded": true,
		"sipCode": 200, "parentCallId": "b3877c40-da60-4998-90ad-b792e98472pa", "durationSec": 94, "packetsLost": nil,
		"remotePacketsLost": nil, "id": "signalwire:cxml:b3877c40-da60-4998-90ad-b792e98472ca:completed:4@2024-04-04T18:32:15Z",
	}
}
