package telnyx

import (
	"encoding/json"
	"testing"

	"callwatch/call"
)

// TestTelnyxReportID finds the id of the report in the headers of the webhook.
func TestTelnyxReportID(t *testing.T) {
	e := call.Event{Identity: call.Identity{Kind: call.Ended, CallID: "leg"}}
	for raw, want := range map[string]string{
		`{}`: "/voice_sdk_call_reports/leg",
		`{"custom_headers":[{"name":"X-Other","value":"1"},{"name":"x-rtc-callid","value":"SDK/1"}]}`: "/voice_sdk_call_reports/sdk%2F1",
		`{"custom_headers":"odd"}`:   "/voice_sdk_call_reports/leg",
		`{"summary":{"callId":"x"}}`: "", // the report itself, relayed
	} {
		e.Raw = map[string]any{}
		if err := json.Unmarshal([]byte(raw), &e.Raw); err != nil {
			t.Fatal(err)
		}
		got := ""
		for _, a := range wants(&e, nil) {
			got += a.Path
		}
		if got != want {
			t.Errorf("%s: %q, want %q", raw, got, want)
		}
	}
	for _, without := range []func(*call.Event){
		func(e *call.Event) { e.Kind = call.Progress }, func(e *call.Event) { e.Transport = call.PSTN }, func(e *call.Event) { e.DurationSec = new(0.0) },
	} {
		other := call.Event{Identity: e.Identity}
		if without(&other); len(wants(&other, nil)) != 0 {
			t.Errorf("asks for %+v", other)
		}
	}
	answered := call.Event{Identity: e.Identity} // its cause is one of calls that nobody answered
	answered.DurationSec, answered.PacketsReceived = new(0.0), new(int64(591))
	if len(wants(&answered, nil)) != 1 {
		t.Error("does not ask for a call that carried packets")
	}
}
