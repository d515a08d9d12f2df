package registry_test

import (
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"callwatch/call"
	"callwatch/normalizer"
	"callwatch/normalizer/providertest"
	"callwatch/normalizer/registry"
)

// restKeys are fake settings with which each provider can be asked.
func restKeys(name string) normalizer.Keys {
	return map[string]normalizer.Keys{
		"telnyx":     {"API_KEY": {"key"}},
		"signalwire": {"SPACE": {"example"}, "PROJECT_ID": {"project"}, "API_TOKEN": {"token"}},
		"bird":       {"ACCESS_KEY": {"key"}, "WORKSPACE_ID": {"workspace"}},
		"atoms":      {"API_KEY": {"key"}},
		"butter":     {"API_KEY": {"key"}},
		"twilio":     {"ACCOUNT_SID": {"account"}, "AUTH_TOKEN": {"token"}},
	}[name]
}

// folder is the testdata of a provider.
func folder(provider string) string { return "../" + provider + "/testdata" }

func TestAuthorize(t *testing.T) {
	for _, c := range []struct {
		provider string
		more     normalizer.Keys
		want     http.Header
	}{
		{"telnyx", nil, http.Header{"Authorization": {"Bearer key"}}},
		{"signalwire", nil, http.Header{"Authorization": {"Basic cHJvamVjdDp0b2tlbg=="}}},
		{"bird", nil, http.Header{"Authorization": {"AccessKey key"}}},
		{"bird", normalizer.Keys{"ACCESS_KEY": {"bk_us1_x"}}, http.Header{"Authorization": {"Bearer bk_us1_x"}}},
		{"atoms", nil, http.Header{"Authorization": {"Bearer key"}}},
		{"butter", nil, http.Header{"X-Api-Key": {"key"}}},
		{"twilio", nil, http.Header{"Authorization": {"Basic YWNjb3VudDp0b2tlbg=="}}},
		{"twilio", normalizer.Keys{"API_KEY": {"SK1"}, "API_SECRET": {"s"}}, http.Header{"Authorization": {"Basic U0sxOnM="}}},
		{"butter", normalizer.Keys{"API_AUTH": {"bearer"}}, http.Header{"Authorization": {"Bearer key"}}},
		{"butter", normalizer.Keys{"API_AUTH": {"bearer"}, "ORGANIZATION_ID": {"org"}}, http.Header{"Authorization": {"Bearer key"}, "X-Organization-Id": {"org"}}},
	} {
		p, _ := registry.Find(c.provider)
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
		{"twilio", "callback-completed", []string{"/Voice/{call}/Summary", "/Voice/{call}/Metrics"}},
		{"twilio", "callback-busy", nil},
		{"twilio", "summary-carrier", nil},
	}
	checked := 0
	for _, p := range registry.Providers() {
		for _, c := range providertest.Cases(t, p.Name, folder(p.Name)) {
			if c.Bad {
				continue
			}
			for _, fetches := range []bool{false, true} {
				events, err := normalizer.Events(p, &c.Body, normalizer.Options{Fetches: fetches})
				if err != nil {
					t.Fatal(err)
				}
				for _, w := range wants {
					if w.provider != p.Name || w.body != c.Name {
						continue
					}
					checked++
					if diff := cmp.Diff(w.paths, pathsOf(p, &events[0])); diff != "" {
						t.Errorf("%s %s (fetches %t):\n%s", p.Name, c.Name, fetches, diff)
					}
				}
			}
		}
	}
	if checked != 2*len(wants) {
		t.Errorf("%d of %d expectations have a case", checked/2, len(wants))
	}
}

func pathsOf(p normalizer.Provider, e *call.Event) []string {
	var paths []string
	for _, a := range p.REST.Wants(e, restKeys(p.Name)) {
		path := strings.ReplaceAll(strings.ReplaceAll(a.Path, normalizer.PathSegment(e.CallID), "{call}"), "/channels/"+normalizer.PathSegment(e.ConnectionID)+"/", "/channels/{channel}/")
		if a.Again {
			path = "again " + path
		}
		paths = append(paths, path)
	}
	return paths
}
