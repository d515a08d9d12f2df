package rulefmt

import "testing"

func TestShippedRules(t *testing.T) {
	set, problems, err := LoadFile("../../rules.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Error(p)
	}
	if set == nil || len(set.Rules) < 16 {
		t.Fatalf("set %+v", set)
	}
}
