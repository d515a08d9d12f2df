package ruletest

import (
	"testing"
	"time"

	"callwatch/rules"
	"callwatch/rules/rulefmt"
)

var t0 = time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)

func compileSet(t testing.TB, yaml string) *rules.Set {
	t.Helper()
	set, problems := rulefmt.Load("rules.yaml", []byte(yaml))
	if problems.Errors() {
		t.Fatal(problems)
	}
	return set
}
