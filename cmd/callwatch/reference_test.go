package main

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"callwatch/call"
	"callwatch/normalizer"
	"callwatch/normalizer/providertest"
	"callwatch/normalizer/registry"
)

var update = providertest.Update

// The tables of docs/ come from the field table, the settings and the provider registry.
func TestReferenceTables(t *testing.T) {
	t.Parallel()
	for file, parts := range map[string]map[string]string{
		"fields.md":        {"fields": fieldReference()},
		"configuration.md": {"settings": settingReference(), "providers": providerReference()},
	} {
		file = "../../docs/" + file
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		got := string(b)
		for part, table := range parts {
			if got, err = replacePart(got, part, table); err != nil {
				t.Fatalf("%s: %v", file, err)
			}
		}
		isGenerated(t, file, "Reference", []byte(got))
	}
}

func replacePart(doc, part, content string) (string, error) {
	open, end := "<!-- "+part+" -->\n", "<!-- /"+part+" -->"
	before, rest, ok := strings.Cut(doc, open)
	_, after, closed := strings.Cut(rest, end)
	if !ok || !closed {
		return "", fmt.Errorf("no part %q", part)
	}
	return before + open + content + end + after, nil
}

func fieldReference() string {
	var b strings.Builder
	b.WriteString("| field | type | unit | | reported by |\n| --- | --- | --- | --- | --- |\n")
	for _, f := range call.Fields() {
		doc := f.Doc
		if len(f.Enum) > 0 {
			doc += ": " + strings.Join(f.Enum, ", ")
		}
		var by []string
		for _, p := range registry.Providers() {
			if slices.Contains(p.Supplies, f.Name) {
				by = append(by, p.Name)
			}
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s | %s |\n", f.Name, f.Type, f.Unit, doc, strings.Join(by, ", "))
	}
	return b.String()
}

func providerReference() string {
	var b strings.Builder
	b.WriteString("| variable | for | |\n| --- | --- | --- |\n")
	for _, p := range registry.Providers() {
		for _, s := range p.Settings {
			fmt.Fprintf(&b, "| `%s` | %s | %s |\n", p.EnvName(s.Name), s.Use, s.Doc)
		}
	}
	common := normalizer.Provider{}.AllSettings()
	for _, s := range common {
		fmt.Fprintf(&b, "| `CALLWATCH_<PROVIDER>_%s` | %s | %s |\n", s.Name, s.Use, s.Doc)
	}
	return b.String()
}
