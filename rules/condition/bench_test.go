package condition

import "testing"

var benchmarks = []struct{ name, src string }{
	{"simple", "packetsLost > 50 || mos < 3.5"},
	{"leaves", "direction == \"outbound\" && durationSec >= 10 && (packetLossPct > 10 || rttMs > 500 || jitterMs > 30)"},
	{"raw", "raw.deep.score > 5 || raw.rtt > 1000"},
	{"intervals", "count(intervals, .mos < 3.5) > 1"},
}

func BenchmarkEval(b *testing.B) {
	e := rich()
	e.MOS, e.PacketsLost = new(4.2), new(int64(3))
	e.Direction, e.DurationSec, e.PacketLossPct, e.RTTMs, e.JitterMs = "outbound", new(60.0), new(1.0), new(20.0), new(3.0)
	e.Raw["deep"] = map[string]any{"score": 3.0}
	facts := load(e)
	for _, c := range benchmarks {
		p := compile(b, c.src)
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				p.Eval(facts)
			}
		})
	}
}

func BenchmarkFactsLoad(b *testing.B) {
	e := rich()
	var f Facts
	b.ReportAllocs()
	for b.Loop() {
		f.Load(&e)
	}
}

func BenchmarkCompile(b *testing.B) {
	for b.Loop() {
		Compile("packetsLost > 50 || mos < 3.5", Env{})
	}
}

func TestEvalAllocatesNothing(t *testing.T) {
	e := rich()
	facts := load(e)
	for _, src := range []string{
		"packetsLost > 50 || mos < 3.5", "not (mos >= 3.5) && status == \"busy\"", "raw.rtt > 100 && raw.word == \"abc\"",
		"raw.word > 1 || raw.absent.x > 1", "rttMs > 500 || rFactor < 50", "any(intervals, .mos < 2)", "sipCode in [408, 503]",
		"from in [\"+1\", \"+2\"]", "endedAt - startedAt > 60", "packetsLost / turnCount > 1", "\"vip\" in tags", "codec matches \"^g\"",
		"(mos ?? 5) < 3.5", "min(mos, jitterMs) < 2", "raw.deep.codes[0] == 404", "lower(provider) == \"telnyx\"",
	} {
		p := compile(t, src)
		if n := testing.AllocsPerRun(100, func() { p.Eval(facts) }); n != 0 {
			t.Errorf("%s allocates %v times", src, n)
		}
	}
	var f Facts
	f.Load(&e)
	if n := testing.AllocsPerRun(100, func() { f.Load(&e) }); n != 0 {
		t.Errorf("Load allocates %v times", n)
	}
}
