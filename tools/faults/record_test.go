package main

import (
	"bytes"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
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

// A mutation that no longer fits the sources would leave nothing out.
func TestMutationsFit(t *testing.T) {
	root, err := filepath.Abs(filepath.Join("..", ".."))
	if err != nil {
		t.Fatal(err)
	}
	for name, patches := range mutations() {
		overlay, err := writeOverlay(root, t.TempDir(), patches)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		cmd := exec.Command("go", "build", "-overlay", overlay, "./stream", "./notifier")
		cmd.Dir = root
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%s does not compile: %v\n%s", name, err, out)
		}
	}
	if _, err := writeOverlay(root, t.TempDir(), []patch{{"stream/node.go", "no such text", ""}}); err == nil {
		t.Error("a patch that fits nowhere is taken")
	}
}

func TestArguments(t *testing.T) {
	for args, want := range map[string]int{
		"-list": 0, "": 2, "nothing": 2, "kill9 bitflip": 2, "kill9 -mutate tea": 2, "kill9 -mutate fsync": 1, "kill9 -cycles x": 2,
	} {
		var out, errs bytes.Buffer
		if got := command(t.Context(), strings.Fields(args), nil, &out, &errs); got != want {
			t.Errorf("faults %s: exit %d, want %d\n%s%s", args, got, want, &out, &errs)
		}
	}
}
