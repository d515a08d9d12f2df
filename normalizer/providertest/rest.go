package providertest

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"callwatch/call"
	"callwatch/normalizer"
)

// Requests holds a provider with settings for REST to a whole description, and what it asks
// for after the events of its cases to the contract of Ask.
func Requests(t *testing.T, p normalizer.Provider, dir string) {
	var names []string
	for _, s := range p.Settings {
		if s.Use == normalizer.ForREST {
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
	keys := fakeKeys(r)
	if missing := r.Missing(keys); len(missing) != 0 {
		t.Fatalf("%v missing", missing)
	}
	for _, need := range r.Needs(normalizer.Keys{}) {
		if !hasSetting(p, need) {
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
	own[normalizer.APIURL] = []string{"http://127.0.0.1:1/prefix//"}
	if base := r.BaseURL(own); base != "http://127.0.0.1:1/prefix" {
		t.Errorf("base %q for an address of the operator's", base)
	}
	if r.Rate <= 0 || len(r.Delays) == 0 || !slices.IsSorted(r.Delays) || r.Delays[0] <= 0 {
		t.Errorf("rate %v, delays %v", r.Rate, r.Delays)
	}
	for _, list := range r.Calls(keys) {
		ask := list.First(ReceivedAt(), ReceivedAt().Add(time.Hour), keys)
		if list.Name == "" || !strings.HasPrefix(ask.Path, "/") {
			t.Errorf("list %q at %q", list.Name, ask.Path)
		}
		for _, filter := range list.Filters {
			if ask.Query.Has(filter) && !strings.HasPrefix(filter, "filter[") {
				t.Errorf("%s: the filter %s is set already", list.Name, filter)
			}
		}
	}
	for _, c := range Cases(t, p.Name, dir) {
		for _, fetches := range []bool{false, true} {
			events, err := normalizer.Events(p, &c.Body, normalizer.Options{Fetches: fetches})
			if c.Bad {
				continue
			}
			if err != nil {
				t.Fatal(err)
			}
			for i := range events {
				checkAsks(t, p, c.Name, &events[i])
			}
		}
	}
}

// fakeKeys are fake values of the settings that a provider needs to be asked.
func fakeKeys(r *normalizer.REST) normalizer.Keys {
	keys := normalizer.Keys{}
	for _, name := range r.Needs(normalizer.Keys{}) {
		keys[name] = []string{"example"}
	}
	return keys
}

// checkAsks holds what is asked for after an event to the contract of Ask, also
// with ids that try to lead elsewhere.
func checkAsks(t *testing.T, p normalizer.Provider, name string, e *call.Event) {
	t.Helper()
	for _, id := range []string{e.CallID, "../../admin", "a/b?c=d#e", "..", ".", "a\x00b", strings.Repeat("a", 4000), "%2e%2e%2f", "\xff"} {
		changed := e.Clone()
		changed.CallID = id
		if prefix, _, ok := strings.Cut(e.CallID, "_"); ok { // an id that shows its kind keeps it
			changed.CallID = prefix + "_" + id
		}
		changed.ConnectionID, changed.SessionID = id, id
		for _, a := range p.REST.Wants(&changed, fakeKeys(p.REST)) {
			if a.CallID != changed.CallID || !strings.HasPrefix(a.Path, "/") || strings.ContainsAny(a.Path, "?# \\\x00") || len(a.Path) > 2048 ||
				strings.Contains(a.Path, "//") || strings.Contains(a.Path+"/", "/../") || strings.Contains(a.Path+"/", "/./") {
				t.Errorf("%s, %s: call %.40q is asked for at %.80q", p.Name, name, changed.CallID, a.Path)
			}
		}
	}
}

func hasSetting(p normalizer.Provider, name string) bool {
	return slices.ContainsFunc(p.Settings, func(s normalizer.Setting) bool { return s.Name == name })
}
