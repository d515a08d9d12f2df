package rules_test

import "testing"

func TestReadsRaw(t *testing.T) {
	for rule, want := range map[string]bool{
		`when: "r\u0061w.x == 1"`:                               true,
		"when: raw.x == 1":                                      true,
		`when: '"quality" in raw'`:                              true,
		"when: mos < 3\n    where: raw.x == 1":                  true,
		"when: mos < 3\n    except: {a: raw.x == 1}":            true,
		"over: 15m\n    when: count(raw.x == 1) > 1":            true,
		"over: 15m\n    where: raw.x == 1\n    when: calls > 1": true,
		"when: mos < 3\n    severity: {critical: raw.x == 1}":   true,
		`when: codec == "raw"`:                                  false,
	} {
		if got := compileSet(t, "rules:\n  - name: raw\n    "+rule+"\n").ReadsRaw(); got != want {
			t.Errorf("%s: %v", rule, got)
		}
	}
}
