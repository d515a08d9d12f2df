package signalwire

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"callwatch/call"
	"callwatch/normalizer"
)

// TestSignalwireWants asks for what the webhook leaves out.
func TestSignalwireWants(t *testing.T) {
	keys := normalizer.Keys{"SPACE": {"example"}, "PROJECT_ID": {"project"}, "API_TOKEN": {"token"}}
	for _, c := range []struct {
		e    call.Event
		want []string
	}{
		{
			call.Event{Identity: call.Identity{Kind: call.Ended, CallID: "c"}, Facts: call.Facts{Status: call.Completed}, Raw: map[string]any{"CallSid": "c"}},
			[]string{"/api/laml/2010-04-01/Accounts/project/Calls/c"},
		},
		{call.Event{Identity: call.Identity{Kind: call.Ended, CallID: "c", Final: true}, Facts: call.Facts{Status: call.Completed}, Raw: map[string]any{"CallSid": "c"}}, nil},
		{
			call.Event{Identity: call.Identity{Kind: call.Ended, CallID: "c", SessionID: "s"}, Facts: call.Facts{Status: call.Completed}},
			[]string{"/api/voice/logs/s", "/api/voice/logs/s/events"},
		},
		{call.Event{Identity: call.Identity{Kind: call.Ended, CallID: "c"}}, []string{"/api/voice/logs/c", "/api/voice/logs/c/events"}},
		{call.Event{Identity: call.Identity{Kind: call.Ended, CallID: "c"}, Facts: call.Facts{Status: call.Busy}}, nil},
		{call.Event{Identity: call.Identity{Kind: call.Progress, CallID: "c"}}, nil},
	} {
		var got []string
		for _, a := range wants(&c.e, keys) {
			got = append(got, a.Path)
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%+v:\n%s", c.e.Identity, diff)
		}
	}
}
