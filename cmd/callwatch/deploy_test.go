package main

import (
	"encoding/json"
	"log/slog"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/prometheus/client_golang/prometheus"
)

// shownMetrics are the names that /metrics describes, of a program that has seen
// nothing yet: also those that have no value.
func shownMetrics(t *testing.T) map[string]bool {
	t.Helper()
	cfg := defaultConfig()
	cfg.DataDir, cfg.Listen, cfg.Rules = t.TempDir(), "127.0.0.1:0", "../../rules.yaml"
	if err := cfg.Check(); err != nil {
		t.Fatal(err)
	}
	a, err := newApp(t.Context(), cfg, serving, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = a.store.Close(t.Context()) })
	a.answer()
	descs := make(chan *prometheus.Desc, 1000)
	a.metrics.Registry().Describe(descs)
	close(descs)
	named := regexp.MustCompile(`fqName: "([^"]+)"`)
	shown := map[string]bool{}
	for d := range descs {
		if m := named.FindStringSubmatch(d.String()); m != nil {
			shown[m[1]] = true
		}
	}
	families, err := a.metrics.Registry().Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		shown[f.GetName()] = true
	}
	return shown
}

func metricNames(query string) []string {
	return regexp.MustCompile(`\b(?:callwatch|process|go)_[a-z_]+\b`).FindAllString(query, -1)
}

// missingMetrics are those in a query that nobody serves.
func missingMetrics(query string, shown map[string]bool) []string {
	var missing []string
	for _, name := range metricNames(query) {
		base := name
		for _, suffix := range []string{"_bucket", "_sum", "_count"} {
			base = strings.TrimSuffix(base, suffix)
		}
		if !shown[name] && !shown[base] {
			missing = append(missing, name)
		}
	}
	return missing
}

func TestDashboardQueriesExist(t *testing.T) {
	t.Parallel()
	shown := shownMetrics(t)
	var dashboard struct {
		Panels []struct {
			Title   string
			Targets []struct{ Expr string }
		}
	}
	data, err := os.ReadFile("../../deploy/grafana/callwatch.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, &dashboard); err != nil {
		t.Fatal(err)
	}
	queries := 0
	for _, p := range dashboard.Panels {
		for _, target := range p.Targets {
			queries++
			if len(metricNames(target.Expr)) == 0 {
				t.Errorf("%s: %q asks for no metric", p.Title, target.Expr)
			}
			for _, m := range missingMetrics(target.Expr, shown) {
				t.Errorf("%s: there is no metric %s", p.Title, m)
			}
		}
	}
	if queries == 0 {
		t.Error("the dashboard asks for nothing")
	}
}

func TestAlertRules(t *testing.T) {
	t.Parallel()
	const file = "../../deploy/prometheus/alerts.yaml"
	shown := shownMetrics(t)
	var rules struct {
		Groups []struct {
			Name  string
			Rules []struct {
				Alert, Expr, For    string
				Labels, Annotations map[string]string
			}
		}
	}
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := yaml.UnmarshalWithOptions(data, &rules, yaml.Strict()); err != nil {
		t.Fatal(err)
	}
	for _, g := range rules.Groups {
		for _, r := range g.Rules {
			for _, m := range missingMetrics(r.Expr, shown) {
				t.Errorf("%s: there is no metric %s", r.Alert, m)
			}
			if r.Labels["severity"] == "" || r.Annotations["summary"] == "" {
				t.Errorf("%s has no severity or no summary", r.Alert)
			}
		}
	}
	promtool, err := exec.LookPath("promtool")
	if err != nil {
		t.Skip("promtool is not installed: the syntax of the queries is not checked")
	}
	if out, err := exec.CommandContext(t.Context(), promtool, "check", "rules", file).CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}
