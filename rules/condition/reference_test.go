package condition

import (
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// docs/rules.md has every function that conditions can call, and no other.
func TestReferenceHasEveryFunction(t *testing.T) {
	page, err := os.ReadFile("../../docs/rules.md")
	if err != nil {
		t.Fatal(err)
	}
	single := slices.Collect(maps.Keys(functions()))
	for part, want := range map[string][]string{
		"functions":        append(single, "date"),
		"window functions": append(windowFunctions(), "count", "min", "max"),
	} {
		_, table, _ := strings.Cut(string(page), "<!-- "+part+" -->")
		table, _, closed := strings.Cut(table, "<!-- /"+part+" -->")
		if !closed {
			t.Fatalf("docs/rules.md has no part %q", part)
		}
		var got []string
		for line := range strings.Lines(table) {
			cells := strings.Split(line, "|")
			if len(cells) < 3 {
				continue
			}
			for _, m := range regexp.MustCompile("`([a-z0-9A-Z]+)[(`]").FindAllStringSubmatch(cells[1], -1) {
				got = append(got, m[1])
			}
		}
		slices.Sort(got)
		slices.Sort(want)
		if !slices.Equal(got, want) {
			t.Errorf("%s of docs/rules.md: %v, want %v", part, got, want)
		}
	}
}
