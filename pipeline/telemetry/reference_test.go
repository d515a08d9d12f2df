package telemetry

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"callwatch/normalizer/providertest"
)

// metric is one that /metrics shows.
type metric struct {
	name, kind, help string
	labels           []string
}

var described = regexp.MustCompile(`^Desc\{fqName: "(\w+)", help: "(.*?)"(?:, unit: ".*?")?, constLabels: \{\}, variableLabels: \{(.*)\}\}$`)

// describe reads what a description says.
func describe(t *testing.T, d *prometheus.Desc) (m metric) {
	t.Helper()
	parts := described.FindStringSubmatch(d.String())
	if parts == nil {
		t.Fatalf("%s is not read", d)
	}
	m.name, m.help = parts[1], parts[2]
	if parts[3] != "" {
		m.labels = strings.Split(parts[3], ",")
	}
	return m
}

// metrics are all of callwatch's own, by name.
func metrics(t *testing.T) map[string]metric {
	t.Helper()
	all, kinds := map[string]metric{}, map[string]string{}
	counters := New()
	families, err := counters.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		kinds[f.GetName()] = strings.ToLower(f.GetType().String())
	}
	for _, l := range lives {
		kinds[describe(t, l.desc).name] = map[prometheus.ValueType]string{prometheus.GaugeValue: "gauge", prometheus.CounterValue: "counter"}[l.kind]
	}
	counters.Handler(Sources{})
	descs := make(chan *prometheus.Desc)
	go func() { defer close(descs); counters.registry.Describe(descs) }()
	for d := range descs {
		if !strings.Contains(d.String(), `"callwatch_`) {
			continue
		}
		m := describe(t, d)
		m.kind = kinds[m.name]
		switch {
		case m.kind != "":
		case strings.HasSuffix(m.name, "_total"): // no label of it is known yet
			m.kind = "counter"
		case strings.HasSuffix(m.name, "_seconds") || strings.HasSuffix(m.name, "_bytes"):
			m.kind = "histogram"
		default:
			t.Errorf("the kind of %s is not known", m.name)
		}
		all[m.name] = m
	}
	return all
}

// docs/metrics.md has every metric.
func TestReferenceOfMetrics(t *testing.T) {
	t.Parallel()
	all := metrics(t)
	if len(all) < 35 {
		t.Fatalf("%d metrics", len(all))
	}
	var b strings.Builder
	b.WriteString("| metric | kind | labels | |\n| --- | --- | --- | --- |\n")
	sorted := make([]metric, 0, len(all))
	for _, m := range all {
		sorted = append(sorted, m)
	}
	slices.SortFunc(sorted, func(a, b metric) int { return cmp.Compare(a.name, b.name) })
	for _, m := range sorted {
		labels := ""
		for i, l := range m.labels {
			labels += map[bool]string{true: ", "}[i > 0] + "`" + l + "`"
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", m.name, m.kind, labels, m.help)
	}
	const file = "../../docs/metrics.md"
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, found := strings.Cut(string(text), "<!-- metrics -->\n")
	_, after, ended := strings.Cut(rest, "<!-- /metrics -->")
	if !found || !ended {
		t.Fatal(file + " has no part <!-- metrics -->")
	}
	want := before + "<!-- metrics -->\n" + b.String() + "<!-- /metrics -->" + after
	switch {
	case want == string(text):
	case *providertest.Update:
		if err := os.WriteFile(file, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	default:
		t.Errorf("%s is not as generated; run go test ./pipeline/telemetry -run Reference -update", file)
	}
}

// Documents, alerts and the dashboard name metrics that exist.
func TestNamedMetricsExist(t *testing.T) {
	t.Parallel()
	all := metrics(t)
	var files []string
	for _, pattern := range []string{"../../README.md", "../../docs/*.md", "../../docs/setup/*.md", "../../deploy/prometheus/*", "../../deploy/grafana/*"} {
		found, err := filepath.Glob(pattern)
		if err != nil || len(found) == 0 {
			t.Fatal(pattern, err)
		}
		files = append(files, found...)
	}
	name := regexp.MustCompile(`\bcallwatch_[a-z_]+`)
	seen := 0
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, n := range name.FindAllString(string(text), -1) {
			if n == "callwatch_roles" { // a bucket of NATS
				continue
			}
			seen++
			if _, ok := all[strings.TrimSuffix(strings.TrimSuffix(strings.TrimSuffix(n, "_bucket"), "_sum"), "_count")]; !ok {
				t.Errorf("%s: there is no metric %s", file, n)
			}
		}
	}
	if seen < 30 {
		t.Errorf("only %d metrics are named", seen)
	}
}
