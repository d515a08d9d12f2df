package main

import (
	"strings"
	"testing"
	"time"

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
		if code != exitFine || !strings.Contains(out, "14.0 d") || !strings.Contains(out, "data directory: ") {
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
	if findings := diagnoseSize(t.Context(), cfg); len(findings) != 1 || findings[0].State != stateOK || !strings.Contains(findings[0].Text, " of ") {
		t.Errorf("the doctor says %+v", findings)
	}
	if code, _, errs := command(t, t.Context(), aged, "store", "prune", "--dry-run"); code != exitFine {
		t.Errorf("exit %d, %s", code, errs)
	}
}

func TestShownUsage(t *testing.T) {
	t.Parallel()
	days := 2.25
	for want, u := range map[string]backend.StoreUsage{
		"0 B":               {},
		"1.5 kB of 20.0 GB": {Bytes: 1500, Limit: 20e9},
		"999 B of 1.0 kB":   {Bytes: 999, Limit: 1000},
		"1.0 MB of 4.0 MB, grows by 2.0 MB a day, reaches the limit in 2.2 days": {Bytes: 1e6, Limit: 4e6, GrowthPerDay: 2e6, DaysLeft: &days},
		"1.0 MB of 4.0 MB; events is kept 3.0 d less than configured; raw is kept 12.0 h less than configured": {
			Bytes: 1e6, Limit: 4e6, Short: map[string]int64{"raw": int64((12 * time.Hour).Seconds()), "events": int64((3 * config.Day).Seconds())},
		},
	} {
		if got := shownUsage(&u); got != want {
			t.Errorf("%q, want %q", got, want)
		}
		if f := sizeFinding(&u); (f.State == stateWarning) != (u.DaysLeft != nil || u.Short != nil) {
			t.Errorf("%+v", f)
		}
	}
}
