package rulefmt

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// Files beside the rules are read from their folder and below, and nothing of them is
// quoted.
func TestCompanions(t *testing.T) {
	outer := t.TempDir()
	dir := filepath.Join(outer, "rules")
	write := func(name, text string) {
		t.Helper()
		path := filepath.Join(outer, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	const day = "BEGIN:VEVENT\nDTSTART:20261225\nEND:VEVENT\n"
	write("rules/days.ics", day)
	write("rules/more/days.ics", day)
	write("outside.ics", day)
	write("rules/secret.yaml", "secret-word")
	write("rules/broken.ics", "secret-word\nBEGIN:VEVENT\nDTSTART:secret-word\nEND:VEVENT\n")
	if err := os.Symlink("../outside.ics", filepath.Join(dir, "link.ics")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("days.ics", filepath.Join(dir, "inner.ics")); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(dir, "folder.ics"), 0o755); err != nil {
		t.Fatal(err)
	}
	digests := map[string]bool{}
	for name, taken := range map[string]bool{
		"days.ics": true, "more/days.ics": true, "inner.ics": true, "./days.ics": true,
		"../outside.ics": false, "link.ics": false, "none.ics": false, "secret.yaml": false, "broken.ics": false, "folder.ics": false,
		filepath.Join(outer, "outside.ics"): false, "more/../../outside.ics": false,
	} {
		set, problems := Load(filepath.Join(dir, "rules.yaml"), []byte("rules: [{name: a, when: mos < 3, active: {holidays: "+name+"}}]"))
		if problems.Errors() == taken {
			t.Errorf("%s: taken %v: %v", name, !taken, problems)
		}
		if strings.Contains(problems.Error(), "secret-word") {
			t.Errorf("%s: the file is quoted: %v", name, problems)
		}
		if taken && !slices.Equal(set.Files, []string{filepath.Join(dir, name)}) {
			t.Errorf("%s: files %q", name, set.Files)
		}
		if set != nil {
			digests[set.Digest] = true
		}
	}
	before := len(digests)
	write("rules/days.ics", day+"BEGIN:VEVENT\nDTSTART:20261226\nEND:VEVENT\n")
	set, _ := Load(filepath.Join(dir, "rules.yaml"), []byte("rules: [{name: a, when: mos < 3, active: {holidays: days.ics}}]"))
	if digests[set.Digest] = true; len(digests) != before+1 {
		t.Error("another calendar has the same digest")
	}
}
