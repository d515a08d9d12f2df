package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"callwatch/call"
	"callwatch/cmd/callwatch/internal/cli"
	"callwatch/cmd/callwatch/internal/config"
	"callwatch/handlers/backend"
	"callwatch/normalizer"
	"callwatch/normalizer/registry"
	"callwatch/pipeline/maintenance"
	"callwatch/stream"
	"callwatch/stream/frame"
)

// brokenFor breaks the normalizers of some providers on purpose.
func brokenFor(reason string, providers ...string) func(*config.Config) {
	return func(c *config.Config) {
		for _, p := range registry.Providers() {
			if slices.Contains(providers, p.Name) {
				p.Normalize = func(*normalizer.Body) ([]call.Event, error) { return nil, errors.New(reason) }
				c.Registry = c.Registry.With(p)
			}
		}
	}
}

// storeAs is what a store says of its calls and incidents, less the times at
// which this machine did its work and the places where things are.
func storeAs(t *testing.T, dir string) (events, incidents []string) {
	t.Helper()
	inStore(t, dir, func(store *stream.Store) {
		err := store.EventsOf(t.Context(), "", func(m stream.Message) error {
			var e map[string]any
			if err := json.Unmarshal(m.Data, &e); err != nil {
				return err
			}
			received := e["receivedAt"]
			for name, v := range e {
				if name == "receivedAt" || name == "rawId" || v == received {
					delete(e, name)
				}
			}
			line, err := json.Marshal(e)
			events = append(events, string(line))
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		last, err := store.LastTransitions(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, l := range last {
			incidents = append(incidents, fmt.Sprintf("%s %q", l.Rule, l.Key))
		}
	})
	slices.Sort(events)
	slices.Sort(incidents)
	return slices.Compact(events), incidents
}

// A normalizer that was broken, fixed, and given its dead letters again leaves
// the same calls and the same incidents as one that never broke.
func TestDeadLettersAreFixed(t *testing.T) {
	t.Parallel()
	secrets := testSecrets(t)
	requests := traffic(t, secrets, 60)
	rules := writeRules(t, badCallRule)
	broken := []string{"telnyx", "butter", "bird"}

	dirs := map[string]string{}
	for _, name := range []string{"never broken", "fixed"} {
		dirs[name] = t.TempDir()
		cfg := demoConfig(registry.Providers(), dirs[name], "127.0.0.1:0", secrets)
		cfg.Rules = rules
		var breaks func(*config.Config)
		if name == "fixed" {
			breaks = brokenFor("broken on purpose", broken...)
		}
		a, stop := runApp(t, cfg, breaks)
		p := &process{t: t, base: "http://" + a.server.Addr().String()}
		p.send(slices.Values(requests))
		p.settled()
		stop()
	}
	wantEvents, wantIncidents := storeAs(t, dirs["never broken"])
	if len(wantIncidents) < 5 {
		t.Fatalf("only %d incidents in the traffic", len(wantIncidents))
	}
	if events, _ := storeAs(t, dirs["fixed"]); len(events) > len(wantEvents)/2 {
		t.Fatalf("%d of %d events although the normalizers are broken", len(events), len(wantEvents))
	}

	cfg := demoConfig(registry.Providers(), dirs["fixed"], "127.0.0.1:0", secrets)
	cfg.Rules, cfg.AdminToken = rules, "secret-token"
	env := []string{"CALLWATCH_ADMIN_TOKEN=secret-token", "CALLWATCH_DATA_DIR=" + cfg.DataDir}
	letters := func(more ...string) []backend.DeadLetter {
		t.Helper()
		return answerOf[[]backend.DeadLetter](t, env, nil, append([]string{"deadletters", "ls", "-n", "1000"}, more...)...)
	}
	all := letters()

	// Still broken: each stays, with the reason of now.
	a, stop := runApp(t, cfg, brokenFor("broken otherwise", broken...))
	base := "http://" + a.server.Addr().String()
	(&process{t: t, base: base}).settled() // the last frame is read again, and its dead letters kept again
	stdout, stderr, code := says(t, env, nil, "deadletters", "replay", "--all", "--url", base)
	if code != cli.ExitProblems || !strings.Contains(stdout, fmt.Sprintf("%d failed again", len(all))) {
		t.Errorf("a replay while it is broken: exit %d, %s%s", code, stdout, stderr)
	}
	for _, d := range letters("--url", base) {
		if !strings.Contains(d.Error, "broken otherwise") && slices.Contains(broken, d.Provider) && !strings.Contains(d.Error, "parse") {
			t.Errorf("dead letter %s of %s says %q", d.RawID, d.Provider, d.Error)
		}
	}
	if n := len(letters("--url", base)); n != len(all) {
		t.Errorf("%d dead letters, want %d", n, len(all))
	}
	stop()

	// Fixed, by a running callwatch; what is no body of the provider stays.
	a, stop = runApp(t, cfg, nil)
	base = "http://" + a.server.Addr().String()
	(&process{t: t, base: base}).settled()
	stdout, _, _ = says(t, env, nil, "deadletters", "replay", "--all", "--url", base, "-o", "json")
	var done backend.Replayed
	if err := json.Unmarshal([]byte(stdout), &done); err != nil || done.Tried != len(all) || done.Fixed < 50 {
		t.Errorf("replay: %s, %v", stdout, err)
	}
	// Some are given once more, as after a stop before their removal.
	again := all[:10]
	for _, d := range again {
		raw, _ := frame.ParsePosition(d.RawID)
		if err := a.store.PutDeadLetter(t.Context(), stream.DeadLetter{Raw: raw, Provider: d.Provider, Kind: d.Kind, Error: d.Error, Time: d.Time}); err != nil {
			t.Fatal(err)
		}
	}
	ids := []string{}
	for _, d := range again {
		ids = append(ids, d.RawID)
	}
	if _, err := a.work(t.Context(), "deadletters-replay", url.Values{"id": ids}, nil, nil); err != nil {
		t.Error(err)
	}
	p := &process{t: t, base: base}
	p.settled()
	stop()

	gotEvents, gotIncidents := storeAs(t, cfg.DataDir)
	if diff := gocmp.Diff(wantIncidents, gotIncidents); diff != "" {
		t.Errorf("incidents (-never broken +fixed):\n%s", diff)
	}
	if diff := gocmp.Diff(wantEvents, gotEvents); diff != "" {
		t.Errorf("events (-never broken +fixed):\n%s", diff)
	}
	left := letters()
	if len(left) != done.Failed {
		t.Errorf("%d dead letters are left, %d failed", len(left), done.Failed)
	}
	if len(left) > 0 {
		page := answerOf[maintenance.DeadLetterPage](t, env, nil, "deadletters", "show", left[0].RawID)
		if page.RawID != left[0].RawID || page.Error != left[0].Error || page.Size == 0 || page.Body == "" {
			t.Errorf("%+v", page)
		}
	}
	if _, stderr, code := says(t, env, nil, "deadletters", "show", "9999.0"); code != cli.ExitProblems || !strings.Contains(stderr, "no dead letter") {
		t.Errorf("a dead letter that is not: exit %d, %s", code, stderr)
	}
	if _, _, code := says(t, env, nil, "deadletters", "replay"); code != cli.ExitUsage {
		t.Errorf("neither ids nor --all: exit %d", code)
	}
}

// put stores a body as a webhook of callwatch that is stopped.
func put(t *testing.T, store *stream.Store, r stream.Record) string {
	t.Helper()
	id, err := store.Append(context.WithoutCancel(t.Context()), r)
	if err != nil {
		t.Fatal(err)
	}
	return id
}
