package firstrules

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"callwatch/rules/rulefmt"
	"callwatch/rules/ruletest"
)

// Whatever is chosen, the file has no problem, its tests pass, and an existing file stays.
func TestFirstRules(t *testing.T) {
	t.Parallel()
	for _, c := range []Choices{
		{},
		{Channel: "#voice-quality"},
		{Providers: []string{"acme"}},
		{Providers: []string{"acme", "other"}, Channel: "C0123456789"},
	} {
		file := filepath.Join(t.TempDir(), "rules.yaml")
		if err := c.Write(file); err != nil {
			t.Fatal(err)
		}
		suite, problems, err := rulefmt.LoadSuite(file)
		if err != nil || len(problems) > 0 {
			t.Errorf("%+v: %v\n%v", c, err, problems)
			continue
		}
		runner := ruletest.Runner{Set: suite.Set}
		for i := range suite.Cases {
			if result := runner.Run(&suite.Cases[i]); !result.Passed {
				t.Errorf("%+v: %+v", c, result)
			}
		}
		if len(suite.Cases) < 4 {
			t.Errorf("%d tests", len(suite.Cases))
		}
		if err := (Choices{}).Write(file); err == nil || !strings.Contains(err.Error(), "exists and is left as it is") {
			t.Error(err)
		}
		before, _ := c.Text()
		if now, err := os.ReadFile(file); err != nil || string(now) != string(before) {
			t.Errorf("the file was changed: %v", err)
		}
	}
	for _, channel := range []string{"#it's", "#a\"{{.By}}: [x", "voice\nrules: []"} {
		file := filepath.Join(t.TempDir(), "rules.yaml")
		if err := (Choices{Channel: channel}).Write(file); err == nil || !strings.Contains(err.Error(), "is not a Slack channel") {
			t.Errorf("%q: %v", channel, err)
		}
		if _, err := os.Stat(file); err == nil {
			t.Errorf("%q: there is a file", channel)
		}
	}
}
