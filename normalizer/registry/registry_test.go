package registry_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"callwatch/normalizer/casefile"
	"callwatch/normalizer/providertest"
	"callwatch/normalizer/registry"
)

// TestProvidersHaveTheSuite: each registered provider has a folder of its name, whose
// test runs the suite, with a table of fields and cases of each kind.
func TestProvidersHaveTheSuite(t *testing.T) {
	for _, p := range registry.Providers() {
		test, err := os.ReadFile(filepath.Join("..", p.Name, "provider_test.go"))
		if err != nil || !strings.Contains(string(test), `providertest.Run(t, Provider(), "testdata")`) {
			t.Errorf("%s: its test does not run the suite: %v", p.Name, err)
		}
		for _, name := range []string{"fields.tsv", "bodies", "pairs/bodies"} {
			if _, err := os.Stat(filepath.Join(folder(p.Name), name)); err != nil {
				t.Error(err)
			}
		}
	}
}

// TestFieldPages holds docs/providers.md to the tables of all providers.
func TestFieldPages(t *testing.T) {
	providertest.Compare(t, "../../docs/providers.md", providertest.FieldPages(t, registry.Providers(), folder))
}

// TestForeignCases: the cases that CALLWATCH_CASES names are of known providers. Each
// provider's suite runs its own.
func TestForeignCases(t *testing.T) {
	for _, dir := range casefile.Folders() {
		for _, w := range casefile.Wants(t, dir) {
			if _, ok := registry.Find(w.Provider); !ok {
				t.Errorf("%s: no provider %q", w.Name, w.Provider)
			}
		}
	}
}
