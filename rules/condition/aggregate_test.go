package condition

import (
	"math"
	"strings"
	"testing"

	"callwatch/call"

	"pgregory.net/rapid"
)

// What functions over elements say of partly known intervals is what is so of every
// completion of them, and no more: each end of the bounds is met by one.
func TestBoundsOverElementsAreThoseOfAllCompletions(t *testing.T) {
	lists := []string{"intervals", "filter(intervals, .mos < 3.5)", "filter(intervals, .mos >= 3.5)"}
	functions := []string{
		"sum(%, .packetLossPct)", "max(%, .packetLossPct)", "min(%, .packetLossPct)", "mean(%, .packetLossPct)", "median(%, .packetLossPct)",
		"longest(%, .packetLossPct > 50)", "count(%, .packetLossPct > 50)", "sum(%, .packetLossPct) + 1", "-max(%, .packetLossPct)",
		"find(%, .packetLossPct > 50).packetLossPct", "first(%).packetLossPct", "last(%).packetLossPct", "longest(%, not (.packetLossPct > 50))",
	}
	tight, open := 0, 0
	rapid.Check(t, func(t *rapid.T) {
		src := strings.ReplaceAll(rapid.SampledFrom(functions).Draw(t, "function"), "%", rapid.SampledFrom(lists).Draw(t, "list"))
		p, problems := Compile(src+" > 1", Env{})
		if p == nil {
			t.Fatalf("%s: %v", src, problems)
		}
		of := p.root.args[0]
		var e call.Event
		for range rapid.IntRange(1, 4).Draw(t, "intervals") {
			var iv call.Interval
			if rapid.IntRange(0, 3).Draw(t, "loss known") > 0 {
				iv.PacketLossPct = new(rapid.SampledFrom([]float64{0, 20, 60, 100}).Draw(t, "loss"))
			}
			if rapid.IntRange(0, 3).Draw(t, "mos known") > 0 {
				iv.MOS = new(rapid.SampledFrom([]float64{3, 4}).Draw(t, "mos"))
			}
			e.Intervals = append(e.Intervals, iv)
		}
		got := of.eval(&frame{facts: load(e), steps: maxSteps})
		least, most, unknowns := math.Inf(1), math.Inf(-1), false
		completions(e.Intervals, func() {
			v := of.eval(&frame{facts: load(e), steps: maxSteps})
			b, ok := v.ends()
			if !ok {
				unknowns = true
				return
			}
			if !b.Single() {
				t.Fatalf("%s of known intervals is %v", src, b)
			}
			least, most = min(least, b.Low), max(most, b.High)
		})
		b, ok := got.ends()
		switch {
		case !ok && !unknowns && !strings.Contains(src, "median") && !strings.Contains(src, "first") && !strings.Contains(src, "last") && !strings.Contains(src, "find"):
			t.Fatalf("%s is unknown, and %v to %v of all completions", src, least, most)
		case !ok:
			open++
		case unknowns:
			t.Fatalf("%s is %v, and unknown of a completion", src, b)
		case math.Abs(b.Low-least) > 1e-9 || math.Abs(b.High-most) > 1e-9:
			t.Fatalf("%s is %v, of all completions %v to %v", src, b, least, most)
		default:
			tight++
		}
	})
	if tight == 0 || open == 0 {
		t.Errorf("%d with bounds, %d unknown", tight, open)
	}
}

// completions gives every unknown figure of the intervals the values it can have.
func completions(intervals []call.Interval, visit func()) {
	var fill func(i int)
	fill = func(i int) {
		if i == len(intervals) {
			visit()
			return
		}
		iv := &intervals[i]
		switch {
		case iv.PacketLossPct == nil:
			for _, v := range []float64{0, 100} {
				iv.PacketLossPct = &v
				fill(i)
			}
			iv.PacketLossPct = nil
		case iv.MOS == nil:
			for _, v := range []float64{3, 4} {
				iv.MOS = &v
				fill(i)
			}
			iv.MOS = nil
		default:
			fill(i + 1)
		}
	}
	fill(0)
}

// Four intervals: jitter 50, unknown, 20, 40; the second is known to be held.
func jittery() call.Event {
	e := event(call.Facts{Codec: "a,b,c", PacketsLost: new(int64(3))})
	e.Intervals = []call.Interval{
		{JitterMs: new(50.0), PacketsLost: new(int64(4)), PacketLossPct: new(6.0), MOS: new(3.0)},
		{PacketsLost: new(int64(1)), Held: true, PacketLossPct: new(7.0)},
		{JitterMs: new(20.0), PacketsLost: new(int64(0)), PacketLossPct: new(8.0), MOS: new(4.0)},
		{JitterMs: new(40.0), PacketsLost: new(int64(2)), PacketLossPct: new(1.0), MOS: new(2.0)},
	}
	e.Raw = map[string]any{"nums": []any{4.0, 1.0, 7.0}, "words": []any{"x", 3.0}, "gap": []any{4.0, nil}, "text": "12", "word": "abc", "long": strings.Repeat("ab,", 2000)}
	return e
}

func TestFunctionsOverElements(t *testing.T) {
	facts := load(jittery())
	for src, want := range map[string]Truth{
		"max(intervals, .jitterMs) > 30": True, "max(intervals, .jitterMs) >= 50": True, "max(intervals, .jitterMs) > 50": Unknown,
		"max(intervals, .jitterMs) < 40": False, "min(intervals, .jitterMs) <= 20": True, "min(intervals, .jitterMs) < 10": Unknown,
		"min(filter(intervals, not .held), .jitterMs) == 20": True, "max(filter(intervals, .jitterMs != nil), .jitterMs) == 50": True,
		"sum(intervals, .jitterMs) >= 110": True, "sum(intervals, .jitterMs) > 110": Unknown, "sum(intervals, .packetsLost) == 7": True,
		"mean(intervals, .packetLossPct) == 5.5": True, "median(intervals, .packetLossPct) == 6.5": True,
		"mean(intervals, .mos) < 3.6": True, "mean(intervals, .mos) < 2.4": False, "mean(intervals, .mos) < 3": Unknown,
		"mean(intervals, .jitterMs) > 27": True, "mean(intervals, .jitterMs) > 40": Unknown,
		"longest(intervals, .packetLossPct > 5) == 3": True, "longest(intervals, .packetLossPct > 5) >= 4": False,
		"longest(intervals, .jitterMs > 30) >= 1": True, "longest(intervals, .jitterMs > 30) >= 2": Unknown, "longest(intervals, .jitterMs > 30) >= 3": False,
		"longest(filter(intervals, not .held), .packetLossPct > 5) == 2": True, "longest(intervals, .packetLossPct > 50) == 0": True,
		"longest(filter(intervals, .packetLossPct > 90), .mos < 3) == 0": True,
		"intervals | max(.jitterMs) > 30":                                True, "max(intervals, max(.jitterMs, .packetLossPct)) >= 50": True,
		"max(packetsLost, max(intervals, .packetLossPct)) == 8": True, "max(intervals, abs(.packetLossPct)) == 8": True, "any(intervals, max(packetsLost, .packetsLost) > 3)": True, "any(intervals, min(.packetsLost, .packetLossPct) > 3)": True,
		"count(intervals, max(.packetsLost, .packetLossPct) > 5) == 3": True, "sum(intervals, max(packetsLost, .packetsLost)) == 13": True, "count(filter(intervals, max(1, .packetsLost) > 1), .packetLossPct > 0) == 2": True,
		"intervals | any(max(1, .packetsLost) > 3)": True, "max(filter(intervals, max(1, .packetsLost) > 1), .packetLossPct) == 6": True,
		"max(packetsLost, count(intervals, .packetLossPct > 5)) == 3": True, "max(map(intervals, .packetLossPct), #) == 8": True,
		"max(raw.nums) == 7": True, "sum(raw.nums) == 12": True, "mean(raw.nums) == 4": True, "median(raw.nums) == 4": True, "sum(raw.words) > 0": Unknown,
		"max(raw.gap) > 3": True, "max(raw.gap) > 5": Unknown, "sum(raw.gap) > -9": Unknown, "max(raw.nums, # * 2) == 14": True,
		"sum(filter(intervals, .packetLossPct > 90), .mos) == 0": True, "max(filter(intervals, .packetLossPct > 90), .mos) > 3": Unknown,
		"mean(filter(intervals, .packetLossPct > 90), .mos) == nil": True, "max(raw.none, #) > 1": Unknown,
		"find(intervals, .packetLossPct > 6).held": True, "find(intervals, .packetLossPct > 60) == nil": True, "find(intervals, .jitterMs < 30).packetLossPct == 8": Unknown,
		"find(raw.nums, # > 4) == 7": True, "map(intervals, .packetLossPct)[1] == 7": True, "7 in map(intervals, .packetLossPct)": True,
		"30 in map(intervals, .jitterMs)": Unknown, "len(map(intervals, .jitterMs)) == 4": True, "map(raw.nums, # + 1) == [5, 2, 8]": True,
		"len(map(filter(intervals, .jitterMs > 30), .mos)) >= 2": True, "len(map(filter(intervals, .jitterMs > 30), .mos)) == 2": Unknown,
		"first(intervals).jitterMs == 50": True, "last(intervals).jitterMs == 40": True, "first(raw.words) == \"x\"": True, "first(raw.none) == nil": True,
		"floor(mean(intervals, .packetLossPct)) == 5": True, "ceil(5.1) == 6 and packetsLost == 3": True, "int(-2.7) == -2 and packetsLost == 3": True,
		"int(raw.text) == 12": True, "float(raw.text) == 12": True, "int(raw.word) == nil": True, "string(packetsLost) == \"3\"": True, "string(raw.nums) == nil": True,
		"split(codec, \",\") == [\"a\", \"b\", \"c\"]": True, "split(codec, \",\")[1] == \"b\"": True, "len(split(codec, \"\")) == 5": True,
		"replace(codec, \",\", \"\") == \"abc\"": True, "hasPrefix(codec, \"a\")": True, "hasSuffix(codec, \"a\")": False, "hasPrefix(from, \"+\")": Unknown,
		"replace(from, \"1\", \"2\") == \"a\"": Unknown, "split(from, \"1\")[0] == \"a\"": Unknown,
	} {
		p := compile(t, src)
		if got := p.Eval(facts); got != (Result{Truth: want}) {
			t.Errorf("%s = %v, want %v", src, got, want)
		}
		if want == Unknown && len(p.Missing(facts)) == 0 && !strings.Contains(src, "raw") && !strings.Contains(src, "> 90") {
			t.Errorf("%s is unknown, and nothing is missing", src)
		}
		again := compile(t, p.String())
		if got := again.Eval(facts); got.Truth != want {
			t.Errorf("%s reads %s, which is %v", src, p, got)
		}
	}
	for src, want := range map[string]string{
		"len(split(raw.long, \",\")) > 1":                                            "split(raw.long, \",\"): the text has more than 1000 parts",
		"replace(raw.long, \"a\", \"" + strings.Repeat("x", 100) + "\") == \"\"":     "the text would be longer than 65536 bytes",
		"sum(intervals, 1e308 * .packetLossPct / .packetLossPct) > 1":                "the result is out of range",
		"max(intervals, .packetLossPct / (.packetsLost - .packetsLost)) > 1":         "division by zero",
		"longest(intervals, .packetLossPct / (.packetsLost - .packetsLost) > 1) > 1": "division by zero",
		"map(intervals, 1 / (.packetsLost - .packetsLost))[0] > 1":                   "division by zero",
	} {
		if got := compile(t, src).Eval(facts); got.Truth != Unknown || got.Err == nil || !strings.Contains(got.Err.Error(), want) {
			t.Errorf("%.60s = %v, want the error %q", src, got, want)
		}
	}
}

func TestOpenBoundsAreWorded(t *testing.T) {
	facts := load(jittery())
	for src, want := range map[string]string{
		"max(intervals, .jitterMs) > 30":      "max(intervals, .jitterMs) (50 or more) > 30",
		"max(intervals, .jitterMs) > 60":      "max(intervals, .jitterMs) (50 or more) > 60",
		"-max(intervals, .jitterMs) < -60":    "-max(intervals, .jitterMs) (50 or more) < -60",
		"max(intervals, .jitterMs) < 60":      "max(intervals, .jitterMs) (50 or more) < 60",
		"mean(intervals, .mos) < 3":           "mean(intervals, .mos) (2.5 to 3.5) < 3",
		"max(intervals, .packetLossPct) >= 8": "max(intervals, .packetLossPct) (8) >= 8",
	} {
		l := compile(t, src).Explain(facts)[0]
		if l.Text != want {
			t.Errorf("%q, want %q", l.Text, want)
		}
		for _, end := range []*float64{l.Low, l.High, l.Value} {
			if end != nil && math.IsInf(*end, 0) {
				t.Errorf("%s: %v is no number of JSON", src, *end)
			}
		}
	}
	if n := compile(t, "max(intervals, .jitterMs) > 60").Tree(facts).Children[0]; n.Bounds() != "50 or more" || n.High != nil {
		t.Errorf("%+v is %q", n, n.Bounds())
	}
}

// A file that has a macro of a function's name, from before there was the function,
// keeps it.
func TestMacrosOfLaterFunctions(t *testing.T) {
	env := Env{Macros: map[string]string{}}
	for _, name := range laterFunctions() {
		env.Macros[name] = "mos < 3"
	}
	if problems := env.Check(); len(problems) > 0 {
		t.Error(problems)
	}
	for _, name := range laterFunctions() {
		p := compileIn(t, name+" or max(intervals, .mos) > 9 - 5", env)
		if got := p.Eval(load(scored(2))); got.Truth != True {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// Within a window function, functions over elements ask each call; beside it they
// have no call to ask.
func TestFunctionsOverElementsInWindows(t *testing.T) {
	facts := load(jittery())
	var figures Figures
	for _, src := range []string{"avg(sum(intervals, .packetsLost)) > 3", "rate(longest(intervals, .packetLossPct > 5) >= 3) > 0.1", "rate(max(intervals, .jitterMs) > 60) > 0.1", "floor(100 * rate(answered)) > 20"} {
		if p, problems := CompileWindow(src, Env{}, &figures); p == nil {
			t.Fatalf("%s: %v", src, problems)
		}
	}
	if n, ok, err := figures.Args[0].Number(facts); n != 7 || !ok || err != nil {
		t.Errorf("%s = %v %v %v", figures.Args[0].Text, n, ok, err)
	}
	for i, want := range map[int]Class{1: Matching, 2: Partial} {
		if got, err := figures.Args[i].Classify(facts); got != want || err != nil {
			t.Errorf("%s is %v %v, want %v", figures.Args[i].Text, got, err, want)
		}
	}
	blind := event(call.Facts{})
	blind.Intervals = make([]call.Interval, 2)
	if got, err := figures.Args[2].Classify(load(blind)); got != Blind || err != nil {
		t.Errorf("%v %v", got, err)
	}
	for src, hint := range map[string]string{
		"max(intervals, .jitterMs) > 30":             "avg(max(intervals, .jitterMs))",
		"sum(intervals, .jitterMs) > 30":             "avg(max(intervals, .jitterMs))",
		"longest(intervals, .packetLossPct > 5) > 2": "rate(any(intervals",
		"mean(mos) < 3":                              "avg(mos)",
	} {
		p, problems := CompileWindow(src, Env{}, &Figures{})
		if p != nil || len(problems) != 1 || problems[0].Code != CodeOneCall || !strings.Contains(problems[0].Hint, hint) {
			t.Errorf("%s: %+v", src, problems)
		}
	}
}
