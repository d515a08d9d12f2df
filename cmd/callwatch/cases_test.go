package main

import (
	"encoding/json"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"callwatch/cmd/callwatch/internal/config"
	"callwatch/normalizer/casefile"
	"callwatch/pipeline/stage"
)

// The folders of the repository's cases: of bodies in the providers' folders, of requests here.
const (
	providerCases = "../../normalizer/*/testdata/cases"
	requestCases  = "testdata/cases"
)

// TestSequenceCases posts the bodies of each case to a callwatch in development
// and compares the call that comes of them, and the number of incidents that the
// shipped rules open, with what the case wants.
func TestSequenceCases(t *testing.T) {
	t.Parallel()
	folders := casefile.Folders(providerCases)
	if len(folders) == 0 {
		t.Fatal("no folder of cases")
	}
	for _, dir := range folders {
		for _, s := range casefile.Sequences(t, dir) {
			t.Run(filepath.Base(dir)+"/"+s.Name, func(t *testing.T) {
				t.Parallel()
				checkSequence(t, &s)
			})
		}
	}
}

// checkSequence returns the address of the callwatch that took the bodies.
func checkSequence(t *testing.T, s *casefile.Sequence) (base string) {
	_, base = inDevelopment(t, testLogger(t), func(c *config.Config) { c.Rules = "../../rules.yaml" })
	for i := range s.Bodies {
		status, answer := requestOf(t, base, casefile.Request{
			Method: http.MethodPost, Path: "/webhooks/" + s.Provider, Body: string(s.Bodies[i].Bytes),
			Headers: withType(s.Bodies[i].Headers, s.Bodies[i].ContentType),
		})
		if status.StatusCode != http.StatusOK {
			t.Fatalf("step %d is answered with %d: %s", i+1, status.StatusCode, answer)
		}
		idle(t, base) // the steps of a sequence arrive one after the other
	}
	for i := range s.Calls {
		checkSequenceCall(t, base, s, &s.Calls[i])
	}
	if s.Incidents == nil {
		return base
	}
	if got := listed(t, base); len(got) != *s.Incidents {
		var opened []string
		for _, in := range got {
			opened = append(opened, in.Rule+": "+in.Summary)
		}
		t.Errorf("%d incidents, want %d: %q\nwhy: %s", len(got), *s.Incidents, opened, s.Why)
	}
	return base
}

// idle waits until the webhooks that are stored are judged.
func idle(t *testing.T, base string) {
	t.Helper()
	for _, stage := range []string{stage.NormalizeLease, stage.JudgeLease} {
		eventually(t, stage+" has nothing left to do", func() bool {
			return metric(t, base, `callwatch_backlog_messages{stage="`+stage+`"}`) == "0"
		})
	}
}

// checkSequenceCall wants the call under one of its ids, and under the others no
// further call.
func checkSequenceCall(t *testing.T, base string, s *casefile.Sequence, want *casefile.Call) {
	t.Helper()
	var found []string
	for _, id := range want.IDs() {
		res, body := requestOf(t, base, casefile.Request{Method: http.MethodGet, Path: "/api/v1/calls/" + s.Provider + "/" + url.PathEscape(id)})
		if res.StatusCode == http.StatusNotFound {
			continue
		}
		var answer struct {
			Call json.RawMessage `json:"call"`
		}
		if err := json.Unmarshal(body, &answer); res.StatusCode != http.StatusOK || err != nil {
			t.Fatalf("call %s: %d %s", id, res.StatusCode, body)
		}
		var named struct {
			CallID string `json:"callId"`
		}
		if err := json.Unmarshal(answer.Call, &named); err != nil {
			t.Fatal(err)
		}
		if slices.Contains(found, named.CallID) {
			continue // the same call under another of its ids
		}
		found = append(found, named.CallID)
		if faults := want.Check(answer.Call); len(faults) > 0 {
			t.Errorf("call %s:\n%s\nwhy: %s\ngot: %.1500s", id, strings.Join(faults, "\n"), s.Why, answer.Call)
		}
	}
	if len(found) != 1 {
		t.Errorf("%d calls under %q: %q, want one", len(found), want.IDs(), found)
	}
}

// TestHTTPCases sends the requests of each case to a callwatch in development
// and to one with a log-in: both have the console mounted.
func TestHTTPCases(t *testing.T) {
	long(t)
	t.Parallel()
	_, dev := inDevelopment(t, testLogger(t), func(c *config.Config) { c.Rules = "../../rules.yaml" })
	_, serving := running(t, func(c *config.Config) {
		c.Rules = "../../rules.yaml"
		c.Providers = testKeys("telnyx", "signalwire", "bird", "atoms", "butter")
	})
	folders := casefile.Folders(requestCases)
	if len(folders) == 0 {
		t.Fatal("no folder of cases")
	}
	for _, dir := range folders {
		for _, h := range casefile.Requests(t, dir) {
			for name, base := range map[string]string{"dev": dev, "serving": serving} {
				t.Run(filepath.Base(dir)+"/"+h.Name+"/"+name, func(t *testing.T) {
					for _, r := range h.Requests {
						checkRequest(t, base, &r)
					}
				})
			}
		}
	}
}

// testKeys sets a URL token for each provider, so that none is off.
func testKeys(providers ...string) map[string]map[string]config.Secret {
	keys := map[string]map[string]config.Secret{}
	for _, p := range providers {
		keys[p] = map[string]config.Secret{"url_token": butterToken}
	}
	return keys
}

func checkRequest(t *testing.T, base string, want *casefile.Request) {
	t.Helper()
	name := fmt.Sprintf("%s %s %v", want.Method, want.Path, want.Headers)
	res, body := requestOf(t, base, *want)
	if res.StatusCode != want.Status && !slices.Contains(want.Also, res.StatusCode) {
		t.Errorf("%s is answered with %d, want %d or %v: %.200s", name, res.StatusCode, want.Status, want.Also, body)
	}
	if want.Allow != "" && res.Header.Get("Allow") != want.Allow {
		t.Errorf("%s: Allow is %q, want %q", name, res.Header.Get("Allow"), want.Allow)
	}
	if media, _, _ := mime.ParseMediaType(res.Header.Get("Content-Type")); want.Type != "" && media != want.Type {
		t.Errorf("%s: Content-Type is %q, want %q", name, media, want.Type)
	}
}

func withType(headers map[string]string, contentType string) map[string]string {
	all := map[string]string{"Content-Type": contentType}
	for k, v := range headers {
		all[k] = v
	}
	return all
}

// requestOf sends one request, its path exactly as it is, and follows no
// redirect.
func requestOf(t *testing.T, base string, want casefile.Request) (responseHead, []byte) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), want.Method, base, strings.NewReader(want.Body))
	if err != nil {
		t.Fatal(err)
	}
	path, query, hasQuery := strings.Cut(want.Path, "?")
	if r.URL.Path, err = url.PathUnescape(path); err != nil {
		t.Fatal(err)
	}
	r.URL.RawPath = path // its escapes as they are
	r.URL.RawQuery, r.URL.ForceQuery = query, hasQuery && query == ""
	if want.Body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	for k, v := range want.Headers {
		r.Header.Set(k, v)
	}
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	res, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return responseHead{res.StatusCode, res.Header}, b
}

// responseHead is the status and the headers of a response.
type responseHead struct {
	StatusCode int
	Header     http.Header
}
