package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"callwatch/cmd/callwatch/internal/config"
	"callwatch/stream/natstest"
)

// verbose reads the checks of readiness by name.
func verbose(t *testing.T, base string) map[string]map[string]string {
	t.Helper()
	res, err := http.Get(base + "/readyz?verbose")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	var answer struct{ Checks []map[string]string }
	if err := json.NewDecoder(res.Body).Decode(&answer); err != nil {
		t.Fatal(err)
	}
	checks := map[string]map[string]string{}
	for _, c := range answer.Checks {
		checks[c["name"]] = c
	}
	return checks
}

// TestForeignMessagesInTheStore publishes garbage on every subject and bucket of a
// running callwatch and before a start: webhooks become alerts all the same, and
// readiness names the garbage.
func TestForeignMessagesInTheStore(t *testing.T) {
	long(t)
	t.Parallel()
	url, stopServer, err := natstest.Single(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stopServer)
	rulesFile := writeRules(t, failedRule)
	for round := range 3 {
		cfg := defaultConfig()
		cfg.DataDir, cfg.Listen, cfg.AdminToken, cfg.Rules = t.TempDir(), "127.0.0.1:0", adminToken, rulesFile
		cfg.Providers = map[string]map[string]config.Secret{"butter": {"url_token": butterToken}}
		cfg.NATS.URL = url
		a, stop := runApp(t, cfg, nil)
		base := "http://" + a.server.Addr().String()
		for i := range 3 {
			failedCall(t, base, butterToken, fmt.Sprintf("call-%d-%d", round, i))
			if stored, err := natstest.Litter(t.Context(), url); err != nil || len(stored) < 10 {
				t.Fatalf("messages were stored: %v, %v", stored, err)
			}
		}
		eventually(t, "all calls have become incidents", func() bool { return len(listed(t, base)) == 3*(round+1) })
		var check map[string]string
		eventually(t, "the garbage is named", func() bool {
			check = verbose(t, base)["foreign"]
			return check["state"] == "degraded"
		})
		if !strings.Contains(check["cause"], "are not from callwatch and are skipped; the latest: ") || !strings.Contains(check["cause"], "callwatch") {
			t.Errorf("cause %q", check["cause"])
		}
		if checks := verbose(t, base); checks["failing"] != nil || checks["store"]["state"] != "passing" {
			t.Errorf("checks %v", checks)
		}
		eventually(t, "the garbage is no backlog", func() bool {
			return metric(t, base, `callwatch_backlog_messages{stage="announce"}`) == "0"
		})
		for _, stream := range []string{"events", "raw", "alerts", "bucket meta"} {
			eventually(t, "foreign messages are counted in "+stream, func() bool {
				n := metric(t, base, `callwatch_foreign_messages_total{stream="`+stream+`"}`)
				return n != "" && n != "0"
			})
		}
		stop()
	}
}
