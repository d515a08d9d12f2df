package rulefmt

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// Each file of testdata/refused has mistakes, each of testdata/warned what is
// probably not meant; its golden file is what a person is shown.
func TestRefused(t *testing.T) {
	for folder, refused := range map[string]bool{"refused": true, "warned": false} {
		files, err := filepath.Glob("testdata/" + folder + "/*.yaml")
		if err != nil || len(files) == 0 {
			t.Fatal("no cases", err)
		}
		for _, file := range files {
			src, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			set, problems := Load(filepath.Base(file), src)
			if problems.Errors() != refused || (set == nil) != refused {
				t.Errorf("%s: refused %v, want %v", file, set == nil, refused)
			}
			golden := strings.TrimSuffix(file, ".yaml") + ".golden.txt"
			got := problems.Error() + "\n"
			if *update {
				if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got); diff != "" {
				t.Errorf("%s:\n%s", file, diff)
			}
		}
	}
}

// Each file of testdata/accepted has nothing wrong with it.
func TestAccepted(t *testing.T) {
	files, err := filepath.Glob("testdata/accepted/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatal("no cases", err)
	}
	for _, file := range files {
		set, problems, err := LoadFile(file)
		if err != nil || set == nil || len(set.Rules) == 0 || problems.Errors() {
			t.Errorf("%s: %v %v", file, err, problems)
		}
	}
}

// Ten kinds of mistakes in one file are reported in one run.
func TestTenMistakesAtOnce(t *testing.T) {
	_, problems, err := LoadFile("testdata/refused/ten-mistakes.yaml")
	if err != nil {
		t.Fatal(err)
	}
	lines := map[int]bool{}
	for _, p := range problems {
		lines[p.Line] = true
		if p.Column < 1 || p.Source == "" || p.Code == "" {
			t.Errorf("%+v lacks its place", p)
		}
	}
	if len(lines) < 10 {
		t.Errorf("%d lines with problems, want 10 or more:\n%s", len(lines), problems.Error())
	}
}

func FuzzLoad(f *testing.F) {
	files, _ := filepath.Glob("testdata/refused/*.yaml")
	for _, file := range append(files, "../../rules.yaml") {
		if src, err := os.ReadFile(file); err == nil {
			f.Add(src)
		}
	}
	f.Fuzz(func(t *testing.T, src []byte) {
		set, problems := Load("fuzz.yaml", src)
		if (set == nil) != problems.Errors() {
			t.Fatalf("set %v, problems %v", set, problems)
		}
		for _, p := range problems {
			_ = p.String()
		}
	})
}

// A file that nobody waits for any more is not read to its end.
func TestLoadIsCanceled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	set, problems, err := LoadContext(ctx, "rules.yaml", []byte("rules: [{name: a, when: mos < 3}]"))
	if set != nil || problems != nil || !errors.Is(err, context.Canceled) {
		t.Errorf("%v %v %v", set, problems, err)
	}
	d, root := parseDocument("rules.yaml", []byte("rules: [{name: a, when: mos < 3}, {name: b, when: mos < 3}, {name: c, when: mos < 3}]"))
	n := 0
	d.Stopped = func() bool { n++; return n > 4 }
	l := newLoader(d, "")
	if l.file(root); len(l.set.Rules) == 3 {
		t.Error("all rules were read")
	}
}

// What tests play is bounded in events, and in the deadlines that pass.
func TestCasesAreBounded(t *testing.T) {
	steps := strings.Repeat("{repeat: 10000, call: {mos: 2}}, ", 6)
	_, problems := Load("rules.yaml", []byte("rules: [{name: a, when: mos < 3, tests: [{name: t, given: ["+steps+"], expect: {matched: 1}}]}]"))
	if !problems.Errors() || problems[0].Code != "too-large" || !strings.Contains(problems[0].Message, "60000 events") {
		t.Errorf("%v", problems)
	}
	one := "{name: t%d, given: [" + strings.Repeat("{repeat: 10000, call: {mos: 2}}, ", 5) + "], expect: {matched: 1}}, "
	var all strings.Builder
	for i := range 12 {
		fmt.Fprintf(&all, one, i)
	}
	_, problems = Load("rules.yaml", []byte("rules: [{name: a, when: mos < 3, tests: ["+all.String()+"]}]"))
	if !problems.Errors() || !strings.Contains(problems[0].Message, "500000 events") {
		t.Errorf("%v", problems)
	}
}

// A list that is wider than any rules file needs is refused before the parser sees
// it: its time grows faster than the list.
func TestWideListsAreRefused(t *testing.T) {
	for name, src := range map[string]string{
		"entries without a value":   strings.Repeat("\n- ", 100_000),
		"entries under a key":       "rules:" + strings.Repeat("\n  -", 60_000),
		"entries with comments":     strings.Repeat("- # nothing\n", 60_000),
		"texts":                     "lists:\n  a:\n" + strings.Repeat("  - x\n", 60_000),
		"entries with line feeds":   strings.Repeat("-\r\n", 60_000),
		"mappings":                  "rules:\n" + strings.Repeat("- a: 1\n", 60_000),
		"a list in a list of a few": "rules:\n- " + strings.Repeat("- \n  ", 60_000),
	} {
		set, problems := Load("rules.yaml", []byte(src))
		if set != nil || len(problems) != 1 || problems[0].Code != "too-large" {
			t.Errorf("%s: %.300v", name, problems)
		}
	}
	if _, problems := Load("rules.yaml", []byte("lists:\n  a:\n"+strings.Repeat("  - x\n", 9_999)+"rules: [{name: a, when: mos < 3}]\n")); problems.Errors() {
		t.Errorf("a list of 9,999: %.300v", problems)
	}
}
