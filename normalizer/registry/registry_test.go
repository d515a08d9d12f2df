package registry_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"callwatch/normalizer/casefile"
	"callwatch/normalizer/providertest"
	"callwatch/normalizer/registry"
	"callwatch/normalizer/shipped"
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

// TestFieldPages holds docs/providers.md to the tables of all providers, and to the
// declarations of those that are shipped.
func TestFieldPages(t *testing.T) {
	page := providertest.FieldPages(t, registry.Providers(), folder)
	page = append(page, "\n# Declared providers\n\n"+
		"Written from the declarations in `normalizer/shipped`, whose golden files show what each body becomes. An expression names members of the\n"+
		"body, as [declared.md](declared.md) says. Fields that are missing here are not reported, or not in a form that is known for sure.\n"...)
	for _, d := range shipped.Declarations() {
		page = append(page, d.Reference()...)
	}
	providertest.Compare(t, "../../docs/providers.md", page)
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
