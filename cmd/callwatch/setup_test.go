package main

import (
	"fmt"
	"strings"
	"testing"

	"callwatch/cmd/callwatch/internal/generated"
	"callwatch/normalizer"
)

// Every provider has a guide, and its settings in it come from the registry.
func TestSetupGuides(t *testing.T) {
	t.Parallel()
	for _, p := range knownProviders() {
		t.Run(p.Name, func(t *testing.T) {
			file := "../../docs/setup/" + p.Name + ".md"
			generated.CheckParts(t, file, "Setup", map[string]string{"settings": settingsReference(p)})
		})
	}
}

// settingsReference is the address to give to a provider and what to set for it.
func settingsReference(p normalizer.Provider) string {
	var b strings.Builder
	fmt.Fprintf(&b, "Address: `https://YOUR-HOST/webhooks/%s`; for senders that cannot sign, `https://YOUR-HOST/webhooks/%s/TOKEN`.\n\n", p.Name, p.Name)
	fmt.Fprintf(&b, "Several accounts at %s: [accounts.md](../accounts.md).\n\n", p.Title)
	if p.SignsURL {
		b.WriteString("Signatures cover the address: set `CALLWATCH_PUBLIC_URL` to `https://YOUR-HOST`.\n\n")
	}
	b.WriteString("| variable | for | |\n| --- | --- | --- |\n")
	for _, s := range p.AllSettings() {
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", p.EnvName(s.Name), s.Use, s.Doc)
	}
	return b.String()
}
