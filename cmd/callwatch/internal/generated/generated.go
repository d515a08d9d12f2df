// Package generated is for tests of files that are generated: reference tables, the
// schema and the example of callwatch.yaml.
package generated

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"callwatch/normalizer/providertest"
)

// Check compares a file with what it is generated from, or writes it under -update.
// test is what to run to have it written.
func Check(t *testing.T, file, test string, got []byte) {
	t.Helper()
	if *providertest.Update {
		if err := os.WriteFile(file, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s is not as generated; run go test ./cmd/callwatch/... -run %s -update\n%s", file, test, diff)
	}
}

// CheckParts does what Check does for the parts of a document between
// <!-- name --> and <!-- /name -->.
func CheckParts(t *testing.T, file, test string, parts map[string]string) {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	got := string(b)
	for part, content := range parts {
		if got, err = replacePart(got, part, content); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
	}
	Check(t, file, test, []byte(got))
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
