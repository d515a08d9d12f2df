package window

import (
	"encoding/json"
	"fmt"
	"math"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/cespare/xxhash/v2"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"callwatch/call"
	"callwatch/rules/condition"
)

// bySession is compile for a window that counts sessions.
func bySession(t testing.TB, over string, expressions ...string) *Spec {
	t.Helper()
	w := compile(t, over, expressions...)
	var when *condition.Program
	w.Sessions, w.Figures, w.Leads = true, condition.Figures{}, nil
	for _, src := range expressions {
		p, _ := condition.CompileWindow(src, condition.Env{}, &w.Figures)
		if when == nil {
			when = p
		}
	}
	w.Compile(when)
	return w
}

// countedSession is a session as the plain recomputation sees it: its legs, and the
// bucket of the first of them.
type countedSession struct {
	id     string
	bucket int64
	legs   []call.Event
}

// Figures by session equal those worked out again from the legs of each session, also
// after a restart anywhere.
func TestSessionsAgainstNaive(t *testing.T) {
	t.Parallel()
	const asked = "calls > 5 or count(mos < 3.5) > 0 or rate(mos < 3.5 or jitterMs > 900) > 0 or avg(mos) < 4 or min(mos) < 2 or max(mos) > 2 or sum(jitterMs) > 1 or " +
		"p50(jitterMs) > 1 or p95(jitterMs) > 1 or avg(jitterMs) > 2 or distinct(agentId) > 1"
	for _, c := range []struct {
		over, more string
		streams    int
	}{{"5m", "", 500}, {"45s", " or prev(calls) > 1 or prev(rate(mos < 3.5)) > 0 or prev(avg(mos)) < 2 or prev(p90(jitterMs)) > 1 or prev(sum(jitterMs)) > 1", 500}} {
		w := bySession(t, c.over, asked+c.more)
		streams, joined := 0, 0
		for streams < c.streams {
			rapid.Check(t, func(t *rapid.T) {
				streams++
				s, now := New(w, t0), t0
				var all []*countedSession
				for range rapid.IntRange(1, 60).Draw(t, "n") {
					now = now.Add(time.Duration(rapid.IntRange(0, 9).Draw(t, "pause")) * time.Second)
					e, readings := drawnCall(t, w, now, -5, 0, 0, 20, 200)
					e.SessionID = rapid.SampledFrom([]string{"", "a", "b", "c", "d"}).Draw(t, "session")
					head := floorDiv(now.Unix(), int64(w.shape.width.Seconds()))
					oldest := head - int64(w.shape.steps) + 1
					bucket := min(head, floorDiv(e.EndedAt.Unix(), int64(w.shape.width.Seconds())))
					if bucket < oldest {
						bucket = head
					}
					var of *countedSession
					for _, known := range all {
						if e.SessionID != "" && known.id == e.SessionID && known.bucket >= oldest {
							of = known
						}
					}
					if of == nil {
						of = &countedSession{id: e.SessionID, bucket: bucket}
						all = append(all, of)
					}
					of.legs = append(of.legs, e)
					joined += len(of.legs) / 2
					if added := s.Add(w, w.SessionOf(&e), e.EndedAt, now, readings); added.Place != of.bucket || (added.Was != nil) != (len(of.legs) > 1) {
						t.Fatalf("%d legs in bucket %d: %+v", len(of.legs), of.bucket, added)
					}
					if rapid.IntRange(0, 9).Draw(t, "restart") == 0 {
						text, err := json.Marshal(s)
						if err != nil {
							t.Fatal(err)
						}
						if s = (&State{}); json.Unmarshal(text, s) != nil || !s.Fits(w) {
							t.Fatal("it does not fit what it was written by")
						}
						if again, _ := json.Marshal(s); string(again) != string(text) {
							t.Fatal(cmp.Diff(string(text), string(again)))
						}
					}
				}
				var got Evaluation
				got.Evaluate(w, s)
				for i := range w.Figures.All {
					f := &w.Figures.All[i]
					to := s.Buckets.Head
					if f.Prev {
						to -= int64(w.shape.steps)
					}
					var in []*countedSession
					for _, c := range all {
						if c.bucket > to-int64(w.shape.steps) && c.bucket <= to {
							in = append(in, c)
						}
					}
					want := naiveSessions(w, f, in)
					for _, ends := range [][2]float64{{got.Bounds[i].Low, want.Low}, {got.Bounds[i].High, want.High}} {
						if math.IsNaN(ends[0]) != math.IsNaN(ends[1]) || math.Abs(ends[0]-ends[1]) > 1e-6+1e-9*math.Abs(ends[1]) {
							t.Fatalf("%s is %v, want %v of %d sessions", f.Name, got.Bounds[i], want, len(in))
						}
					}
				}
			})
		}
		if joined == 0 {
			t.Error("no session had two legs")
		}
	}
}

// naiveSessions is one figure over some sessions.
func naiveSessions(w *Spec, f *condition.Figure, in []*countedSession) condition.Bounds {
	nothing := condition.Exact(math.NaN())
	if f.Func == "calls" {
		return condition.Exact(float64(len(in)))
	}
	arg := w.Figures.Args[f.Arg].Text
	number := func(e *call.Event) *float64 {
		if arg == "mos" {
			return e.MOS
		}
		return e.JitterMs
	}
	var calls []countedCall // one for each session, with what it says
	matching, partial, measured := 0, 0, 0
	for _, s := range in {
		var values []float64
		holds, fails, parts := 0, 0, 0
		for i := range s.legs {
			e := &s.legs[i]
			if v := number(e); v != nil {
				values = append(values, *v)
			}
			low := e.MOS != nil && *e.MOS < 3.5
			switch either := strings.Contains(arg, "||"); {
			case low || either && e.JitterMs != nil && *e.JitterMs > 900:
				holds++
			case e.MOS != nil && (!either || e.JitterMs != nil):
				fails++
			case either && (e.MOS != nil || e.JitterMs != nil):
				parts++
			}
		}
		switch n := len(s.legs); {
		case holds > 0:
			matching++
			measured++
		case fails == n:
			measured++
		case fails+parts > 0:
			partial++
			measured++
		}
		if len(values) == 0 && f.Func != "distinct" {
			calls = append(calls, countedCall{})
			continue
		}
		one := condition.Exact(0)
		switch f.Func {
		case "sum":
			for _, v := range values {
				one.Low += v
			}
		case "min":
			one.Low = minOf(values)
		case "max":
			one.Low = maxOf(values)
		default: // mos is worst at its smallest here, jitter at its largest
			if one.Low = maxOf(values); arg == "mos" {
				one.Low = minOf(values)
			}
		}
		calls = append(calls, countedCall{mos: &one.Low, jitter: &one.Low})
	}
	switch f.Func {
	case "count", "rate":
		m := Measure{Calls: len(in), Measured: measured, Matching: matching, Partial: partial}
		if len(in) == 0 && f.Func == "count" {
			return condition.Exact(0)
		}
		return shareOf(f.Func, &m)
	case "distinct":
		legs := calls[:0]
		for _, s := range in {
			for i := range s.legs {
				legs = append(legs, countedCall{agent: s.legs[i].AgentID})
			}
		}
		return condition.Exact(naive(f.Func, arg, legs))
	case "sum":
		if len(in) == 0 {
			return condition.Exact(0)
		}
	}
	if len(in) == 0 {
		return nothing
	}
	return condition.Exact(naive(f.Func, arg, calls))
}

func minOf(values []float64) float64 {
	least := math.Inf(1)
	for _, v := range values {
		least = min(least, v)
	}
	return least
}

func maxOf(values []float64) float64 {
	most := math.Inf(-1)
	for _, v := range values {
		most = max(most, v)
	}
	return most
}

// What is known of the legs of a session: any that holds, or all that do not.
func TestConditionsOfSessions(t *testing.T) {
	t.Parallel()
	m, c, p, b := condition.Matching, condition.Clear, condition.Partial, condition.Blind
	for _, x := range [][3]condition.Class{{m, m, m}, {m, c, m}, {m, p, m}, {m, b, m}, {c, c, c}, {c, p, p}, {c, b, p}, {p, p, p}, {p, b, p}, {b, b, b}} {
		if got, back := mergeClasses(x[0], x[1]), mergeClasses(x[1], x[0]); got != x[2] || back != x[2] {
			t.Errorf("%d and %d are %d and %d, want %d", x[0], x[1], got, back, x[2])
		}
	}
}

// The sessions of a key take no more than their bound, of which the latest are known.
func TestSessionsAreBounded(t *testing.T) {
	t.Parallel()
	w := bySession(t, "1h", "avg(mos) < 3")
	s := New(w, t0)
	leg := func(id int) Added {
		e := ended(func(e *call.Event) { e.MOS, e.SessionID = new(4.0), fmt.Sprint(id) })
		var facts condition.Facts
		facts.Load(&e)
		readings, _ := w.Read(&facts, nil)
		return s.Add(w, w.SessionOf(&e), t0, t0, readings)
	}
	for i := range 3 * maxSessions {
		leg(i)
		if n := len(s.Sessions.Latest) + len(s.Sessions.Older); n > maxSessions {
			t.Fatalf("%d sessions are kept", n)
		}
		if back := max(i-maxSessions/2+1, 0); leg(back).Was == nil {
			t.Fatalf("session %d of %d is not known", back, i)
		}
	}
	if leg(0).Was != nil {
		t.Error("the first is still known")
	}
	s.Advance(w, t0.Add(100*time.Hour))
	if s.Add(w, 1, t0, t0.Add(100*time.Hour), make([]Reading, 1)); len(s.Sessions.Latest) != 1 {
		t.Errorf("%d sessions are kept of a window that is over", len(s.Sessions.Latest))
	}
}

// What is read of a checkpoint is one of the window, or refused.
func FuzzSessionsFit(f *testing.F) {
	w := bySession(f, "1m", "rate(mos < 3.5) > 0 and avg(mos) > 2 and p95(jitterMs) > 3")
	s := New(w, t0)
	s.Add(w, 7, t0, t0, make([]Reading, len(w.Figures.Args)))
	text, err := json.Marshal(s.Sessions)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	f.Add([]byte(`{"latest":{"7":{"at":9223372036854775807,"said":""}},"from":0}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		read := New(w, t0)
		if read.Sessions = nil; json.Unmarshal(text, &read.Sessions) != nil || !read.Fits(w) {
			return
		}
		for i := range uint64(9) {
			read.Add(w, i, t0, t0.Add(time.Duration(i)*time.Second), make([]Reading, len(w.Figures.Args)))
		}
		new(Evaluation).Evaluate(w, read)
	})
}

// A sketch of which values are taken away is that of the others.
func TestSketchRemoves(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		values := rapid.SliceOfN(rapid.SampledFrom([]float64{0, 1, 1.001, 2, 50, -3, 7e5}), 1, 60).Draw(t, "values")
		exact := rapid.IntRange(0, 60).Draw(t, "exact")
		gone := rapid.IntRange(0, len(values)).Draw(t, "gone")
		var s, want sketch
		for i, v := range values {
			s.add(v, i < exact)
		}
		for i, v := range values {
			if i < gone {
				s.remove(v)
			} else {
				want.add(v, i < exact && len(values) <= exact)
			}
		}
		var a, b merged
		a.add(&s)
		b.add(&want)
		for _, q := range []float64{0.1, 0.5, 1} {
			if x, y := a.quantile(q), b.quantile(q); x != y && math.Abs(x-y) > 0.011*math.Abs(y) {
				t.Fatalf("quantile %v is %v, want %v", q, x, y)
			}
			a.add(&s)
			b.add(&want)
		}
	})
}

// BenchmarkSessionMemory measures what the sessions of one key take once there are as
// many as can be joined.
func BenchmarkSessionMemory(b *testing.B) {
	w, e := bySession(b, "1h", "rate(mos < 3.5) > 0.2"), ended(func(e *call.Event) { e.MOS = new(3.0) })
	var facts condition.Facts
	facts.Load(&e)
	readings, _ := w.Read(&facts, nil)
	heap := func() float64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.GC()
		runtime.ReadMemStats(&m)
		return float64(m.HeapAlloc)
	}
	for b.Loop() {
		before, s := heap(), New(w, t0)
		for i := range uint64(2 * maxSessions) {
			s.Add(w, xxhash.Sum64String(fmt.Sprint(i)), t0, t0, readings)
		}
		taken := heap() - before
		b.ReportMetric(taken, "bytes/key")
		b.ReportMetric(taken/float64(len(s.Sessions.Latest)+len(s.Sessions.Older)), "bytes/session")
		runtime.KeepAlive(s)
	}
}

// Two accounts of a provider may give the same id to sessions of their own.
func TestSessionOf(t *testing.T) {
	w := bySession(t, "10m", "rate(mos < 3.5) > 0.1")
	of := func(provider, account, session string) uint64 {
		return w.SessionOf(&call.Event{Identity: call.Identity{Provider: provider, Account: account, SessionID: session}})
	}
	seen := map[uint64]string{}
	for _, c := range [][3]string{{"acme", "", "s"}, {"acme", "sales", "s"}, {"acme", "support", "s"}, {"acme", "sales", "t"}, {"other", "sales", "s"}} {
		id := of(c[0], c[1], c[2])
		if id == 0 || seen[id] != "" || of(c[0], c[1], c[2]) != id {
			t.Errorf("session of %v is %d, as of %q", c, id, seen[id])
		}
		seen[id] = c[0] + c[1] + c[2]
	}
	if id := of("acme", "sales", ""); id != 0 {
		t.Errorf("a call without a session has session %d", id)
	}
}
