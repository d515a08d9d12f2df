package rulefmt

import (
	"testing"

	"callwatch/rules"
)

func compileSet(t testing.TB, yaml string) *rules.Set {
	t.Helper()
	set, problems := Load("rules.yaml", []byte(yaml))
	if problems.Errors() {
		t.Fatal(problems)
	}
	return set
}
