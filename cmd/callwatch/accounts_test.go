package main

import (
	"cmp"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"callwatch/call"
	"callwatch/cmd/callwatch/internal/cli"
	"callwatch/cmd/callwatch/internal/config"
	"callwatch/handlers/backend"
	"callwatch/normalizer"
	"callwatch/normalizer/casefile"
	"callwatch/pipeline/fetching"
	"callwatch/pipeline/maintenance"
)

// Two accounts of a provider with the same call id have two calls, from the webhook to
// erasing one of them.
func TestAccountsHaveCallsOfTheirOwn(t *testing.T) {
	t.Parallel()
	a, base := running(t, func(c *config.Config) {
		c.Registry = c.Registry.With(acme())
		c.SetProvider("acme", normalizer.URLToken, butterToken)
		c.SetAccount("acme", "sales", normalizer.URLToken, "token-of-sales")
		c.SetAccount("acme", "support", normalizer.URLToken, "token-of-support")
		c.Rules = writeRules(t, "rules:\n  - {name: failed, when: 'status == \"failed\"', severity: critical, by: [account]}\n")
	})
	body, err := os.ReadFile("testdata/acme/bodies/ended-failed.json")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"/webhooks/acme/" + butterToken, "/webhooks/acme/token-of-sales", "/webhooks/acme/support/token-of-support", "/webhooks/acme/sales/token-of-sales"} {
		res, _ := requestOf(t, base, casefile.Request{Method: http.MethodPost, Path: path, Body: string(body), Headers: withType(nil, "application/json")})
		if res.StatusCode != http.StatusOK {
			t.Fatalf("%s is answered with %d", path, res.StatusCode)
		}
	}
	idle(t, base)
	if found := listed(t, base); len(found) != 3 {
		t.Errorf("%d incidents, want one of each account: %+v", len(found), found)
	}
	if err := a.model.Current(t.Context()); err != nil {
		t.Fatal(err)
	}
	calls := func(q backend.CallQuery) (accounts []string, id string) {
		t.Helper()
		page, err := a.model.Calls(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		for _, row := range page.Calls {
			accounts, id = append(accounts, row.Account), row.Call.CallID
		}
		slices.Sort(accounts)
		return accounts, id
	}
	all, id := calls(backend.CallQuery{})
	if !slices.Equal(all, []string{"", "sales", "support"}) {
		t.Errorf("calls of %q, want one of each account", all)
	}
	for _, q := range []backend.CallQuery{{Account: "sales"}, {Filter: `account == "sales"`}} {
		if got, _ := calls(q); !slices.Equal(got, []string{"sales"}) {
			t.Errorf("%+v chooses the calls of %q", q, got)
		}
	}
	page := func(account string) error {
		c, err := a.query.Backend().Call(t.Context(), call.Key{Provider: "acme", Account: account, CallID: id})
		if err == nil && (c.Call.Account != account || len(c.Events) != 1 || len(c.Incidents) != 1) {
			t.Errorf("the call of %q: %+v", account, c)
		}
		return err
	}
	for _, account := range []string{"", "sales", "support"} {
		if err := page(account); err != nil {
			t.Errorf("the call of %q: %v", account, err)
		}
	}
	if err := page("nobody"); !errors.Is(err, backend.ErrNotFound) {
		t.Errorf("a call of an account that is not there: %v", err)
	}
	_, err = a.maintenance.Do(t.Context(), "erase", url.Values{"provider": {"acme"}, "account": {"sales"}, "call": {id}}, nil, func(int64, int64) {})
	if err != nil {
		t.Fatal(err)
	}
	if err := page("sales"); !errors.Is(err, backend.ErrNotFound) {
		t.Errorf("the erased call: %v", err)
	}
	for _, account := range []string{"", "support"} {
		if err := page(account); err != nil {
			t.Errorf("the call of %q, after that of another account was erased: %v", account, err)
		}
	}
	_, err = a.maintenance.Do(t.Context(), "import", url.Values{"provider": {"acme"}, "account": {"nobody"}}, nil, func(int64, int64) {})
	if err == nil {
		t.Error("an import of an account that is not there is no error")
	}
}

// Two accounts of a provider whose APIs have calls of the same ids: each is fetched from,
// imported, listed, explained, looked at by the doctor and erased by itself, over the
// command line too.
func TestAccountsByCommand(t *testing.T) {
	t.Parallel()
	settings := map[string]config.Secret{}
	yaml := "providers: {bird: {accounts: {"
	for name, mos := range map[string]float64{"north": 2.5, "south": 4.5} {
		api, _ := fakeAPI(t, "bird", 5) // the same seed: the same ids
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if strings.HasSuffix(r.URL.Path, "/calls/same/insights") {
				w.Header().Set("Content-Type", "application/json")
				_, _ = io.WriteString(w, birdInsights("same", mos))
				return
			}
			api.ServeHTTP(w, r)
		}))
		t.Cleanup(srv.Close)
		yaml += name + ": {url_token: " + birdToken + "-" + name
		settings[name] = config.Secret(birdToken + "-" + name)
		for setting, values := range api.Keys(srv.URL) {
			settings[name+" "+setting] = config.Secret(strings.Join(values, ","))
			yaml += ", " + strings.ToLower(setting) + `: "` + strings.Join(values, ",") + `"`
		}
		yaml += "}, "
	}
	file := filepath.Join(t.TempDir(), "callwatch.yaml")
	if err := os.WriteFile(file, []byte(strings.TrimSuffix(yaml, ", ")+"}}}"), 0o600); err != nil {
		t.Fatal(err)
	}
	a, base := running(t, func(c *config.Config) {
		for at, value := range settings {
			account, setting, _ := strings.Cut(at, " ")
			c.SetAccount("bird", account, cmp.Or(setting, normalizer.URLToken), value)
		}
		c.Pace = fetching.Pace{Delays: []time.Duration{10 * time.Millisecond}, Rate: 1000}
		c.Rules = writeRules(t, "rules:\n  - {name: low-mos, when: mos < 3, by: [account, callId]}\n")
	})
	for _, account := range []string{"north", "south"} {
		birdEndedAt(t, base+"/webhooks/bird/"+account+"/"+birdToken+"-"+account, "same")
	}
	env := []string{"CALLWATCH_TOKEN=" + adminToken, "CALLWATCH_URL=" + base}
	shown := func(account string) (mos float64, code int) {
		t.Helper()
		stdout, _, code := says(t, env, nil, "calls", "show", "bird", "same", "--account", account, "-o", "json")
		var page struct {
			Call struct {
				MOS     float64 `json:"mos"`
				Account string  `json:"account"`
			} `json:"call"`
		}
		if code == cli.ExitFine {
			if err := json.Unmarshal([]byte(stdout), &page); err != nil || page.Call.Account != account {
				t.Fatalf("the call of %s: %v\n%s", account, err, stdout)
			}
		}
		return page.Call.MOS, code
	}
	for account, want := range map[string]float64{"north": 2.5, "south": 4.5} {
		eventually(t, account+"'s report is fetched from its own API", func() bool { mos, _ := shown(account); return mos == want })
	}
	for _, account := range []string{"north", "south"} {
		done := answerOf[maintenance.Imported](t, env, nil, "import", "bird", "--account", account, "--since", "7d")
		if done.Calls != 5 {
			t.Errorf("%d calls are imported from %s, want 5", done.Calls, account)
		}
	}
	idle(t, base)
	if err := a.model.Current(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, account := range []string{"north", "south"} {
		out, errs, code := says(t, env, nil, "calls", "ls", "--account", account, "-o", "ndjson")
		if n := strings.Count(out, `"id":"bird@`+account+`:`); code != cli.ExitFine || n != 6 || strings.Count(out, "\n") != n {
			t.Errorf("calls of %s: exit %d, %s\n%s", account, code, errs, out)
		}
	}
	if out, errs, code := says(t, env, nil, "stats", "--by", "account", "--since", "7d"); code != cli.ExitFine || !strings.Contains(out, "north") || !strings.Contains(out, "south") {
		t.Errorf("stats: exit %d, %s\n%s", code, errs, out)
	}
	for account, want := range map[string]string{"north": "(mos = 2.5)", "south": "(mos = 4.5)"} {
		if out, errs, _ := says(t, env, nil, "rules", "explain", "same", "--provider", "bird", "--account", account); !strings.Contains(out, want) {
			t.Errorf("explain for %s does not say %q: %s\n%s", account, want, errs, out)
		}
	}
	out, _, _ := says(t, env, nil, "--config", file, "doctor", "--account", "north")
	if !strings.Contains(out, "bird@north") || strings.Contains(out, "bird@south") || strings.Contains(out, "telnyx") {
		t.Errorf("the doctor of north says\n%s", out)
	}
	if out, _, code := says(t, env, nil, "--config", file, "doctor", "--account", "nobody"); code != cli.ExitProblems || !strings.Contains(out, `no provider has an account "nobody"`) {
		t.Errorf("the doctor of nobody: exit %d\n%s", code, out)
	}
	if out, errs, code := says(t, env, nil, "calls", "erase", "bird", "same", "--account", "north"); code != cli.ExitFine {
		t.Fatalf("erase: exit %d, %s%s", code, out, errs)
	}
	if _, code := shown("north"); code == cli.ExitFine {
		t.Error("north's call is still there")
	}
	if mos, _ := shown("south"); mos != 4.5 {
		t.Errorf("south's call has the MOS %v after north's was erased", mos)
	}
}
