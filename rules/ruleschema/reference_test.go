package ruleschema

import (
	"maps"
	"os"
	"regexp"
	"slices"
	"testing"
)

const referencePage = "../../docs/rules.md"

// docs/rules.md names every key that a rules file may have.
func TestReferenceHasEveryKey(t *testing.T) {
	page, err := os.ReadFile(referencePage)
	if err != nil {
		t.Fatal(err)
	}
	for mapping, keys := range schemaKeys() {
		for _, key := range slices.Sorted(maps.Keys(keys)) {
			if !regexp.MustCompile("`[^`\n]*\\b" + key + "\\b").Match(page) {
				t.Errorf("key %s of %s is not in docs/rules.md", key, mapping)
			}
		}
	}
}
