package twilio

import (
	"testing"

	"callwatch/call"
	"callwatch/normalizer"
	"callwatch/normalizer/providertest"
)

func TestCorpusTwilio(t *testing.T) {
	providertest.Corpus(t, Provider(), map[string]providertest.Expected{
		"call_summary_predicted_complete_data_as_string.json": {Events: 1, Kind: call.Report, Values: map[string]any{
			"callId": "CA00000000000000000000000000000000", "status": "canceled", "answered": false, "transport": "webrtc", "direction": "outbound",
			"to": "client:SOMECLIENT", "fromCountry": "US", "pddMs": nil, "hangupCode": nil, "sipCode": nil, "region": nil, "hangupSource": nil,
			"durationSec": nil, "packetsReceived": nil, "mos": nil, "parentCallId": nil, "final": false, "occurredAt": "2020-07-23T22:56:33.000001Z",
		}},
		"get_call_metrics.json": {Events: 1, Kind: call.Stats, Source: normalizer.Fetched, Values: map[string]any{
			"packetsReceived": 3900, "packetsLost": 0, "packetsSent": 3934, "bytesReceived": 547788, "jitterMs": 9, "rttMs": 81, "mos": 4.39, "len(intervals)": 1,
		}},
		"get_call_summary.json": {Events: 1, Kind: call.Report, Source: normalizer.Fetched, Values: map[string]any{
			"transport": "pstn", "status": nil, "durationSec": 99, "mos": nil, "packetsReceived": nil, "final": true, "tags": []string{"tags"}, "startedAt": "2015-07-30T20:00:00Z",
		}},
	})
}
