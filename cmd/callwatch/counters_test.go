package main

import (
	"io"
	"net/http"
	"os"
	"regexp"
	"strings"
	"testing"

	"callwatch/cmd/callwatch/internal/config"
)

// TestCountersBeginAtZero: each counter that a shipped alert reads is there before
// anything happens, for each provider, rule and outcome; so is every outcome in the code.
func TestCountersBeginAtZero(t *testing.T) {
	a, base := inDevelopment(t, testLogger(t), func(*config.Config) {})
	res, err := http.Get(base + "/metrics") //nolint:noctx // the server ends with the test
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	text := string(b)
	for _, p := range a.cfg.Registry {
		for _, want := range []string{
			`callwatch_webhooks_total{outcome="accepted",provider="` + p.Name + `"} 0`,
			`callwatch_webhooks_total{outcome="bad_signature",provider="` + p.Name + `"} 0`,
			`callwatch_webhooks_total{outcome="store_unavailable",provider="` + p.Name + `"} 0`,
			`callwatch_dead_letters_total{provider="` + p.Name + `"} 0`,
		} {
			if !strings.Contains(text, want+"\n") {
				t.Errorf("/metrics has no %s", want)
			}
		}
	}
	for _, h := range a.api().Health() {
		rule := h.Rule
		if want := `callwatch_transitions_total{rule="` + rule + `",step="opened"} 0`; !strings.Contains(text, want) {
			t.Errorf("/metrics has no %s", want)
		}
	}
	alerts, err := os.ReadFile("../../deploy/prometheus/alerts.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range regexp.MustCompile(`callwatch_[a-z_]+_total`).FindAllString(string(alerts), -1) {
		if !strings.Contains(text, "\n"+name) {
			t.Errorf("/metrics has no series of %s, which an alert reads", name)
		}
	}
	source, err := os.ReadFile("../../handlers/outcome.go")
	if err != nil {
		t.Fatal(err)
	}
	var declared []string
	for _, m := range regexp.MustCompile(`Outcome = "(\w+)"`).FindAllStringSubmatch(string(source), -1) {
		declared = append(declared, m[1])
	}
	for _, outcome := range declared {
		if !strings.Contains(text, `outcome="`+outcome+`",provider="unknown"`) {
			t.Errorf("the outcome %s does not begin at 0", outcome)
		}
	}
	if len(declared) < 10 {
		t.Errorf("outcomes %v", declared)
	}
}
