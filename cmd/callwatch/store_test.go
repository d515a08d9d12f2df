package main

import (
	"regexp"
	"strings"
	"testing"

	"callwatch/cmd/callwatch/internal/cli"
	"callwatch/cmd/callwatch/internal/config"
	"callwatch/handlers/backend"
	"callwatch/normalizer/registry"
)

// The store is measured and pruned the same way by a running callwatch and on the
// stopped data directory.
func TestStoreSizeAndPrune(t *testing.T) {
	t.Parallel()
	cfg := demoConfig(registry.Providers(), t.TempDir(), "127.0.0.1:0", testSecrets(t))
	cfg.Rules, cfg.AdminToken = writeRules(t, badCallRule), "secret-token"
	env := []string{"CALLWATCH_ADMIN_TOKEN=secret-token", "CALLWATCH_DATA_DIR=" + cfg.DataDir, "CALLWATCH_RULES=" + cfg.Rules}
	a, stop := runApp(t, cfg, nil)
	p := &process{t: t, base: "http://" + a.server.Addr().String()}
	for range 3 {
		put(t, a.store, birdCall("1001", 4.1))
	}
	p.settled()
	check := func(where string, more ...string) {
		t.Helper()
		size := answerOf[backend.StoreSize](t, env, nil, append([]string{"store", "size"}, more...)...)
		raw := backend.StoreStream{}
		for _, s := range size.Streams {
			if s.Name == "raw" {
				raw = s
			}
		}
		if raw.Messages < 3 || raw.Keep != int64((14*config.Day).Seconds()) || raw.Oldest.IsZero() || raw.PerDay != 0 || size.Limit <= size.Bytes || size.Directory < size.Bytes || size.DaysLeft != nil {
			t.Errorf("%s: %+v", where, size)
		}
		code, out, errs := command(t, t.Context(), env, append([]string{"store", "size"}, more...)...)
		if code != cli.ExitFine || !strings.Contains(out, "14.0 d") || !strings.Contains(out, "data directory: ") {
			t.Errorf("%s: exit %d\n%s%s", where, code, out, errs)
		}
		for _, dry := range []bool{true, false} {
			args := append([]string{"store", "prune"}, more...)
			if dry {
				args = append(args, "--dry-run")
			}
			if done := answerOf[backend.Pruned](t, env, nil, args...); done.DryRun != dry || len(done.Streams) != 0 {
				t.Errorf("%s: pruned %+v", where, done)
			}
		}
	}
	check("running", "--url", p.base)
	stop()
	check("stopped")

	aged := append([]string{"CALLWATCH_RETENTION_RAW=1h"}, env...)
	if _, out, errs := command(t, t.Context(), env, "doctor"); !regexp.MustCompile(`(?m)^ok +size .* of `).MatchString(out) {
		t.Errorf("the doctor says %s%s", out, errs)
	}
	if code, _, errs := command(t, t.Context(), aged, "store", "prune", "--dry-run"); code != cli.ExitFine {
		t.Errorf("exit %d, %s", code, errs)
	}
}
