package main

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
)

// CONTRIBUTING.md lists the functions that a webhook passes, each in its file.
func TestPath(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../CONTRIBUTING.md")
	if err != nil {
		t.Fatal(err)
	}
	lines := regexp.MustCompile(`(?m)^(?:taken|normalized|judged|announced|) +(\S+\.go) +(.+)$`).FindAllStringSubmatch(string(text), -1)
	functions := 0
	for _, l := range lines {
		source, err := os.ReadFile("../../" + l[1])
		if err != nil {
			t.Error(err)
			continue
		}
		for name := range strings.SplitSeq(l[2], ", ") {
			functions++
			if !regexp.MustCompile(`(?m)^func (\(.*?\) )?` + name + `\(`).Match(source) {
				t.Errorf("%s has no function %s", l[1], name)
			}
		}
	}
	if functions < 20 || functions > 25 {
		t.Errorf("%d functions, at most 25 wanted", functions)
	}
}

// docs/operations.md says what to do about every alert, and about no other.
func TestOperationsExplainEveryAlert(t *testing.T) {
	t.Parallel()
	names := func(file, pattern string) (found []string) {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile(pattern).FindAllStringSubmatch(string(b), -1) {
			found = append(found, m[1])
		}
		slices.Sort(found)
		return found
	}
	alerts := names("../../deploy/prometheus/alerts.yaml", `- alert: (\w+)`)
	rows := names("../../docs/operations.md", `(?m)^\| (Callwatch\w+) \|`)
	if len(alerts) == 0 || !slices.Equal(alerts, rows) {
		t.Errorf("docs/operations.md explains %v, alerts.yaml has %v", rows, alerts)
	}
}

// The unit starts the binary where packages install it.
func TestUnitStartsThePackagedBinary(t *testing.T) {
	t.Parallel()
	unit, err := os.ReadFile("../../deploy/systemd/callwatch.service")
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile("../../.goreleaser.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var release struct {
		NFPMs []struct {
			Bindir  string
			Scripts struct{ Postinstall string }
		} `yaml:"nfpms"`
	}
	if err := yaml.Unmarshal(text, &release); err != nil || len(release.NFPMs) == 0 {
		t.Fatalf("packages: %+v, %v", release, err)
	}
	for _, p := range release.NFPMs {
		m := regexp.MustCompile(`(?m)^ExecStart=(\S+)/callwatch `).FindSubmatch(unit)
		if m == nil || string(m[1]) != p.Bindir {
			t.Errorf("the unit starts %q, packages install into %q", m, p.Bindir)
		}
		if info, err := os.Stat("../../" + p.Scripts.Postinstall); err != nil || info.Mode()&0o111 == 0 {
			t.Errorf("postinstall %q: %v", p.Scripts.Postinstall, err)
		}
	}
}
