package rules_test

import (
	"testing"
	"time"

	"callwatch/rules"
	"callwatch/rules/rulefmt"
)

var t0 = time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)

// slack makes the time a guard against hangs, on busy machines and under the race
// detector too; what is bounded exactly is the memory.
const slack = 30

func compileSet(t testing.TB, yaml string) *rules.Set {
	t.Helper()
	set, problems := rulefmt.Load("rules.yaml", []byte(yaml))
	if problems.Errors() {
		t.Fatal(problems)
	}
	return set
}
