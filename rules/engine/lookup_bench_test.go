package engine

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"callwatch/call"
	"callwatch/rules/rulefmt"
)

// BenchmarkLookups is the cost of one event for a thousand rules about calls: without
// lookups, and with a tenth of them that look up the carrier among 50,000 prefixes or the
// customer among 100,000 numbers.
func BenchmarkLookups(b *testing.B) {
	dir := b.TempDir()
	prefixes, numbers := "prefix,carrier\n", "number,customer\n"
	for i := range 50_000 {
		prefixes += fmt.Sprintf("%d,c%d\n", 100_000+i, i%50)
	}
	var all strings.Builder
	for i := range 100_000 {
		fmt.Fprintf(&all, "%d,k%d\n", 15_550_000_000+i, i%500)
	}
	for name, text := range map[string]string{"prefixes.csv": prefixes, "numbers.csv": numbers + all.String()} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			b.Fatal(err)
		}
	}
	for _, share := range []int{0, 10} {
		b.Run(fmt.Sprintf("%d%%", share), func(b *testing.B) {
			yaml := "lookup:\n  carrier: {file: prefixes.csv, of: to, match: prefix}\n  customer: {file: numbers.csv, of: from}\nrules:\n"
			for i := range 1000 {
				where := ""
				if i%100 < share {
					where = []string{`, where: carrier == "c7"`, `, where: customer != "k9"`}[i%2]
				}
				yaml += fmt.Sprintf("  - {name: r%d%s, when: packetsLost > %d || mos < 1.%d}\n", i, where, 5000+i, 1+i%8)
			}
			set, problems := rulefmt.Load(filepath.Join(dir, "rules.yaml"), []byte(yaml))
			if problems.Errors() {
				b.Fatal(problems)
			}
			g, seq := New(set, Options{}), uint64(0)
			b.ReportAllocs()
			for b.Loop() {
				seq++
				e := ended("one", func(e *call.Event) {
					mos(4.2)(e)
					lost(int64(seq % 100))(e)
					e.ID, e.To, e.From = fmt.Sprint(seq), "+100777555123", fmt.Sprint("+", 15_550_000_000+seq%100_000)
				})
				g.Apply(seq, t0, &e)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/1000, "ns/rule")
		})
	}
}
