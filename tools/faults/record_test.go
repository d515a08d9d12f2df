package main

import (
	"bytes"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the scorecard into docs/reliability.md")

// The published scorecard is what was recorded, no more and no less:
// go run ./tools/faults ROW -record docs/reliability.tsv, then this test with -update.
func TestPublishedScorecard(t *testing.T) {
	document, tsv := filepath.Join("..", "..", "docs", "reliability.md"), filepath.Join("..", "..", "docs", "reliability.tsv")
	recorded, err := os.ReadFile(tsv)
	if err != nil {
		t.Fatal(err)
	}
	all, err := results(string(recorded))
	if err != nil {
		t.Fatal(err)
	}
	had, err := os.ReadFile(document)
	if err != nil {
		t.Fatal(err)
	}
	want, err := published(string(had), table(all))
	if err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile(document, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(want, string(had)); diff != "" {
		t.Errorf("run with -update:\n%s", diff)
	}
}

// A mutation that does not find its place, or does not compile, proves nothing.
func TestMutationsApply(t *testing.T) {
	root, err := filepath.Abs(filepath.Join("..", ".."))
	if err != nil {
		t.Fatal(err)
	}
	o := &overlay{map[string]string{}}
	if err := o.addMutations(root, mutants()); err != nil {
		t.Fatal(err)
	}
	list, err := o.write(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("go", "build", "-o", os.DevNull, "-overlay", list, "./cmd/callwatch")
	cmd.Dir = root
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("the mutated product does not compile: %v\n%s", err, out)
	}
	for _, m := range mutants() {
		for _, name := range m.rows {
			if !slices.ContainsFunc(scorecard(), func(r row) bool { return r.name == name }) {
				t.Errorf("mutation %s is for row %s, which does not exist", m.name, name)
			}
		}
	}
	for _, r := range scorecard() {
		if len(mutationsOf(r)) == 0 {
			t.Errorf("no mutation turns row %s red", r.name)
		}
	}
}

func TestEditsFindTheirPlace(t *testing.T) {
	file := filepath.Join(t.TempDir(), "x.go")
	text := `package x

type box struct{ on bool }

func (b *box) put(n int) (err error) {
	if n > 0 && b.ready(n) {
		return nil
	}
	at, err := find(n, limit(3))
	_ = at
	return err
}

func put(n int) error { return open(box{on: n > 0}) }
`
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := parseFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		edit edit
		want string // in the changed function; "" for an error
	}{
		"condition":             {edit{"box.put", never(asks("ready"))}, "if false && (n > 0 && b.ready(n)) {"},
		"argument":              {edit{"x.box.put", withoutArgument("limit")}, "find(n)\n"},
		"result":                {edit{"put", withResult("find", 0, "7")}, "limit(3))\nat = 7\n"},
		"before":                {edit{"put", before("find", "_, _ = CALL")}, "_, _ = find(n, limit(3))\nat, err"},
		"field":                 {edit{"x.put", unset("on")}, "on: false && (n > 0)}"},
		"start":                 {edit{"x.put", atStart("panic(1)")}, "{\npanic(1)\n"},
		"expression":            {edit{"x.put", inPlaceOf("n > 0", "true")}, "on: true}"},
		"two functions":         {edit{"put", atStart("panic(1)")}, ""},
		"no such function":      {edit{"take", atStart("panic(1)")}, ""},
		"no such call":          {edit{"put", never(asks("steady"))}, ""},
		"another package":       {edit{"y.put", unset("on")}, ""},
		"one of two is missing": {edit{"box.put", all(never(asks("ready")), withoutArgument("bound"))}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			fn, splices, err := c.edit.find([]*sourceFile{f})
			switch {
			case c.want == "" && err == nil:
				t.Error("it is applied")
			case c.want != "" && err != nil:
				t.Error(err)
			case c.want != "":
				if got := f.spliced(fn.decl.Pos(), fn.decl.End(), splices); !strings.Contains(got, c.want) {
					t.Errorf("got\n%s\nwant in it\n%s", got, c.want)
				}
			}
		})
	}
}

func TestArguments(t *testing.T) {
	for args, want := range map[string]int{
		"-list": 0, "": 2, "nothing": 2, "kill9 bitflip": 2, "kill9 -mutate tea": 2, "kill9 -mutate fsync": 2, "kill9 -cycles x": 2,
	} {
		var out, errs bytes.Buffer
		if got := command(t.Context(), strings.Fields(args), nil, &out, &errs); got != want {
			t.Errorf("faults %s: exit %d, want %d\n%s%s", args, got, want, &out, &errs)
		}
	}
}
