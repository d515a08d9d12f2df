package main

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"callwatch/call"
	"callwatch/cmd/callwatch/internal/generated"
	"callwatch/normalizer"
	"callwatch/normalizer/declared"
	"callwatch/normalizer/declared/expression"
)

// The tables of docs/ come from the field table and the provider registry.
func TestReferenceTables(t *testing.T) {
	t.Parallel()
	generated.CheckParts(t, "../../docs/fields.md", "Reference", map[string]string{"fields": fieldReference()})
	generated.CheckParts(t, "../../docs/declared.md", "Reference", map[string]string{"functions": expression.Reference()})
	schema, err := declared.Schema()
	if err != nil {
		t.Fatal(err)
	}
	generated.Check(t, "../../providers.schema.json", "Reference", schema)
	generated.CheckParts(t, "../../docs/configuration.md", "Reference", map[string]string{"providers": providerReference()})
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
		for _, p := range knownProviders() {
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
	for _, p := range knownProviders() {
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
