package backtest

import "testing"

// BenchmarkLimit parses one condition of --fail-if and asks a report.
func BenchmarkLimit(b *testing.B) {
	report := &Report{Rules: []RuleReport{{Name: "low-mos", Messages: 30}}}
	for b.Loop() {
		l, err := ParseLimit("messages > 20 || low-mos.incidents > 5")
		if err != nil {
			b.Fatal(err)
		}
		l.Exceeded(report)
	}
}
