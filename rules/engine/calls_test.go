package engine

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"callwatch/call"
	"callwatch/rules/engine/past"
	"callwatch/rules/rulefmt"
)

// cachedMemory is what a call takes that has ended and was evicted, with its
// places in the queues of the engine.
func cachedMemory(t testing.TB, calls int) float64 {
	set, problems, err := rulefmt.LoadFile("../../rules.yaml")
	if err != nil || problems.Errors() {
		t.Fatal(err, problems)
	}
	g := New(set, Options{})
	hot := g.st.Calls.Capacity
	measure := func() uint64 {
		seen := g.st.Seen
		g.st.Seen = past.Events{} // it is bounded by itself
		var m runtime.MemStats
		runtime.GC()
		runtime.GC()
		runtime.ReadMemStats(&m)
		g.st.Seen = seen
		return m.HeapAlloc
	}
	var before uint64
	for i := range calls + 2*hot {
		if i == 2*hot {
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

// typicalEnd is the end of a call with what a provider reports.
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

// maxCachedCall is in bytes: 100,000 calls take 60 MB.
const maxCachedCall = 600

func TestCachedCallMemory(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	if got := cachedMemory(t, 20_000); got > maxCachedCall {
		t.Errorf("%.0f bytes a call, want at most %d", got, maxCachedCall)
	}
}

func BenchmarkCachedCallMemory(b *testing.B) {
	var bytes float64
	for b.Loop() {
		bytes = cachedMemory(b, 100_000)
	}
	b.ReportMetric(bytes, "bytes/call")
}

// A call that is looked at from outside stays where it is, hot or evicted.
func TestLookingKeepsCallsEvicted(t *testing.T) {
	g := New(compileSet(t, "rules:\n  - {name: low, when: mos < 2}\n"), Options{})
	g.st.Calls.Capacity = 2
	for i := range 10 {
		at := t0.Add(time.Duration(i) * time.Second)
		e := typicalEnd(i, at)
		var text []byte // of every other call
		if i%2 == 0 {
			var err error
			if text, err = e.JSON(); err != nil {
				t.Fatal(err)
			}
		}
		g.ApplyText(uint64(i+1), at, &e, text)
	}
	hot := inMemory(g)
	if hot > 3 || g.st.Calls.Len() != 10 {
		t.Fatalf("%d calls, %d hot", g.st.Calls.Len(), hot)
	}
	for i := range 10 {
		e := typicalEnd(i, t0)
		if c, ok := g.Call(e.Key()); !ok || c.To != e.To || c.Raw["To"] != e.To {
			t.Errorf("call %d: %v, to %q", i, ok, c.To)
		}
	}
	if got := inMemory(g); got != hot {
		t.Errorf("%d hot after looking, %d before", got, hot)
	}
}

// inMemory is how many calls are in memory with their facts.
func inMemory(g *Engine) (n int) {
	for cs := range g.st.Calls.All() {
		if cs.Call != nil {
			n++
		}
	}
	return n
}
