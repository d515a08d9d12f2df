package main

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"callwatch/tools/faults/rig"
	"callwatch/tools/faults/variants"
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

// Every mutation is for rows that there are, and every row has one.
func TestMutationsOfRows(t *testing.T) {
	for _, m := range variants.Mutants() {
		for _, name := range m.Rows {
			if !slices.ContainsFunc(scorecard(), func(r rig.Row) bool { return r.Name == name }) {
				t.Errorf("mutation %s is for row %s, which does not exist", m.Name, name)
			}
		}
	}
	for _, r := range scorecard() {
		if len(variants.Of(r.Name)) == 0 {
			t.Errorf("no mutation turns row %s red", r.Name)
		}
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
