package rules

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"callwatch/call"
)

// keptMemory is what a call takes that has ended and is kept, with everything
// that stands beside it.
func keptMemory(t testing.TB, calls int) float64 {
	set, problems, err := LoadFile("../rules.yaml")
	if err != nil || problems.Errors() {
		t.Fatal(err, problems)
	}
	g := NewEngine(set, Options{})
	measure := func() uint64 {
		seen := g.st.Seen
		g.st.Seen = memory{} // it is bounded by itself
		var m runtime.MemStats
		runtime.GC()
		runtime.GC()
		runtime.ReadMemStats(&m)
		g.st.Seen = seen
		return m.HeapAlloc
	}
	var before uint64
	for i := range calls + 2*looseCalls {
		if i == 2*looseCalls {
			before = measure()
		}
		at := t0.Add(time.Duration(i) * time.Millisecond)
		e := typicalEnd(i, at)
		g.Apply(uint64(i+1), at, &e)
	}
	used := measure() - before
	runtime.KeepAlive(g)
	return float64(used) / float64(calls)
}

// typicalEnd is the end of a call with what a provider tells of it.
func typicalEnd(i int, at time.Time) call.Event {
	return ended(fmt.Sprintf("7c2f1a90-93d4-4e0b-a1c5-%012d", i), func(e *call.Event) {
		e.ID = "acme:" + e.CallID + ":ended"
		e.OccurredAt, e.ReceivedAt, e.EndedAt, e.Final = at.Add(-time.Second), at, at.Add(-time.Second), true
		e.Direction, e.Status, e.Answered = call.Outbound, call.Completed, new(true)
		e.From, e.To = "+14155550123", fmt.Sprintf("+44207946%04d", i%10_000)
		e.DurationSec, e.PacketsReceived, e.PacketsLost = new(float64(i%600)), new(int64(5000+i%1000)), new(int64(i%7))
		e.JitterMs, e.RTTMs, e.SIPCode, e.Codec = new(float64(i%90)/7), new(float64(40+i%50)), new(int64(200)), "opus"
		e.MOS, e.MOSSource = new(4+float64(i%97)/200), call.FromProvider
		e.Raw = map[string]any{"CallSid": e.CallID, "To": e.To, "ApiVersion": "2010-04-01", "Url": "https://recordings.example/" + strings.Repeat("r", 300)}
	})
}

func TestKeptCallMemory(t *testing.T) {
	if got := keptMemory(t, 20_000); got > 400 {
		t.Errorf("%.0f bytes a call, want at most 400", got)
	}
}

func BenchmarkKeptCallMemory(b *testing.B) {
	var bytes float64
	for b.Loop() {
		bytes = keptMemory(b, 100_000)
	}
	b.ReportMetric(bytes, "bytes/call")
}

// A call looked at from outside stays where it is, packed or not.
func TestLookingKeepsCallsPacked(t *testing.T) {
	g := NewEngine(compileSet(t, "rules:\n  - {name: low, when: mos < 2}\n"), Options{})
	g.st.Calls.limit = 2
	for i := range 10 {
		at := t0.Add(time.Duration(i) * time.Second)
		e := typicalEnd(i, at)
		g.Apply(uint64(i+1), at, &e)
	}
	packed, loose := g.st.Calls.packed.len(), g.st.Calls.count
	if packed < 5 || packed+loose != 10 {
		t.Fatalf("%d packed, %d loose", packed, loose)
	}
	for i := range 10 {
		e := typicalEnd(i, t0)
		if c, ok := g.Call(e.Key()); !ok || c.To != e.To || c.Raw["To"] != e.To {
			t.Errorf("call %d: %v, to %q", i, ok, c.To)
		}
	}
	if g.st.Calls.packed.len() != packed || g.st.Calls.count != loose {
		t.Errorf("%d packed, %d loose after looking, %d and %d before", g.st.Calls.packed.len(), g.st.Calls.count, packed, loose)
	}
}

// A call that is unpacked to be counted and did not change is packed as it was.
func TestPackedAgain(t *testing.T) {
	g := NewEngine(compileSet(t, "rules:\n  - {name: low, when: mos < 2}\n"), Options{})
	k := g.st.Calls
	k.limit = 0
	e := typicalEnd(1, t0)
	g.Apply(1, t0, &e)
	g.Tick(2, t0)
	before := string(k.packed.get(k.hash(e.Key())))
	cs := k.find(e.Key())
	if before == "" || cs == nil || cs.packed == nil {
		t.Fatal("the call is not packed, or not unpacked")
	}
	k.tidy()
	if again := string(k.packed.get(k.hash(e.Key()))); again != before {
		t.Errorf("packed again as %d bytes, not the %d as before", len(again), len(before))
	}
	later := typicalEnd(1, t0.Add(time.Minute))
	later.ID, later.Kind, later.To = "other", call.Report, "+15550100"
	g.Apply(3, t0.Add(time.Minute), &later)
	g.Tick(4, t0.Add(time.Minute))
	if c, _ := g.Call(e.Key()); c.To != "+15550100" || k.packed.len() != 1 {
		t.Errorf("to %q: what was folded since is lost; %d packed", c.To, k.packed.len())
	}
}
