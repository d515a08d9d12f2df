package engine

import (
	"fmt"
	"runtime"
	"testing"
	"time"

	"callwatch/call"
	"callwatch/rules/engine/calls"
	"callwatch/rules/engine/past"
)

var windowKeys = []struct {
	name, rule string
	most       float64 // bytes a key
}{
	{"a-week-ago", `when: "rate(mos < 3.5) > 2 * prev(rate(mos < 3.5), 7d)"`, 40 << 10},
	{"rate", "when: rate(mos < 3.5 || packetLossPct > 10) > 0.1", 2300},
	{"prev", "when: avg(mos) < prev(avg(mos)) - 0.3", 3000},
	{"percentile", "when: p95(rttMs) > 1000", 6 << 10},
	{"percentile-prev", "when: p95(rttMs) > 3 * prev(p95(rttMs))", 7 << 10},
}

// keyMemory is what one key of a window rule takes, with two hundred calls in
// its window and different figures in each.
func keyMemory(t testing.TB, rule string) float64 {
	const keys, each = 500, 200
	g := New(compileSet(t, "rules: [{name: w, over: 15m, min_calls: 20, by: [agentId], "+rule+"}]"), Options{EndedFor: time.Millisecond, OpenFor: time.Millisecond})
	// What the engine keeps of the calls themselves is not the window's.
	measure := func() uint64 {
		g.expiry = calls.Expiry{EndedFor: g.opt.EndedFor, OpenFor: g.opt.OpenFor}
		g.st.Calls, g.st.Seen = calls.New(call.Folding{}), past.Events{}
		var m runtime.MemStats
		runtime.GC()
		runtime.GC()
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before, seq := measure(), uint64(0)
	for c := range each {
		for k := range keys {
			seq++
			at := t0.Add(time.Duration(c) * 4 * time.Second)
			e := ended(fmt.Sprint(seq), func(e *call.Event) {
				e.AgentID, e.EndedAt, e.Final = fmt.Sprint("agent-", k), at, true
				e.MOS, e.PacketLossPct, e.RTTMs = new(4.1), new(1.5), new(100+float64((seq*7919)%400))
			})
			g.Apply(seq, at, &e)
		}
		g.expiry = calls.Expiry{EndedFor: g.opt.EndedFor, OpenFor: g.opt.OpenFor}
		g.st.Calls = calls.New(call.Folding{})
	}
	used := measure() - before
	if len(g.st.Keys) != keys {
		t.Fatalf("%d keys, want %d", len(g.st.Keys), keys)
	}
	runtime.KeepAlive(g)
	return float64(used) / keys
}

func TestWindowKeyMemory(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	plain(t)
	for _, c := range windowKeys {
		if got := keyMemory(t, c.rule); got > c.most {
			t.Errorf("%s: %.0f bytes a key, want at most %.0f", c.name, got, c.most)
		}
	}
}

func BenchmarkWindowKeyMemory(b *testing.B) {
	for _, c := range windowKeys {
		b.Run(c.name, func(b *testing.B) {
			var bytes float64
			for b.Loop() {
				bytes = keyMemory(b, c.rule)
			}
			b.ReportMetric(bytes, "bytes/key")
		})
	}
}
