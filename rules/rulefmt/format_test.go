package rulefmt

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func TestFormat(t *testing.T) {
	src, err := os.ReadFile("testdata/format/mixed.yaml")
	if err != nil {
		t.Fatal(err)
	}
	got, problems := Format("mixed.yaml", src)
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	const golden = "testdata/format/mixed.golden.yaml"
	if *update {
		if err := os.WriteFile(golden, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Error(diff)
	}
}

// Each key of the loader has its place in the order.
func TestFormatKnowsEveryKey(t *testing.T) {
	taken := Keys()
	for what, key := range map[string]string{
		"a rules file": "", "a rule": "rules", "defaults": "defaults", "severity": "severity", "a route": "routes",
		"a test": "tests", "a step of given": "given", "expect": "expect",
	} {
		for _, k := range taken[what] {
			if !slices.Contains(keyOrder(key), k) {
				t.Errorf("%s: the key %s has no place", what, k)
			}
		}
	}
}

func TestShippedRulesAreFormatted(t *testing.T) {
	for _, file := range []string{"../../rules.yaml"} {
		src, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		got, problems := Format(file, src)
		if len(problems) > 0 {
			t.Fatal(problems)
		}
		if diff := cmp.Diff(string(src), string(got)); diff != "" {
			t.Errorf("callwatch rules fmt -w rules.yaml\n%s", diff)
		}
	}
}

func TestFormatRefuses(t *testing.T) {
	for _, src := range []string{"rules: [", "", "rules:\n  - name: one\n    when: !answered\n"} {
		if got, problems := Format("bad.yaml", []byte(src)); !problems.Errors() || got != nil {
			t.Errorf("%q gives %q, %v", src, got, problems)
		}
	}
}

// Whatever the order of the keys was, the meaning and every comment are kept,
// and a second time changes nothing.
func TestFormatKeepsEverything(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		src := randomFile(t)
		got, problems := Format("random.yaml", []byte(src))
		if problems.Errors() {
			t.Fatalf("%v\n%s", problems, src)
		}
		var before, after any
		if err := errors.Join(yaml.Unmarshal([]byte(src), &before), yaml.Unmarshal(got, &after)); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(before, after); diff != "" {
			t.Fatalf("another meaning: %s\n%s\n%s", diff, src, got)
		}
		if diff := cmp.Diff(comments(src), comments(string(got))); diff != "" {
			t.Fatalf("comments: %s\n%s\n%s", diff, src, got)
		}
		again, _ := Format("random.yaml", got)
		if diff := cmp.Diff(string(got), string(again)); diff != "" {
			t.Fatalf("the second time: %s\n%s", diff, src)
		}
	})
}

func comments(src string) []string {
	var out []string
	for _, line := range strings.Split(src, "\n") {
		if i := strings.Index(line, "# "); i >= 0 {
			out = append(out, line[i:])
		}
	}
	slices.Sort(out)
	return out
}

func randomFile(t *rapid.T) string {
	var b strings.Builder
	n := 0
	note := func(indent string) {
		if rapid.IntRange(0, 3).Draw(t, "note") == 0 {
			n++
			b.WriteString(indent + "# note " + strings.Repeat("i", n) + "\n")
		}
		if rapid.IntRange(0, 5).Draw(t, "gap") == 0 {
			b.WriteString("\n")
		}
	}
	entries := []string{
		"name: x", "when: mos < 3", "by: [provider]", "summary: |\n      two\n\n      lines # not a note", "show:\n      - mos\n      - codec",
		"severity:\n      warning: mos < 3\n      # deeper\n      critical: mos < 2", "labels: {a: b}", "for: 5m   # beside", "show_: >\n      folded\n      text",
	}
	part := func(name string) {
		note("")
		b.WriteString(name + ":\n")
		for range rapid.IntRange(1, 3).Draw(t, "rules") {
			note("  ")
			keys := rapid.Permutation(entries).Draw(t, "keys")[:rapid.IntRange(1, len(entries)).Draw(t, "n")]
			for i, e := range keys {
				if i == 0 {
					b.WriteString("  - " + e + "\n")
					continue
				}
				note("    ")
				b.WriteString("    " + e + "\n")
			}
		}
	}
	for _, name := range rapid.Permutation([]string{"rules", "routes"}).Draw(t, "parts") {
		part(name)
	}
	note("")
	return b.String()
}

func TestFormatKeepsCorpus(t *testing.T) {
	files, err := filepath.Glob("testdata/*/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatal("no cases", err)
	}
	for _, file := range files {
		src, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		got, problems := Format(file, src)
		if problems.Errors() {
			continue
		}
		if diff := cmp.Diff(comments(string(src)), comments(string(got))); diff != "" {
			t.Errorf("%s: %s", file, diff)
		}
	}
}

func FuzzFormat(f *testing.F) {
	files, _ := filepath.Glob("testdata/*/*.yaml")
	for _, file := range append(files, "../../rules.yaml") {
		if src, err := os.ReadFile(file); err == nil {
			f.Add(src)
		}
	}
	f.Fuzz(func(t *testing.T, src []byte) {
		got, problems := Format("fuzz.yaml", src)
		if (got == nil) != problems.Errors() {
			t.Fatalf("%q, %v", got, problems)
		}
	})
}
