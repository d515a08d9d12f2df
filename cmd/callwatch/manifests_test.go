package main

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"

	"callwatch/cmd/callwatch/internal/config"
	"callwatch/rules/rulefmt"
)

// documents are the parts of a YAML file.
func documents(t *testing.T, path string) []map[string]any {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var all []map[string]any
	for d := yaml.NewDecoder(bytes.NewReader(b)); ; {
		var one map[string]any
		err := d.Decode(&one)
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatalf("%s: %s", path, yaml.FormatError(err, false, true))
		}
		all = append(all, one)
	}
}

func manifestFiles(t *testing.T) []string {
	t.Helper()
	var files []string
	for _, pattern := range []string{"../../deploy/compose.yaml", "../../deploy/cluster/*.yaml", "../../deploy/kubernetes/*.yaml"} {
		found, err := filepath.Glob(pattern)
		if err != nil || len(found) == 0 {
			t.Fatalf("%s: %v, %v", pattern, found, err)
		}
		files = append(files, found...)
	}
	return files
}

// unknownVariables are the names in a text that callwatch does not read.
func unknownVariables(text string, known map[string]bool) []string {
	var unknown []string
	for _, name := range regexp.MustCompile(`\bCALLWATCH_[A-Z_]+[A-Z]\b`).FindAllString(text, -1) {
		if !known[name] && !known[strings.TrimSuffix(name, "_FILE")] && !slices.Contains(unknown, name) {
			unknown = append(unknown, name)
		}
	}
	return unknown
}

func TestManifestsNameSettingsThatExist(t *testing.T) {
	t.Parallel()
	known := config.Variables(knownProviders(), knownSimulators().Settings)
	for _, file := range append(manifestFiles(t), "../../docs/cluster.md") {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		// The password of callwatch at NATS is a variable of the NATS servers.
		text := strings.ReplaceAll(string(b), "CALLWATCH_PASSWORD", "")
		text = strings.NewReplacer("CALLWATCH_EVENTS", "", "CALLWATCH_ALERTS", "").Replace(text) // streams
		if unknown := unknownVariables(text, known); len(unknown) > 0 {
			t.Errorf("%s names %v", file, unknown)
		}
	}
	if got := unknownVariables("CALLWATCH_NATS_UR: x, CALLWATCH_NATS_URL: y", known); !slices.Equal(got, []string{"CALLWATCH_NATS_UR"}) {
		t.Errorf("a mistake is not found: %v", got)
	}
}

func TestManifestsAreYAML(t *testing.T) {
	t.Parallel()
	for _, file := range manifestFiles(t) {
		for i, doc := range documents(t, file) {
			kubernetes := strings.Contains(file, "kubernetes")
			_, services := doc["services"]
			if kubernetes && (doc["kind"] == nil || doc["apiVersion"] == nil) || !kubernetes && !services {
				t.Errorf("%s, part %d: neither an object of Kubernetes nor a compose file", file, i+1)
			}
		}
	}
}

// Probes, and the rules that Kubernetes would mount, are ones that work.
func TestManifestsOfKubernetes(t *testing.T) {
	t.Parallel()
	for _, file := range []string{"single.yaml", "replicas.yaml"} {
		b, err := os.ReadFile("../../deploy/kubernetes/" + file)
		if err != nil {
			t.Fatal(err)
		}
		for _, part := range []string{"livenessProbe: {httpGet: {path: /livez,", "readinessProbe: {httpGet: {path: /readyz,", "runAsNonRoot: true"} {
			if !strings.Contains(string(b), part) {
				t.Errorf("%s lacks %q", file, part)
			}
		}
	}
	mounted := 0
	for _, doc := range documents(t, "../../deploy/kubernetes/config.yaml") {
		data, _ := doc["data"].(map[string]any)
		src, ok := data["rules.yaml"].(string)
		if !ok {
			continue
		}
		mounted++
		if _, problems := rulefmt.Load("rules.yaml", []byte(src)); len(problems) > 0 {
			t.Errorf("rules: %v", problems)
		}
	}
	if mounted != 1 {
		t.Errorf("%d rules files", mounted)
	}
}
