package engine

import (
	"testing"
	"time"

	"callwatch/rules/rulefmt"
)

// BenchmarkCheckpoint writes and restores the state of 20,000 calls.
func BenchmarkCheckpoint(b *testing.B) {
	set, problems, err := rulefmt.LoadFile("../../rules.yaml")
	if err != nil || problems.Errors() {
		b.Fatal(err, problems)
	}
	g := New(set, Options{})
	for i := range 20_000 {
		at := t0.Add(time.Duration(i) * time.Millisecond)
		e := typicalEnd(i, at)
		g.Apply(uint64(i+1), at, &e)
	}
	data, err := g.Checkpoint()
	if err != nil {
		b.Fatal(err)
	}
	b.Run("write", func(b *testing.B) {
		for b.Loop() {
			if _, err := g.Checkpoint(); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64(len(data))/20_000, "bytes/call")
	})
	b.Run("restore", func(b *testing.B) {
		for b.Loop() {
			if _, err := Restore(set, Options{}, data); err != nil {
				b.Fatal(err)
			}
		}
	})
}
