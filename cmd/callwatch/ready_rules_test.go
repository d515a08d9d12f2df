package main

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
)

// A rule that may not have more keys says so: calls it leaves out raise no alert.
func TestReadinessNamesFullRules(t *testing.T) {
	t.Parallel()
	cfg := defaultConfig()
	cfg.DataDir, cfg.Listen = t.TempDir(), "127.0.0.1:0"
	cfg.Rules = writeRules(t, "rules: [{name: each, when: status == \"failed\", by: [callId], max_keys: 2}]")
	a, err := newApp(t.Context(), cfg, devMode, testLogger(t))
	if err != nil {
		t.Fatal(err)
	}
	_, base := runs(t, a)
	for _, id := range []string{"call_1", "call_2", "call_3"} {
		body := `{"call_sid":"` + id + `","status":"failed","duration":0,"timestamp":"2026-11-01T12:00:45Z","error_code":503,"error_message":"no route"}`
		res, err := http.Post(base+"/webhooks/butter", "application/json", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
	}
	eventually(t, "readiness names the rule", func() bool {
		req, err := http.NewRequestWithContext(context.Background(), http.MethodGet, base+"/readyz?verbose", nil)
		if err != nil {
			return false
		}
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			return false
		}
		defer func() { _ = res.Body.Close() }()
		said, err := io.ReadAll(res.Body)
		return err == nil && strings.Contains(string(said), "max_keys was reached: each")
	})
}
