package condition

import (
	"fmt"
	"math"
	"testing"
	"time"

	"callwatch/call"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// A call with four intervals: a bad one, a good one, and two without a MOS.
func halfKnown() call.Event {
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	e := event(call.Facts{MOS: new(3.2), PacketsLost: new(int64(3))})
	e.Intervals = []call.Interval{
		{Start: at, MOS: new(3.0), RTTMs: new(50.0)},
		{Start: at, MOS: new(4.1), RTTMs: new(600.0)},
		{Start: at, RTTMs: new(700.0)},
		{Start: at},
	}
	return e
}

// An element of which the condition is unknown may be either: the number of those
// that hold lies between two ends, and only what is so at both is certain.
func TestElementsThatMayHold(t *testing.T) {
	blind := halfKnown()
	blind.Intervals = blind.Intervals[3:]
	for _, c := range []struct {
		src         string
		half, blind Truth // of one interval without any figure
	}{
		// .mos < 3.5 holds for 1 to 3 of 4, or 0 to 1 of 1.
		{"count(intervals, .mos < 3.5) == 0", False, Unknown},
		{"count(intervals, .mos < 3.5) >= 1", True, Unknown},
		{"count(intervals, .mos < 3.5) > 3", False, False},
		{"count(intervals, .mos < 3.5) <= 3", True, True},
		{"count(intervals, .mos < 3.5) < 2", Unknown, True},
		{"count(intervals, .mos < 3.5) == 2", Unknown, False},
		{"count(intervals, .mos < 3.5) != 2", Unknown, True},
		{"count(intervals, .mos < 3.5) != 4", True, True},
		{"count(intervals, .mos < 3.5) == 1.5", False, False},
		{"not (count(intervals, .mos < 3.5) > 0)", False, Unknown},
		{"not (count(intervals, .mos < 3.5) > 3)", True, True},
		{"2 > count(intervals, .mos < 3.5)", Unknown, True},
		{"len(filter(intervals, .mos < 3.5)) < 2", Unknown, True},
		{"len(filter(intervals, .mos < 3.5)) > 0", True, Unknown},
		{"count(intervals, .mos < 3.5) in [1, 2, 3]", True, Unknown},
		{"count(intervals, .mos < 3.5) in [0, 1, 2, 3]", True, True},
		{"count(intervals, .mos < 3.5) in 1..3", True, Unknown},
		{"count(intervals, .mos < 3.5) in 4..9", False, False},
		{"count(intervals, .mos < 3.5) not in [5, 6]", True, True},
		{"count(intervals, .mos < 3.5) in [1, 3]", Unknown, Unknown},

		// Arithmetic on bounded numbers.
		{"count(intervals, .mos < 3.5) / len(intervals) > 0.2", True, Unknown},
		{"count(intervals, .mos < 3.5) / len(intervals) > 0.75", False, Unknown},
		{"100 - 10 * count(intervals, .mos < 3.5) >= 70", True, True},
		{"-count(intervals, .mos < 3.5) < -3", False, False},
		{"abs(count(intervals, .mos < 3.5) - 2) <= 1", True, Unknown},
		{"abs(count(intervals, .mos < 3.5) - 2) >= 0", True, True},
		{"count(intervals, .mos < 3.5) ** 2 <= 9", True, True},
		{"(count(intervals, .mos < 3.5) - 2) ** 2 >= 0", True, True},
		{"count(intervals, .mos < 3.5) % 5 >= 1", True, Unknown},
		{"count(intervals, .mos < 3.5) % 2 < 2", True, True},
		{"1 / count(intervals, .mos < 3.5) > 0.3", True, Unknown},
		{"max(count(intervals, .mos < 3.5), 3) == 3", True, True},
		{"min(count(intervals, .mos < 3.5), 0) == 0", True, True},
		{"max([count(intervals, .mos < 3.5), 9]) == 9", True, True},
		{"round(count(intervals, .mos < 3.5) / 2) <= 2", True, True},
		{"count(intervals, .mos < 3.5) + count(intervals, .mos >= 3.5) >= 2", True, Unknown},
		{"count(intervals, .mos < 3.5) > count(intervals, .rttMs > 900)", Unknown, Unknown},
		{"count(intervals, .mos < 3.5) < packetsLost + 1", True, True},

		// Lists of which elements may not be part.
		{"count(filter(intervals, .mos < 3.5), .rttMs > 500) >= 1", Unknown, Unknown},
		{"count(filter(intervals, .mos < 3.5), .rttMs > 500) <= 2", True, True},
		{"count(filter(intervals, .mos < 3.5), .rttMs < 100) >= 1", True, Unknown},
		{"any(filter(intervals, .mos < 3.5), .rttMs < 100)", True, Unknown},
		{"any(filter(intervals, .mos < 3.5), .rttMs > 10000)", Unknown, Unknown},
		{"all(filter(intervals, .mos < 3.5), .rttMs < 100)", Unknown, Unknown},
		{"none(filter(intervals, .mos < 3.5), .rttMs < 100)", False, Unknown},
		{"none(filter(intervals, .rttMs > 900), .mos > 4)", Unknown, Unknown},
		{"one(filter(intervals, .mos < 3.5), .rttMs < 100)", Unknown, Unknown},
		{"len(filter(filter(intervals, .mos < 3.5), .rttMs > 60)) <= 2", True, True},
		{"len(filter(filter(intervals, .mos < 3.5), .rttMs > 60)) > 2", False, False},
		{"filter(intervals, .mos < 3.5)[0].rttMs == 50", True, Unknown},
		{"filter(intervals, .mos < 3.5)[-1].rttMs == 50", Unknown, Unknown},
		{"filter(intervals, .mos < 3.5)[1].rttMs == 700", Unknown, Unknown},
		{"len(filter(intervals, .mos < 3.5)[0:1]) == 1", Unknown, Unknown},
		{"filter(intervals, .mos < 3.5) == nil", False, False},
		{"count(intervals, .mos < 3.5) == nil", False, False},
		{"(count(intervals, .mos < 3.5) ?? 9) < 4", True, True},
	} {
		for name, e := range map[string]call.Event{"half": halfKnown(), "blind": blind} {
			want := c.half
			if name == "blind" {
				want = c.blind
			}
			p, problems := Compile(c.src, Env{})
			if p == nil {
				t.Errorf("%s: %v", c.src, problems)
				break
			}
			if got := p.Eval(load(e)); got.Truth != want || got.Err != nil {
				t.Errorf("%s: %s is %v, want %v", name, c.src, got, want)
			}
			if want == Unknown && len(p.Missing(load(e))) == 0 {
				t.Errorf("%s: %s is unknown, and nothing is missing", name, c.src)
			}
		}
	}
}

func TestClassesOfCalls(t *testing.T) {
	matching, clear, partial, blind := Matching, Clear, Partial, Blind
	known := event(call.Facts{MOS: new(4.4)})
	nothing := event(call.Facts{})
	bad := event(call.Facts{MOS: new(3.0)})
	for src, want := range map[string][4]Class{ // good MOS alone, nothing, bad MOS, half known intervals
		"mos < 3.5":                                      {clear, blind, matching, matching},
		"mos < 3.5 || jitterMs > 30":                     {partial, blind, matching, matching},
		"mos < 3.5 && jitterMs > 30":                     {clear, blind, partial, partial},
		"not (mos < 3.5 || jitterMs > 30)":               {partial, blind, clear, clear},
		"jitterMs > 30 and not (rttMs > 100 or mos > 4)": {clear, blind, partial, partial},
		"mos + jitterMs > 30":                            {blind, blind, blind, blind},
		"answered":                                       {blind, blind, blind, blind},
		"answered or mos > 4.2":                          {matching, blind, partial, partial},
		"answered == (mos < 3.5)":                        {partial, blind, partial, partial},
		"mos == nil":                                     {clear, matching, clear, clear},
		"any(intervals, .mos < 2)":                       {blind, blind, blind, partial},
		"count(intervals, .mos < 3.5) > 1":               {blind, blind, blind, partial},
		"len(filter(intervals, .mos < 3.5)) > 1":         {blind, blind, blind, partial},
		"count(intervals, .jitterMs > 3) > 1":            {blind, blind, blind, blind},
		"answered ? mos < 2 : rttMs > 3":                 {partial, blind, partial, partial},
		"mos > 4 ? rttMs > 100 : jitterMs > 3":           {partial, blind, partial, partial},
		"packetsLost / packetsReceived > 1 or mos < 2":   {partial, blind, partial, partial},
	} {
		var figures Figures
		if p, problems := CompileWindow("rate("+src+") > 0.1", Env{}, &figures); p == nil {
			t.Errorf("%s: %v", src, problems)
			continue
		}
		var got [4]Class
		for i, e := range []call.Event{known, nothing, bad, halfKnown()} {
			got[i], _ = figures.Args[0].Classify(load(e))
		}
		if got != want {
			t.Errorf("%s: %v, want %v", src, got, want)
		}
	}
}

// Interval arithmetic contains the result for every number between the ends, and
// its ends are reached.
func TestArithmeticHoldsWhatIsBetween(t *testing.T) {
	names := []string{"rate(mos < 3.5)", "count(mos < 3)", "avg(mos)", "avg(audioLevel)"}
	rapid.Check(t, func(t *rapid.T) {
		var figures Figures
		src := drawFigures(t, names, 3)
		p, problems := CompileWindow(src+" > 1000", Env{}, &figures)
		if p == nil || len(p.Figures()) == 0 {
			for _, problem := range problems {
				if problem.Code != CodeArithmetic && problem.Code != CodeNeverHolds && problem.Code != CodeAlwaysHolds && problem.Code != CodeConstant {
					t.Fatalf("%s: %v", src, problems)
				}
			}
			return
		}
		value := p.root.args[0]
		bounds := make([]Bounds, len(figures.All))
		for i := range bounds {
			low := float64(rapid.IntRange(-3, 5).Draw(t, "low"))
			bounds[i] = Bounds{low, low + float64(rapid.IntRange(0, 3).Draw(t, "width"))}
		}
		var facts Facts
		facts.LoadFigures(bounds)
		f := frame{facts: &facts, steps: maxSteps}
		outer := value.eval(&f)
		b, ok := outer.ends()
		if !ok {
			return
		}
		at := make([]Bounds, len(bounds))
		for range 30 {
			for i, x := range bounds {
				at[i] = Exact(rapid.SampledFrom([]float64{x.Low, x.High, (x.Low + x.High) / 2, x.Low + (x.High-x.Low)/3}).Draw(t, "at"))
			}
			facts.LoadFigures(at)
			inner, ok := new(value.eval(&f)).ends()
			if !ok || inner.Low < b.Low-1e-9*math.Abs(b.Low) || inner.High > b.High+1e-9*math.Abs(b.High) {
				t.Fatalf("%s over %v is %v; at %v it is %v", src, bounds, b, at, inner)
			}
		}
	})
}

func drawFigures(t *rapid.T, names []string, depth int) string {
	if depth == 0 || rapid.IntRange(0, 3).Draw(t, "leaf") == 0 {
		return rapid.SampledFrom(append(names, "2", "3")).Draw(t, "figure")
	}
	a, b := drawFigures(t, names, depth-1), drawFigures(t, names, depth-1)
	switch o := rapid.SampledFrom([]string{"+", "-", "*", "/", "**", "neg", "abs", "round", "min", "max"}).Draw(t, "op"); o {
	case "neg":
		return "-(" + a + ")"
	case "abs", "round":
		return o + "(" + a + ")"
	case "min", "max":
		return fmt.Sprintf("%s(%s, %s)", o, a, b)
	case "**":
		return "(" + a + ") ** " + rapid.SampledFrom([]string{"2", "3", "1", "0"}).Draw(t, "power")
	default:
		return "(" + a + ") " + o + " (" + b + ")"
	}
}

func TestBoundedFiguresShowTheEndThatDecides(t *testing.T) {
	for _, c := range []struct {
		src   string
		b     Bounds
		text  string
		truth Truth
		value any
	}{
		{"rate(mos < 3.5) > 0.1", Bounds{0.1194, 0.4}, "rate(mos < 3.5) (0.11 or more) > 0.1", True, 0.1194},
		{"rate(mos < 3.5) > 0.1", Bounds{0.1004, 0.4}, "rate(mos < 3.5) (0.1004 or more) > 0.1", True, 0.1004},
		{"rate(mos < 3.5) > 0.1", Bounds{0.01, 0.0999}, "rate(mos < 3.5) (0.0999 or less) > 0.1", False, 0.0999},
		{"rate(mos < 3.5) > 0.1", Bounds{0.05, 0.4}, "rate(mos < 3.5) (0.05 to 0.4) > 0.1", Unknown, 0.05},
		{"rate(answered) < 0.5", Bounds{0.2, 0.224}, "rate(answered) (0.23 or less) < 0.5", True, 0.224},
		{"0.5 > rate(answered)", Bounds{0.2, 0.22}, "0.5 > rate(answered) (0.2 to 0.22)", True, 0.22},
		{"not (rate(answered) >= 0.5)", Bounds{0.2, 0.22}, "rate(answered) (0.22 or less) < 0.5", True, 0.22},
		{"count(answered) == 3", Bounds{2, 4}, "count(answered) (2 to 4) == 3", Unknown, nil},
		{"count(answered) == 3", Bounds{3, 3}, "count(answered) (3) == 3", True, 3.0},
	} {
		var figures Figures
		p, problems := CompileWindow(c.src, Env{}, &figures)
		if p == nil {
			t.Fatal(problems)
		}
		var facts Facts
		facts.LoadFigures([]Bounds{c.b})
		l := p.Explain(&facts)[0]
		var value any
		if l.Value != nil {
			value = *l.Value
		}
		if l.Text != c.text || l.Truth != c.truth || value != c.value || (l.Low == nil) != c.b.Single() {
			t.Errorf("%s %v: %q %v %v", c.src, c.b, l.Text, l.Truth, value)
		}
	}
}

func TestLeadsFollowTheSign(t *testing.T) {
	for src, want := range map[string][]string{
		"rate(mos < 3.5) > 0.1":                                  {"rate(mos < 3.5) up"},
		"rate(answered) < 0.5":                                   {"rate(answered) down"},
		"0.5 > rate(answered)":                                   {"rate(answered) down"},
		"not (rate(answered) >= 0.5)":                            {"rate(answered) down"},
		"1 - rate(answered) > 0.5":                               {"rate(answered) down"},
		"100 * rate(answered) < 50":                              {"rate(answered) down"},
		"-rate(answered) > -0.5":                                 {"rate(answered) down"},
		"avg(mos) < prev(avg(mos)) - 0.3":                        {"avg(mos) down"},
		"prev(avg(mos)) - avg(mos) > 0.3":                        {"avg(mos) down"},
		"avg(mos) / prev(avg(mos)) < 0.9":                        {"avg(mos) down"},
		"prev(avg(rttMs)) / avg(rttMs) < 0.5":                    {"avg(rttMs) up"},
		"count(mos < 3.5) / count(answered) > 0.1":               {"count(mos < 3.5) up"},
		"p95(rttMs) > 3 * prev(p95(rttMs))":                      {"p95(rttMs) up"},
		"calls >= 50 and rate(mos < 3.5) > 0.1":                  {"rate(mos < 3.5) up", "calls up"},
		"prev(rate(answered)) > 0.5 and rate(answered) < 0.2":    {"rate(answered) down", "prev(rate(answered)) up"},
		"rate(mos < 3.5) > 0.1 or rate(mos < 3.5) > 0.2":         {"rate(mos < 3.5) up"},
		"rate(mos < 3.5) > 0.1 or avg(rttMs) > 300":              {"rate(mos < 3.5) up", "avg(rttMs) up"},
		"max(mos) - min(mos) > 1":                                {"max(mos) up"},
		"abs(avg(mos) - prev(avg(mos))) > 0.3":                   {"avg(mos) undecided"},
		"(avg(mos) - 3) ** 2 > 1":                                {"avg(mos) undecided"},
		"count(answered) == 0":                                   {"count(answered) down"},
		"rate(answered) == 1":                                    {"rate(answered) up"},
		"rate(answered) != 0":                                    {"rate(answered) up"},
		"count(answered) == 3":                                   {"count(answered) undecided"},
		"rate(answered) * rate(mos < 3.5) < 0.2":                 {"rate(answered) down"},
		"avg(audioLevel) * rate(answered) > 2":                   {"avg(audioLevel) up"},
		"(calls > 3 ? rate(answered) : rate(mos < 3)) > 0.3":     {"rate(answered) up"},
		"min(rate(answered), rate(mos > 4)) < 0.1":               {"rate(answered) down"},
		"abs(rate(answered)) < 0.1 and round(avg(rttMs)) >= 100": {"rate(answered) down", "avg(rttMs) up"},
	} {
		var figures Figures
		p, problems := CompileWindow(src, Env{}, &figures)
		if p == nil {
			t.Errorf("%s: %v", src, problems)
			continue
		}
		var got []string
		for _, l := range p.Leads() {
			got = append(got, figures.All[l.Figure].Name+" "+map[Direction]string{Up: "up", Down: "down", Undecided: "undecided"}[l.Direction])
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %s", src, diff)
		}
	}
}
