package ruletest

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"callwatch/rules"
	"callwatch/rules/rulefmt"
)

// The examples of docs/rules.md have no problems, and their tests pass.
func TestReferenceExamples(t *testing.T) {
	page, err := os.ReadFile("../../docs/rules.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks := regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllStringSubmatch(string(page), -1)
	cases, found := 0, 0
	for i, b := range blocks {
		file := filepath.Join(t.TempDir(), fmt.Sprintf("example-%d.yaml", i))
		if err := os.WriteFile(file, []byte(b[1]), 0o600); err != nil {
			t.Fatal(err)
		}
		suite, problems, err := rulefmt.LoadSuite(file)
		if err != nil || len(problems) > 0 {
			t.Errorf("%s\n%v %v", b[1], err, problems)
			continue
		}
		found += len(suite.Set.Rules)
		runner := Runner{Set: suite.Set}
		for j := range suite.Cases {
			cases++
			if r := runner.Run(&suite.Cases[j]); !r.Passed {
				t.Errorf("%s: %s: %+v", r.Rule, r.Name, r)
			}
		}
	}
	if found < 25 || cases < 25 || !strings.Contains(string(page), "## Cookbook") {
		t.Errorf("%d rules and %d tests in the examples, want 25 and more", found, cases)
	}
}

// The files of docs/examples have no problems, each has a test that fires and one that
// does not, and all of them pass.
func TestExampleFiles(t *testing.T) {
	files, err := filepath.Glob("../../docs/examples/*.yaml")
	if err != nil || len(files) < 7 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		suite, problems, err := rulefmt.LoadSuite(file)
		if err != nil || len(problems) > 0 {
			t.Errorf("%s: %v %v", file, err, problems)
			continue
		}
		runner, firing := Runner{Set: suite.Set}, 0
		for i := range suite.Cases {
			c := &suite.Cases[i]
			if c.Expect.State == rules.CaseFiring {
				firing++
			}
			if r := runner.Run(c); !r.Passed {
				t.Errorf("%s: %s: %+v", file, r.Name, r.Failed)
			}
		}
		if firing == 0 || firing == len(suite.Cases) {
			t.Errorf("%s: %d of %d tests fire", file, firing, len(suite.Cases))
		}
	}
}
