package butter

import (
	"testing"

	"callwatch/call"
	"callwatch/normalizer"
	"callwatch/normalizer/providertest"
)

// TestUnsigned takes what a provider that cannot sign has pushed for a hint where
// its reports are fetched: the call ends with what was fetched, and nothing of
// the hint stays but under raw.unconfirmed.
func TestUnsigned(t *testing.T) {
	p := Provider()
	hint := `{"call_sid":"call_0123456789ab","status":"failed","duration":45,"timestamp":"2026-11-01T12:00:45Z","error_code":503,"error_message":"forged"}`
	told := `{"success":true,"data":{"call_sid":"call_0123456789ab","agent_id":"a","to_number":"+14155550100","status":"completed","duration_seconds":45.5,"start_time":"2026-11-01T12:00:00Z","end_time":"2026-11-01T12:00:45Z"}}`
	normalized := func(source normalizer.Source, body, callID string, fetches bool) call.Event {
		t.Helper()
		events, err := normalizer.Events(p, &normalizer.Body{
			Provider: p.Name, Account: "sales", Source: source, ContentType: "application/json", Bytes: []byte(body), CallID: callID, ReceivedAt: providertest.ReceivedAt(), RawID: "1.0",
		}, normalizer.Options{Fetches: fetches})
		if err != nil || len(events) != 1 {
			t.Fatalf("%d events, %v", len(events), err)
		}
		return events[0]
	}
	pushed := normalized(normalizer.Pushed, hint, "", true)
	if pushed.Kind != call.Progress || pushed.Final || pushed.Status != "" || pushed.SIPCode != nil || pushed.ErrorMessage != "" || !pushed.EndedAt.IsZero() {
		t.Errorf("a hint is taken for true: %+v", pushed)
	}
	asks := p.REST.Wants(&pushed, normalizer.Keys{"API_KEY": {"key"}})
	if len(asks) != 1 {
		t.Fatalf("%d requests after a hint", len(asks))
	}
	if held := p.REST.Holds(asks[0], []byte(told)); held != normalizer.Whole {
		t.Errorf("the report holds %s", held)
	}
	fetched := normalized(normalizer.Fetched, told, asks[0].CallID, true)
	if fetched.Kind != call.Ended || fetched.Status != call.Completed {
		t.Errorf("kind %s, status %s of what was fetched", fetched.Kind, fetched.Status)
	}
	if want := (call.Key{Provider: p.Name, Account: "sales", CallID: "call_0123456789ab"}); pushed.Key() != want || fetched.Key() != want {
		t.Errorf("a hint of %v, a report of %v, want %v", pushed.Key(), fetched.Key(), want)
	}
	for _, order := range [][]call.Event{{pushed, fetched}, {fetched, pushed}} {
		var known call.Call
		for i := range order {
			known.Fold(&order[i], call.PreferProvider)
		}
		for name, want := range map[string]any{
			"status": call.Completed, "durationSec": 45.5, "sipCode": nil, "errorMessage": nil, "hangupCause": nil,
			"raw.unconfirmed.error_message": "forged", "raw.error_message": nil, "raw.status": "completed", "final": true,
		} {
			if got := providertest.EventValue(t, &known.Event, name); !providertest.SameValue(got, want) {
				t.Errorf("%s is %v, want %v", name, got, want)
			}
		}
	}
	if e := normalized(normalizer.Pushed, hint, "", false); e.Kind != call.Ended || e.Status != call.Failed {
		t.Errorf("without fetching a callback is all there is: %+v", e)
	}
	if e := normalized(normalizer.Fetched, told, "call_0123456789ab", false); e.Kind != call.Report {
		t.Errorf("without waiting for confirmation, what is fetched is a report: %s", e.Kind)
	}
}
