package normalizer

import (
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"callwatch/call"
)

// restKeys are made-up settings with which each provider can be asked.
func restKeys(name string) Keys {
	return map[string]Keys{
		"telnyx":     {"API_KEY": {"key"}},
		"signalwire": {"SPACE": {"example"}, "PROJECT_ID": {"project"}, "API_TOKEN": {"token"}},
		"bird":       {"ACCESS_KEY": {"key"}, "WORKSPACE_ID": {"workspace"}},
		"atoms":      {"API_KEY": {"key"}},
		"butter":     {"API_KEY": {"key"}},
	}[name]
}

// TestREST holds every provider with settings for REST to a whole description.
func TestREST(t *testing.T) {
	for _, p := range Providers() {
		t.Run(p.Name, func(t *testing.T) {
			var names []string
			for _, s := range p.Settings {
				if s.Use == ForREST {
					names = append(names, s.Name)
				}
			}
			r := p.REST
			if r == nil {
				if len(names) > 0 {
					t.Fatalf("settings %v, but no REST", names)
				}
				return
			}
			keys := restKeys(p.Name)
			if missing := r.Missing(keys); len(missing) != 0 {
				t.Fatalf("%v missing", missing)
			}
			for _, need := range r.Needs(Keys{}) {
				if !slices.Contains(names, need) {
					t.Errorf("needs %s, which is no setting", need)
				}
				some := maps.Clone(keys)
				delete(some, need)
				if got := r.Missing(some); !slices.Equal(got, []string{need}) {
					t.Errorf("without %s, %v is missing", need, got)
				}
			}
			if base := r.BaseURL(keys); !strings.HasPrefix(base, "https://") || strings.HasSuffix(base, "/") {
				t.Errorf("base %q", base)
			}
			own := maps.Clone(keys)
			own[APIURL] = []string{"http://127.0.0.1:1/prefix//"}
			if base := r.BaseURL(own); base != "http://127.0.0.1:1/prefix" {
				t.Errorf("base %q for an address of the operator's", base)
			}
			if r.Rate <= 0 || len(r.Delays) == 0 || !slices.IsSorted(r.Delays) || r.Delays[0] <= 0 {
				t.Errorf("rate %v, delays %v", r.Rate, r.Delays)
			}
			for _, list := range r.Calls(keys) {
				ask := list.First(testReceivedAt(), testReceivedAt().Add(time.Hour), keys)
				if list.Name == "" || !strings.HasPrefix(ask.Path, "/") {
					t.Errorf("list %q at %q", list.Name, ask.Path)
				}
				for _, filter := range list.Filters {
					if ask.Query.Has(filter) && !strings.HasPrefix(filter, "filter[") {
						t.Errorf("%s: the filter %s is set already", list.Name, filter)
					}
				}
			}
		})
	}
}

func TestBirdRegion(t *testing.T) {
	for key, want := range map[string]string{
		"AbCd": "https://api.bird.com", "bk_us1_x": "https://us1.platform.bird.com/v1", "bk_eu1_a_b": "https://eu1.platform.bird.com/v1",
		"bk_x": "https://api.bird.com/v1", "bk_evil.example/_x": "https://api.bird.com/v1", "bk__x": "https://api.bird.com/v1",
		"bk_" + strings.Repeat("a", 60) + "_x": "https://api.bird.com/v1",
	} {
		if got := birdBase(Keys{"ACCESS_KEY": {key}}); got != want {
			t.Errorf("%s: %s, want %s", key, got, want)
		}
	}
}

func TestAuthorize(t *testing.T) {
	for _, c := range []struct {
		provider string
		more     Keys
		want     http.Header
	}{
		{"telnyx", nil, http.Header{"Authorization": {"Bearer key"}}},
		{"signalwire", nil, http.Header{"Authorization": {"Basic cHJvamVjdDp0b2tlbg=="}}},
		{"bird", nil, http.Header{"Authorization": {"AccessKey key"}}},
		{"bird", Keys{"ACCESS_KEY": {"bk_us1_x"}}, http.Header{"Authorization": {"Bearer bk_us1_x"}}},
		{"atoms", nil, http.Header{"Authorization": {"Bearer key"}}},
		{"butter", nil, http.Header{"X-Api-Key": {"key"}}},
		{"butter", Keys{"API_AUTH": {"bearer"}}, http.Header{"Authorization": {"Bearer key"}}},
		{"butter", Keys{"API_AUTH": {"bearer"}, "ORGANIZATION_ID": {"org"}}, http.Header{"Authorization": {"Bearer key"}, "X-Organization-Id": {"org"}}},
	} {
		p, _ := Find(c.provider)
		keys := restKeys(c.provider)
		maps.Copy(keys, c.more)
		h := http.Header{}
		p.REST.Authorize(h, keys)
		if diff := cmp.Diff(c.want, h); diff != "" {
			t.Errorf("%s with %v:\n%s", c.provider, slices.Collect(maps.Keys(c.more)), diff)
		}
	}
}

// TestWants names what is asked for after each kind of event, by the cases of the
// providers' testdata.
func TestWants(t *testing.T) {
	wants := []struct {
		provider, body string
		paths          []string
	}{
		{"bird", "voice-outbound-completed", []string{
			"/workspaces/workspace/channels/{channel}/calls/{call}/insights", "/workspaces/workspace/channels/{channel}/calls/{call}",
		}},
		{"bird", "voice-inbound-ringing", nil},
		{"bird", "platform-ended", nil}, // of a platform for which there is no key
		{"atoms", "pre-conversation", nil},
		{"atoms", "post-conversation", []string{"/conversation/{call}"}},
		{"atoms", "post-conversation-no-answer", []string{"/conversation/{call}"}},
		{"atoms", "analytics-completed", []string{"again /conversation/{call}"}},
		{"atoms", "get-call", nil},
		{"butter", "status-ringing", nil},
		{"butter", "status-completed", []string{"/api/calls/{call}"}},
		{"signalwire", "cxml-busy", nil},
	}
	checked := 0
	for _, p := range Providers() {
		for _, c := range cases(t, p.Name) {
			if c.bad {
				continue
			}
			for _, fetches := range []bool{false, true} {
				events, err := Events(p, &c.body, Options{Fetches: fetches})
				if err != nil {
					t.Fatal(err)
				}
				for i := range events {
					checkAsks(t, p, c.name, &events[i])
				}
				for _, w := range wants {
					if w.provider != p.Name || w.body != c.name {
						continue
					}
					checked++
					if diff := cmp.Diff(w.paths, pathsOf(p, &events[0])); diff != "" {
						t.Errorf("%s %s (fetches %t):\n%s", p.Name, c.name, fetches, diff)
					}
				}
			}
		}
	}
	if checked != 2*len(wants) {
		t.Errorf("%d of %d expectations have a case", checked/2, len(wants))
	}
}

func pathsOf(p Provider, e *call.Event) []string {
	var paths []string
	for _, a := range p.REST.Wants(e, restKeys(p.Name)) {
		path := strings.ReplaceAll(strings.ReplaceAll(a.Path, segment(e.CallID), "{call}"), "/channels/"+segment(e.ConnectionID)+"/", "/channels/{channel}/")
		if a.Again {
			path = "again " + path
		}
		paths = append(paths, path)
	}
	return paths
}

// checkAsks holds what is asked for after an event to the contract of Ask, also
// with ids that try to lead elsewhere.
func checkAsks(t *testing.T, p Provider, name string, e *call.Event) {
	t.Helper()
	for _, id := range []string{e.CallID, "../../admin", "a/b?c=d#e", "..", ".", "a\x00b", strings.Repeat("a", 4000), "%2e%2e%2f", "\xff"} {
		changed := e.Clone()
		if changed.CallID = id; strings.HasPrefix(e.CallID, birdCallPrefix) {
			changed.CallID = birdCallPrefix + id
		}
		changed.ConnectionID, changed.SessionID = id, id
		for _, a := range p.REST.Wants(&changed, restKeys(p.Name)) {
			if a.CallID != changed.CallID || !strings.HasPrefix(a.Path, "/") || strings.ContainsAny(a.Path, "?# \\\x00") || len(a.Path) > 2048 ||
				strings.Contains(a.Path, "//") || strings.Contains(a.Path+"/", "/../") || strings.Contains(a.Path+"/", "/./") {
				t.Errorf("%s, %s: call %.40q is asked for at %.80q", p.Name, name, changed.CallID, a.Path)
			}
		}
	}
}

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
		for _, a := range telnyxWants(&e, nil) {
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
		if without(&other); len(telnyxWants(&other, nil)) != 0 {
			t.Errorf("asks for %+v", other)
		}
	}
}

// TestSignalwireWants asks for what the webhook leaves out.
func TestSignalwireWants(t *testing.T) {
	keys := restKeys("signalwire")
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
		for _, a := range signalwireWants(&c.e, keys) {
			got = append(got, a.Path)
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%+v:\n%s", c.e.Identity, diff)
		}
	}
}

func TestAskID(t *testing.T) {
	seen := map[string]int{}
	for i, a := range []Ask{
		{Path: "/a"},
		{Path: "/b"},
		{Path: "/a", CallID: "1"},
		{Path: "/a", Again: true},
		{Path: "/a", Method: "POST"},
		{Path: "/a", Query: map[string][]string{"b": {"c"}}},
		{Path: "/a", Body: []byte("b")},
		{Path: "/a", Method: "", Body: []byte("\x00")},
	} {
		if before, known := seen[a.ID()]; known {
			t.Errorf("asks %d and %d have one id", before, i)
		}
		seen[a.ID()] = i
		if !identifies(a.ID()) {
			t.Errorf("id %q", a.ID())
		}
	}
}
