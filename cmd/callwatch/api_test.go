package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"callwatch/cmd/callwatch/internal/cli"
	"callwatch/cmd/callwatch/internal/config"
	"callwatch/handlers"
	"callwatch/normalizer"
	"callwatch/rules"
	"callwatch/rules/engine"
	"callwatch/rules/rulefmt"
)

const (
	adminToken  = "adm1n-token"
	butterToken = "but-tok"
)

// running starts callwatch in this process with its API open.
func running(t *testing.T, change func(*config.Config)) (*app, string) {
	t.Helper()
	long(t)
	cfg := defaultConfig()
	cfg.DataDir, cfg.Listen, cfg.AdminToken = t.TempDir(), "127.0.0.1:0", adminToken
	cfg.Providers = map[string]map[string]config.Secret{"butter": {"url_token": butterToken}}
	change(&cfg)
	a, err := newApp(t.Context(), cfg, serving, testLogger(t))
	if err != nil {
		t.Fatal(err)
	}
	return runs(t, a)
}

// inDevelopment starts callwatch in this process as serve --dev does.
func inDevelopment(t *testing.T, log *slog.Logger, change func(*config.Config)) (*app, string) {
	t.Helper()
	long(t)
	cfg := defaultConfig()
	cfg.DataDir, cfg.Listen, cfg.Rules = t.TempDir(), "127.0.0.1:0", writeRules(t, networkRule)
	change(&cfg)
	a, err := newApp(t.Context(), cfg, devMode, log)
	if err != nil {
		t.Fatal(err)
	}
	return runs(t, a)
}

// runs has it run until the test ends.
func runs(t *testing.T, a *app) (*app, string) {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- a.run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	base := "http://" + a.server.Addr().String()
	eventually(t, "callwatch is ready", func() bool {
		res, err := http.Get(base + "/readyz")
		if err != nil {
			return false
		}
		return res.Body.Close() == nil && res.StatusCode == http.StatusOK
	})
	return a, base
}

// answersAll waits until the HTTP side takes more than webhooks.
func answersAll(t *testing.T, a *app) {
	t.Helper()
	eventually(t, "callwatch has started", func() bool {
		res, err := http.Get("http://" + a.server.Addr().String() + "/metrics")
		return err == nil && res.Body.Close() == nil && res.StatusCode != http.StatusServiceUnavailable
	})
}

// failedCall sends the webhook of a call that failed and returns the id of the
// request.
func failedCall(t *testing.T, base, token, id string) (request string) {
	t.Helper()
	return failedCallAt(t, base, token, id, "2026-11-01T12:00:45Z")
}

// failedCallAt sends the webhook of a call that failed at a time.
func failedCallAt(t *testing.T, base, token, id, at string) (request string) {
	t.Helper()
	body := fmt.Sprintf(`{"call_sid":%q,"status":"failed","duration":0,"timestamp":%q,"error_code":503,"error_message":"no route"}`, id, at)
	return posted(t, strings.TrimSuffix(base+"/webhooks/butter/"+token, "/"), body).Get("X-Request-Id")
}

// posted posts a webhook until it is stored, as a provider does: a busy machine does not
// always confirm it in time. It returns the headers of the answer.
func posted(t *testing.T, url, body string) http.Header {
	t.Helper()
	req, err := http.NewRequest(http.MethodPost, url, nil) //nolint:noctx // loopback
	if err != nil {
		t.Error(err)
		return nil
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Traceparent", "00-"+senderTrace+"-00f067aa0ba902b7-01")
	for deadline := time.Now().Add(2 * time.Minute); ; time.Sleep(50 * time.Millisecond) {
		req.Body = io.NopCloser(strings.NewReader(body))
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Error(err)
			return nil
		}
		answer, _ := io.ReadAll(res.Body)
		_ = res.Body.Close()
		if res.StatusCode == http.StatusOK {
			return res.Header
		}
		if res.StatusCode != http.StatusServiceUnavailable || time.Now().After(deadline) {
			t.Errorf("%s: answered %d %s", url, res.StatusCode, answer)
			return nil
		}
	}
}

// typed runs a command against a running callwatch, as a person would.
func typed(t *testing.T, base string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	environ := []string{"CALLWATCH_ADMIN_TOKEN=" + adminToken, "USER=ada"}
	code = run(t.Context(), append(args, "--url", base), environ, nil, &out, &errs)
	return code, out.String(), errs.String()
}

func listed(t *testing.T, base string) []rules.Incident {
	t.Helper()
	code, out, errs := typed(t, base, "incidents", "ls", "-o", "json", "--state", "all")
	var found []rules.Incident
	if err := json.Unmarshal([]byte(out), &found); code != 0 || err != nil {
		t.Fatalf("incidents ls: exit %d, %v\n%s%s", code, err, out, errs)
	}
	return found
}

// networkRule alerts on each call that the network failed, as the shipped rules do in
// shadow.
const networkRule = "rules:\n  - name: call-failures\n    on: [ended, report]\n    by: [provider, sipCode]\n    when: sipCode >= 500 && sipCode < 600 || sipCode == 408\n"

const failedRule = "rules:\n  - name: call-failures\n    when: status == \"failed\"\n    by: [provider, callId]\n"

// steps are the stored transitions of one incident.
func (a *app) steps(t *testing.T, in *rules.Incident) string {
	t.Helper()
	history, err := a.store.History(t.Context(), in.Rule, in.Key())
	if err != nil {
		t.Fatal(err)
	}
	var steps []string
	for _, h := range history {
		var tr rules.Transition
		if err := json.Unmarshal(h.Data, &tr); err != nil {
			t.Fatal(err)
		}
		steps = append(steps, strings.TrimSpace(string(tr.Step)+" "+tr.Reason))
	}
	return strings.Join(steps, ", ")
}

// What is done on the command line is an input of the engine: it survives a
// restart, and a restart without a checkpoint.
func TestActionsFromTheCommandLine(t *testing.T) {
	t.Parallel()
	dir, path := t.TempDir(), writeRules(t, failedRule)
	configure := func(c *config.Config) { c.DataDir, c.Rules = dir, path }
	var id, silence string
	t.Run("made", func(t *testing.T) {
		a, base := running(t, configure)
		failedCall(t, base, butterToken, "call_1")
		eventually(t, "the incident is open", func() bool { return len(listed(t, base)) == 1 })
		id = listed(t, base)[0].ID
		for range 2 {
			if code, out, errs := typed(t, base, "incidents", "ack", id); code != 0 || !strings.Contains(out, id+" is acknowledged") {
				t.Fatalf("ack: exit %d\n%s%s", code, out, errs)
			}
		}
		code, out, errs := typed(t, base, "silence", "add", "--incident", id, "--for", "1h", "--comment", "planned", "-o", "json")
		var made rules.Silence
		if err := json.Unmarshal([]byte(out), &made); code != 0 || err != nil {
			t.Fatalf("silence add: exit %d, %v\n%s%s", code, err, out, errs)
		}
		silence = made.ID
		if want := `rule == "call-failures" && provider == "butter" && callId == "call_1"`; made.Match != want || made.By != "ada" {
			t.Errorf("silence %+v, want match %s by ada", made, want)
		}
		in := listed(t, base)[0]
		if in.Acknowledged == nil || in.Acknowledged.By != "ada" || in.Silence == nil || in.Silence.Comment != "planned" {
			t.Errorf("acknowledged %+v, silence %+v", in.Acknowledged, in.Silence)
		}
		until := made.Until.Format(time.RFC3339)
		if got, want := a.steps(t, &in), "opened, acknowledged by ada, silenced until "+until+" by ada: planned"; got != want {
			t.Errorf("steps %q, want %q", got, want)
		}
	})
	t.Run("after a restart", func(t *testing.T) {
		_, base := running(t, configure)
		eventually(t, "the silence is in force", func() bool {
			_, out, _ := typed(t, base, "silence", "ls")
			return strings.Contains(out, silence) && strings.Contains(out, "planned")
		})
		if code, out, errs := typed(t, base, "incidents", "unack", id); code != 0 || !strings.Contains(out, id+" is silenced") {
			t.Errorf("unack: exit %d\n%s%s", code, out, errs)
		}
		if code, out, errs := typed(t, base, "silence", "expire", silence); code != 0 {
			t.Errorf("expire: exit %d\n%s%s", code, out, errs)
		}
		code, out, _ := typed(t, base, "incidents", "show", id)
		if code != 0 || !strings.Contains(out, "firing, warning") || strings.Contains(out, "silence") || strings.Contains(out, "acknowledged") {
			t.Errorf("show: exit %d\n%s", code, out)
		}
		for name, c := range map[string]struct {
			args []string
			code int
			says string
		}{
			"unknown incident":      {[]string{"incidents", "ack", "inc_none"}, cli.ExitProblems, "no such incident"},
			"unknown silence":       {[]string{"silence", "expire", "sil_none"}, cli.ExitProblems, "no such silence"},
			"silence of gibberish":  {[]string{"silence", "add", "rul == 1", "--for", "1h"}, cli.ExitProblems, "did you mean rule?"},
			"silence of no rule":    {[]string{"silence", "add", `rule == "call-failure"`, "--for", "1h"}, cli.ExitProblems, `did you mean "call-failures"?`},
			"neither for nor until": {[]string{"silence", "add", `rule == "a"`}, cli.ExitUsage, "--for or --until"},
		} {
			if code, _, errs := typed(t, base, c.args...); code != c.code || !strings.Contains(errs, c.says) {
				t.Errorf("%s: exit %d, want %d with %q:\n%s", name, code, c.code, c.says, errs)
			}
		}
		var out2, errs bytes.Buffer
		if code := run(t.Context(), []string{"incidents", "ls", "--url", base}, []string{"CALLWATCH_ADMIN_TOKEN=wrong"}, nil, &out2, &errs); code != cli.ExitUsage {
			t.Errorf("with a wrong token: exit %d\n%s", code, &errs)
		}
	})
}

// An incident is assigned, noted and resolved, says by whom, and is not resolved another
// time; the next match opens another one.
func TestIncidentsResolvedByHand(t *testing.T) {
	t.Parallel()
	path := writeRules(t, "rules:\n  - name: call-failures\n    when: status == \"failed\"\n    by: [provider]\n")
	a, base := running(t, func(c *config.Config) { c.Rules = path })
	failedCall(t, base, butterToken, "call_1")
	eventually(t, "the incident is open", func() bool { return len(listed(t, base)) == 1 })
	id := listed(t, base)[0].ID
	for _, c := range []struct {
		args []string
		code int
		says string
	}{
		{[]string{"assign", id}, 0, id + " is firing"},
		{[]string{"assign", id, "--to", "cleo", "--by", "bob"}, 0, id + " is firing"},
		{[]string{"note", id, "the", "carrier", "knows", "--by", "bob"}, 0, id + " is firing"},
		{[]string{"show", id}, 0, "cleo"},
		{[]string{"show", id}, 0, "the carrier knows"},
		{[]string{"ls"}, 0, "cleo"},
		{[]string{"assign", id, "--nobody", "--by", "bob"}, 0, id + " is firing"},
		{[]string{"assign", id, "--to", "cleo", "--nobody"}, cli.ExitUsage, "nobody"},
		{[]string{"assign", id, "--to", "two\nlines"}, cli.ExitProblems, "to must be a name"},
		{[]string{"assign", "inc_none"}, cli.ExitProblems, "no such incident"},
		{[]string{"note", id}, cli.ExitUsage, "2 arg"},
		{[]string{"note", id, strings.Repeat("x", 501)}, cli.ExitProblems, "at most 500 bytes"},
		{[]string{"note", "inc_none", "x"}, cli.ExitProblems, "no such incident"},
	} {
		if code, out, errs := typed(t, base, append([]string{"incidents"}, c.args...)...); code != c.code || !strings.Contains(out+errs, c.says) {
			t.Errorf("%v: exit %d, want %d with %q\n%s%s", c.args, code, c.code, c.says, out, errs)
		}
	}
	if code, out, errs := typed(t, base, "incidents", "resolve", id, "--by", "bob"); code != 0 || !strings.Contains(out, id+" is resolved") {
		t.Fatalf("resolve: exit %d\n%s%s", code, out, errs)
	}
	if code, _, errs := typed(t, base, "incidents", "resolve", id); code != cli.ExitProblems || !strings.Contains(errs, "resolved already") {
		t.Errorf("resolved twice: exit %d\n%s", code, errs)
	}
	in := listed(t, base)[0]
	if in.State != rules.Resolved || in.ResolvedBy == nil || in.ResolvedBy.By != "bob" {
		t.Errorf("%s, resolved by %+v", in.State, in.ResolvedBy)
	}
	if got, want := a.steps(t, &in), "opened, assigned to ada, by ada, assigned to cleo, by bob, noted by bob, assigned to nobody, by bob, resolved by hand, by bob"; got != want {
		t.Errorf("steps %q, want %q", got, want)
	}
	if code, out, _ := typed(t, base, "incidents", "show", id); code != 0 || !strings.Contains(out, "by bob") {
		t.Errorf("show: exit %d\n%s", code, out)
	}
	failedCall(t, base, butterToken, "call_2")
	eventually(t, "the next match opens another incident", func() bool {
		all := listed(t, base)
		return len(all) == 1 && all[0].ID != id && all[0].State == rules.Firing
	})
}

func (a *app) reloaded(t *testing.T, digest string) func() bool {
	return func() bool {
		f := a.rulesFile()
		return f.Digest == digest && !f.Refused() && !f.Pending
	}
}

// The file is followed when it changes in place, by replacement, and on SIGHUP;
// with a mistake in it the rules stay and everybody is told.
func TestRulesFollowTheirFile(t *testing.T) {
	path := writeRules(t, failedRule)
	a, base := running(t, func(c *config.Config) { c.Rules = path })
	failedCall(t, base, butterToken, "call_1")
	eventually(t, "the incident is open", func() bool { return len(listed(t, base)) == 1 })

	other := failedRule + "  - {name: low-mos, when: mos < 3.5}\n"
	replace := func(content string) {
		t.Helper()
		if err := errors.Join(os.WriteFile(path+".new", []byte(content), 0o600), os.Rename(path+".new", path)); err != nil {
			t.Fatal(err)
		}
	}
	replace(other)
	eventually(t, "the replaced file is in force", a.reloaded(t, rulefmt.Digest([]byte(other))))
	if in := listed(t, base); len(in) != 1 || in[0].State != rules.Firing {
		t.Errorf("incidents after a reload that left their rule alone: %+v", in)
	}

	wrong := strings.ReplaceAll(other, "mos <", "moss <")
	if err := os.WriteFile(path, []byte(wrong), 0o600); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the mistake is noticed", func() bool { return a.rulesFile().Refused() })
	code, out, errs := typed(t, base, "rules", "reload")
	if code != cli.ExitProblems || !strings.Contains(errs, "did you mean mos?") {
		t.Errorf("rules reload: exit %d\n%s%s", code, out, errs)
	}
	if ready := a.ready(t.Context()); !ready.Ready() || !hasCheck(ready, "rules-file", "the rules file has 1 error; the rules in force stay") {
		t.Errorf("readiness: %+v", ready)
	}
	code, out, errs = typed(t, base, "rules", "ls")
	if code != 0 || !strings.Contains(out, "low-mos") || !strings.Contains(out, "not reported by any provider: mos; never fired") || !strings.Contains(errs, "the rules in force stay") {
		t.Errorf("rules ls: exit %d\n%s%s", code, out, errs)
	}
	if got := metric(t, base, "callwatch_rules_file_in_force"); got != "0" {
		t.Errorf("callwatch_rules_file_in_force %s", got)
	}

	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the missing file is noticed", func() bool { return strings.Contains(a.rulesFile().Error, "cannot be read") })
	gone := "rules:\n  - {name: low-mos, when: mos < 3.5}\n"
	replace(gone)
	hangUp(t)
	eventually(t, "the file is in force again", a.reloaded(t, rulefmt.Digest([]byte(gone))))
	eventually(t, "the incident of the removed rule is closed", func() bool {
		in := listed(t, base)
		return len(in) == 1 && in[0].State == rules.Resolved
	})
	if got := metric(t, base, "callwatch_rules_file_in_force"); got != "1" {
		t.Errorf("callwatch_rules_file_in_force %s", got)
	}
}

func metric(t *testing.T, base, name string) string {
	t.Helper()
	return (&process{t: t, base: base}).metric(name)
}

func hasCheck(r handlers.Readiness, name, cause string) bool {
	for _, c := range r.Checks {
		if c.Name == name && c.Cause == cause {
			return true
		}
	}
	return false
}

// What the old rules judged is not judged again by the new ones, even if callwatch
// is killed right after it took them.
func TestKilledAfterAReload(t *testing.T) {
	long(t)
	t.Parallel()
	secrets := testSecrets(t)
	slack, slackURL := fakeSlackServer(t)
	token := secrets.Receive["butter"][normalizer.URLToken][0]
	dir, path := t.TempDir(), writeRules(t, "rules:\n  - {name: failed, when: sipCode > 600}\n")
	p := start(t, dir, path, slackURL, secrets)
	failedCall(t, p.base, token, "call_1")
	eventually(t, "the call is judged", func() bool {
		return p.metric(`callwatch_rule_calls{outcome="judged",rule="failed"}`) == "1"
	})
	if err := os.WriteFile(path, []byte("rules:\n  - {name: failed, when: sipCode > 500}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the new rules are in force", func() bool {
		return p.metric(`callwatch_rules_reloads_total{outcome="loaded"}`) == "1"
	})
	p.kill()
	p = start(t, dir, path, slackURL, secrets)
	failedCall(t, p.base, token, "call_2")
	p.settled()
	if threads := slack.Threads(); len(threads) != 1 || p.metric(`callwatch_rule_calls{outcome="matched",rule="failed"}`) != "1" {
		t.Errorf("%d threads, want one with the second call: %+v", len(threads), threads)
	}
}

// A thousand reloads under load, half of them invalid: every call is judged once,
// and the incident that was open lives through all of them.
func TestThousandReloads(t *testing.T) {
	long(t)
	t.Parallel()
	perProvider := strings.Replace(failedRule, ", callId", "", 1)
	path := writeRules(t, perProvider)
	a, base := running(t, func(c *config.Config) { c.Rules = path })
	const reloads, callsEach = 1000, 4 // a call for every four reloads
	more, sent := make(chan int, reloads), make(chan struct{})
	go func() {
		defer close(sent)
		for i := range more {
			failedCall(t, base, butterToken, fmt.Sprintf("call_%d", i))
		}
	}()
	for i := range reloads {
		if i%callsEach == 0 {
			more <- i
		}
		content := fmt.Sprintf("%s# %d\n", perProvider, i)
		if i%2 == 1 {
			content += "  - {name: broken, when: moss < 3}\n"
		}
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := a.rules.Reload(t.Context()); err != nil {
			t.Fatal(err)
		}
		if f := a.rulesFile(); f.Refused() != (i%2 == 1) || f.Rules != 1 || f.Pending {
			t.Fatalf("reload %d: %+v", i, f)
		}
	}
	close(more)
	<-sent
	const calls = reloads / callsEach
	var counts rules.Counts
	within(t, 3*time.Minute, "every call is judged", func() bool {
		a.judge.Look(func(g *engine.Engine) { counts = g.Healths()[0].Counts })
		return counts.Judged >= calls
	})
	if want := (rules.Counts{Matched: calls, Judged: calls}); counts != want {
		t.Errorf("counts %+v, want %+v", counts, want)
	}
	in := a.api().Open()
	if len(in) != 1 || in[0].Counts.Matched != calls {
		t.Fatalf("open incidents: %+v", in)
	}
	if got := a.steps(t, &in[0]); strings.Count(got, "opened") != 1 || strings.Contains(got, "resolved") {
		t.Errorf("steps %s", got)
	}
}
