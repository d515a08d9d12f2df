package condition

import (
	"math"
	"testing"

	"callwatch/call"

	"github.com/google/go-cmp/cmp"
)

func TestWindowFunctionsAreLifted(t *testing.T) {
	var figures Figures
	env := Env{Macros: map[string]string{"poor": "packetLossPct > 10 || rttMs > 500"}}
	src := "rate(mos < 3.5 || poor) > 0.1 && (avg(mos) < prev(avg(mos)) - 0.3 || calls >= 10 && p95(rttMs / 2) > 400 && min(mos) < 2)"
	p, problems := CompileWindow(src, env, &figures)
	if p == nil || len(problems) > 0 {
		t.Fatal(problems)
	}
	var names []string
	for _, f := range figures.All {
		names = append(names, f.Name)
	}
	want := []string{"rate(mos < 3.5 || (packetLossPct > 10 || rttMs > 500))", "avg(mos)", "prev(avg(mos))", "calls", "p95(rttMs / 2)", "min(mos)"}
	if diff := cmp.Diff(want, names); diff != "" {
		t.Error(diff)
	}
	if len(figures.Args) != 3 {
		t.Errorf("%d arguments, want 3: mos is asked for twice", len(figures.Args))
	}
	unknown := math.NaN()
	for _, c := range []struct {
		values []float64
		want   Truth
	}{
		{[]float64{0.25, 3.2, 4, 5, 100, 3}, True},
		{[]float64{0.25, 3.9, 4, 5, 100, 1}, False},
		{[]float64{unknown, 3.2, 4, 5, 100, 1}, Unknown},
		{[]float64{0.05, unknown, unknown, 5, 100, 1}, False},
		{[]float64{0.25, unknown, unknown, 10, 500, 1}, True},
	} {
		var facts Facts
		facts.LoadFigures(exact(c.values...))
		if got := p.Eval(&facts).Truth; got != c.want {
			t.Errorf("%v: %s, want %s", c.values, got, c.want)
		}
	}
}

func TestWindowLeavesShowTheirFigures(t *testing.T) {
	var figures Figures
	p, problems := CompileWindow("rate(mos < 3.5) > 0.1 and avg(mos) < prev(avg(mos))", Env{}, &figures)
	if p == nil {
		t.Fatal(problems)
	}
	var facts Facts
	facts.LoadFigures(exact(0.25, 3.254, math.NaN()))
	var texts []string
	for _, l := range p.Explain(&facts) {
		texts = append(texts, l.Text)
	}
	want := []string{"rate(mos < 3.5) (0.25) > 0.1", "avg(mos) (3.25) < prev(avg(mos)) (unknown)"}
	if diff := cmp.Diff(want, texts); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"prev(avg(mos))"}, p.Missing(&facts)); diff != "" {
		t.Error(diff)
	}
}

func exact(values ...float64) []Bounds {
	var out []Bounds
	for _, v := range values {
		out = append(out, Exact(v))
	}
	return out
}

func TestWindowProblems(t *testing.T) {
	for src, code := range map[string]Code{
		"mos < 3.5":                         CodeOneCall,
		"rate(mos < 3.5) > 10":              CodeNeverHolds,
		"avg(mos) < 35":                     CodeAlwaysHolds,
		"avg(mos) > 35":                     CodeNeverHolds,
		"rate(mos) > 0.1":                   CodeNotBoolean,
		"avg(codec) > 1":                    CodeType,
		"rate(rate(mos < 3.5) > 0.1) > 0.1": CodeNestedWindow,
		"prev(0.3) > 1":                     CodeArguments,
		"prev(prev(calls)) > 1":             CodeArguments,
		"rate(moss < 3) > 0.1":              CodeUnknownField,
		"poor":                              CodeOneCall,
		"calls":                             CodeNotBoolean,
		"avg() > 1":                         CodeArguments,
		"distinct(intervals) > 1":           CodeType,
		"sum(1) > 3":                        CodeType,
	} {
		p, problems := CompileWindow(src, Env{Macros: map[string]string{"poor": "rttMs > 500"}}, &Figures{})
		if p != nil || len(problems) == 0 || problems[0].Code != code {
			t.Errorf("%s: %v, want %s", src, problems, code)
		}
	}
}

func TestLimitsOfLevels(t *testing.T) {
	limit := func(src string) Limit {
		p, problems := CompileWindow(src, Env{}, &Figures{})
		if p == nil {
			t.Fatal(problems)
		}
		l, _ := p.Limit()
		return l
	}
	for _, c := range []struct {
		a, b              string
		implies, excludes bool
	}{
		{"avg(mos) < 3", "avg(mos) < 3.5", true, false},
		{"avg(mos) < 3.5", "avg(mos) < 3", false, false},
		{"avg(mos) < 3", "avg(mos) > 3", false, true},
		{"avg(mos) <= 3", "avg(mos) >= 3", false, false},
		{"avg(mos) > 4", "3.5 > avg(mos)", false, true},
		{"calls == 0", "calls < 5", true, false},
		{"calls == 6", "calls < 5", false, true},
		{"avg(mos) < 3", "min(mos) < 3.5", false, false},
	} {
		a, b := limit(c.a), limit(c.b)
		if a.Implies(b) != c.implies || a.Excludes(b) != c.excludes || b.Excludes(a) != c.excludes {
			t.Errorf("%s, %s: implies %v, excludes %v", c.a, c.b, a.Implies(b), a.Excludes(b))
		}
	}
}

// Every percentile can be asked for; those with a function of their own are that one.
func TestAnyPercentile(t *testing.T) {
	for src, want := range map[string]Figure{
		"p(rttMs, 99.5) > 400":       {Name: "p(rttMs, 99.5)", Func: "p99.5"},
		"p(rttMs, 95) > 400":         {Name: "p95(rttMs)", Func: "p95"},
		"p(rttMs, 50.0) > 400":       {Name: "p50(rttMs)", Func: "p50"},
		"p(rttMs / 2, 100 - 1) > 40": {Name: "p99(rttMs / 2)", Func: "p99"},
	} {
		var figures Figures
		p, problems := CompileWindow(src, Env{}, &figures)
		if p == nil || len(figures.All) != 1 || figures.All[0] != want {
			t.Errorf("%s: %+v %v", src, figures.All, problems)
			continue
		}
		var again Figures
		if q, _ := CompileWindow(p.String(), Env{}, &again); q == nil || again.All[0] != want {
			t.Errorf("%s reads %s", src, p)
		}
	}
	var figures Figures
	if p, problems := CompileWindow("p(rttMs, 1) > 2 * prev(p(rttMs, 1))", Env{}, &figures); p == nil || len(figures.All) != 2 || figures.All[1].Name != "prev(p(rttMs, 1))" {
		t.Error(figures.All, problems)
	}
	for src, code := range map[string]Code{
		"p(rttMs) > 1": CodeArguments, "p(rttMs, 0) > 1": CodeArguments, "p(rttMs, 100) > 1": CodeArguments, "p(rttMs, -1) > 1": CodeArguments,
		"p(rttMs, rttMs) > 1": CodeOneCall, "p(rttMs, calls) > 1": CodeArguments, "p(codec, 99.5) > 1": CodeType, "p(3, 99.5) > 1": CodeType,
		"p(rttMs, \"99\") > 1": CodeArguments, "p(avg(rttMs), 99.5) > 1": CodeNestedWindow, "p(mos, 99.5) > 8": CodeNeverHolds,
	} {
		if p, problems := CompileWindow(src, Env{}, &Figures{}); p != nil || len(problems) == 0 || problems[0].Code != code {
			t.Errorf("%s: %+v, want %s", src, problems, code)
		}
	}
	if p, problems := Compile("p(rttMs, 99.5) > 1", Env{}); p != nil || problems[0].Code != CodeWindowFunction {
		t.Error(problems)
	}
}

// A ratio is unknown where what is below the line is less than it must be, or may
// be less.
func TestRatioWithAMinimum(t *testing.T) {
	src := "ratio(count(shortCall), count(answered), 50) > 0.1"
	var figures Figures
	p, problems := CompileWindow(src, Env{}, &figures)
	if p == nil || p.String() != src {
		t.Fatal(p, problems)
	}
	for _, c := range []struct {
		short, answered Bounds
		want            Truth
	}{
		{Exact(6), Exact(50), True},
		{Exact(5), Exact(50), False},
		{Exact(6), Exact(49), Unknown},
		{Exact(40), Exact(0), Unknown},
		{Exact(6), Bounds{50, 55}, True},
		{Exact(6), Bounds{49, 55}, Unknown},
		{Exact(6), Bounds{50, 70}, Unknown},
		{Bounds{6, 9}, Exact(50), True},
		{Bounds{4, 9}, Exact(50), Unknown},
		{Bounds{1, 5}, Bounds{50, 90}, False},
		{Exact(math.NaN()), Exact(50), Unknown},
	} {
		var facts Facts
		facts.LoadFigures([]Bounds{c.short, c.answered})
		if got := p.Eval(&facts); got.Truth != c.want || got.Err != nil {
			t.Errorf("%v / %v: %v, want %v", c.short, c.answered, got, c.want)
		}
		_, short := p.Short(&facts)
		if want := !(c.answered.Low >= 50); short != want {
			t.Errorf("%v / %v has too little below the line: %v, want %v", c.short, c.answered, short, want)
		}
		if missing := p.Missing(&facts); (len(missing) > 0) != (c.want == Unknown) {
			t.Errorf("%v / %v misses %v", c.short, c.answered, missing)
		}
	}
	if leads := p.Leads(); len(leads) != 1 || leads[0].Figure != 0 || leads[0].Direction != Up {
		t.Errorf("%+v", leads)
	}
	e := event(call.Facts{PacketsLost: new(int64(60)), PacketsReceived: new(int64(500))})
	e.Raw = map[string]any{"lost": "60", "word": "x", "huge": 1e308}
	for src, want := range map[string]Truth{
		"ratio(packetsLost, packetsReceived, 500) > 0.1": True, "ratio(packetsLost, packetsReceived, 501) > 0.1": Unknown, "ratio(packetsLost, turnCount, 1) > 0.1": Unknown,
		"ratio(raw.lost, packetsReceived, 500) == 0.12": True, "ratio(raw.word, packetsReceived, 500) > 0": Unknown, "not (ratio(packetsLost, packetsReceived, 501) > 0.1)": Unknown,
	} {
		if got := compile(t, src).Eval(load(e)); got.Truth != want || got.Err != nil {
			t.Errorf("%s = %v, want %v", src, got, want)
		}
	}
	if got := compile(t, "ratio(raw.huge, packetsLost / packetsReceived, 0.01) > 1").Eval(load(e)); got.Err == nil || got.Truth != Unknown {
		t.Error(got)
	}
	for src, code := range map[string]Code{
		"ratio(packetsLost, packetsReceived) > 1": CodeArguments, "ratio(packetsLost, packetsReceived, 0) > 1": CodeArguments, "ratio(packetsLost, 3, rttMs) > 1": CodeArguments,
		"ratio(codec, packetsReceived, 3) > 1": CodeType,
	} {
		if p, problems := Compile(src, Env{}); p != nil || len(problems) == 0 || problems[0].Code != code {
			t.Errorf("%s: %+v, want %s", src, problems, code)
		}
	}
}
