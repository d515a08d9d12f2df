package main

import (
	"fmt"
	"strings"
	"testing"

	"callwatch/handlers/backend"
	"callwatch/normalizer/registry"
)

// Calls are listed and found, and figures shown, by a callwatch that runs and on a
// store without one, alike.
func TestCallsListAndStats(t *testing.T) {
	t.Parallel()
	cfg := demoConfig(registry.Providers(), t.TempDir(), "127.0.0.1:0", testSecrets(t))
	cfg.Rules, cfg.AdminToken = writeRules(t, badCallRule), "secret-token"
	env := []string{"CALLWATCH_ADMIN_TOKEN=secret-token", "CALLWATCH_DATA_DIR=" + cfg.DataDir, "CALLWATCH_RULES=" + cfg.Rules}
	a, stop := runApp(t, cfg, nil)
	base := "http://" + a.server.Addr().String()
	p := &process{t: t, base: base}
	for i := range 6 {
		put(t, a.store, birdCall(fmt.Sprintf("100%d", i), 2.5+0.3*float64(i)))
	}
	p.settled()
	if err := a.model.Current(t.Context()); err != nil {
		t.Fatal(err)
	}
	check := func(where string, url ...string) {
		t.Helper()
		ask := func(args ...string) []string { return append(args, url...) }
		all := answerOf[[]backend.CallRow](t, env, nil, ask("calls", "ls")...)
		low := answerOf[[]backend.CallRow](t, env, nil, ask("calls", "ls", "--filter", "mos < 3", "--sort=-mos", "--since", "1d")...)
		found := answerOf[[]backend.CallRow](t, env, nil, ask("calls", "find", "leg-1003")...)
		one := answerOf[[]backend.CallRow](t, env, nil, ask("calls", "ls", "--limit", "1")...)
		if len(all) != 6 || len(low) != 2 || *low[0].Call.MOS < *low[1].Call.MOS || len(found) != 1 || found[0].Call.CallID != "leg-1003" || len(one) != 1 {
			t.Errorf("%s: %d calls, %d low, %d found, %d of one", where, len(all), len(low), len(found), len(one))
		}
		stats := answerOf[backend.Stats](t, env, nil, ask("stats", "--by", "provider", "--compare")...)
		if stats.Total.Calls != 6 || stats.Total.Bad.True != 4 || len(stats.Groups) != 1 || stats.Groups[0].Value != "bird" || stats.Before == nil {
			t.Errorf("%s: figures %+v", where, stats)
		}
		code, table, _ := command(t, t.Context(), env, ask("calls", "find", "leg-100")...)
		if code != 0 || strings.Count(table, "\n") != 7 || !strings.Contains(table, "leg-1005") {
			t.Errorf("%s: exit %d, table\n%s", where, code, table)
		}
		if code, table, _ = command(t, t.Context(), env, ask("stats")...); code != 0 || !strings.Contains(table, "bird") {
			t.Errorf("%s: exit %d, figures\n%s", where, code, table)
		}
		for want, args := range map[int][]string{
			1: {"calls", "ls", "--filter", "moss < 3"}, 2: {"calls", "ls", "--limit", "0"},
		} {
			if code, _, said := command(t, t.Context(), env, ask(args...)...); code != want {
				t.Errorf("%s: %v: exit %d, want %d: %s", where, args, code, want, said)
			}
		}
	}
	check("a callwatch that runs", "--url", base)
	stop()
	check("a store")
}
