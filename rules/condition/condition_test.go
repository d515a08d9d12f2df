package condition

import (
	"slices"
	"strings"
	"testing"
	"time"

	"callwatch/call"

	"github.com/google/go-cmp/cmp"
)

func compile(t testing.TB, src string) *Program {
	t.Helper()
	return compileIn(t, src, Env{})
}

func compileIn(t testing.TB, src string, env Env) *Program {
	t.Helper()
	p, problems := Compile(src, env)
	if p == nil {
		t.Fatalf("Compile(%q): %v", src, problems)
	}
	return p
}

func load(e call.Event) *Facts {
	f := new(Facts)
	f.Load(&e)
	return f
}

func event(facts call.Facts) call.Event { return call.Event{Facts: facts} }

// lostOnly and scored are the two halves of what a call may have reported.
func lostOnly(lost int64) call.Event { return event(call.Facts{PacketsLost: &lost}) }
func scored(mos float64) call.Event  { return event(call.Facts{MOS: &mos}) }

func TestEval(t *testing.T) {
	neither := call.Event{}
	both := event(call.Facts{PacketsLost: new(int64(3)), MOS: new(4.2)})
	for _, c := range []struct {
		src  string
		on   call.Event
		want Truth
	}{
		// Unknown never matches, in either polarity.
		{"mos < 3.5", neither, Unknown},
		{"not (mos >= 3.5)", neither, Unknown},
		{"!(mos >= 3.5)", neither, Unknown},
		{"mos != 4", neither, Unknown},
		{"not (mos == 4)", neither, Unknown},
		{"mos < 3.5 or mos >= 3.5", neither, Unknown},

		// The known side decides, whichever side it is.
		{"packetsLost > 50 || mos < 3.5", lostOnly(312), True},
		{"mos < 3.5 || packetsLost > 50", lostOnly(312), True},
		{"packetsLost > 50 || mos < 3.5", lostOnly(3), Unknown},
		{"mos < 3.5 || packetsLost > 50", lostOnly(3), Unknown},
		{"packetsLost > 50 || mos < 3.5", scored(3.1), True},
		{"mos < 3.5 || packetsLost > 50", scored(3.1), True},
		{"packetsLost > 50 || mos < 3.5", neither, Unknown},
		{"packetsLost > 50 || mos < 3.5", both, False},
		{"mos < 3.5 || packetsLost > 50", both, False},
		{"packetsLost > 50 && mos < 3.5", lostOnly(3), False},
		{"mos < 3.5 && packetsLost > 50", lostOnly(3), False},
		{"packetsLost > 50 && mos < 3.5", lostOnly(312), Unknown},
		{"mos < 3.5 && packetsLost > 50", lostOnly(312), Unknown},

		// Asking about the knowledge itself.
		{"mos == nil", neither, True},
		{"nil != mos", neither, False},
		{"mos != nil && mos < 3.5", neither, False},
		{"mos < 3.5 && mos != nil", neither, False},
		{"(mos ?? 5) < 3.5", neither, False},
		{"(mos ?? 1) < 3.5", neither, True},
		{"(mos ?? mosEstimate ?? 1) < 3.5", neither, True},
		{"(mos + 1) == nil", neither, True},

		// Conditionals.
		{"answered ? mos < 3.5 : mos < 3.5", scored(3.1), True},
		{"answered ? mos < 3.5 : mos > 3.5", scored(3.1), Unknown},
		{"(answered ? 1 : 1) == 1", neither, True},
		{"(mos < 4 ? nil : 1) == nil", scored(3.1), True},

		// Arithmetic and texts with unknown operands.
		{"packetsLost + mos > 1", lostOnly(3), Unknown},
		{"-mos < 0", neither, Unknown},
		{"min(mos, packetsLost) < 5", lostOnly(3), Unknown},
		{"codec startsWith \"g7\"", neither, Unknown},
		{"lower(codec) == \"opus\"", neither, Unknown},
		{"codec matches \"^g7\"", neither, Unknown},
		{"codec not in [\"opus\"]", neither, Unknown},
		{"len(tags) > 0", neither, Unknown},
		{"\"vip\" in tags", neither, Unknown},
		{"from[0:3] == \"+49\"", neither, Unknown},
	} {
		p := compile(t, c.src)
		if got := p.Eval(load(c.on)); got != (Result{Truth: c.want}) {
			t.Errorf("%s = %v, want %v", c.src, got, c.want)
		}
	}
}

func rich() call.Event {
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	e := event(call.Facts{
		MOS: new(3.12), PacketsLost: new(int64(312)), PacketsReceived: new(int64(1000)), JitterMs: new(40.0),
		SIPCode: new(int64(503)), Status: call.Busy, Codec: "G729", From: "+4915112345678", To: "+15551230000",
		Answered: new(false), StartedAt: at, EndedAt: at.Add(90 * time.Second),
	})
	e.Provider, e.Tags = "telnyx", []string{"vip", "eu"}
	e.Intervals = []call.Interval{
		{Start: at, MOS: new(3.0), PacketsReceived: new(int64(0)), PacketsLost: new(int64(1))},
		{Start: at.Add(time.Minute), JitterMs: new(50.0)},
		{MOS: new(4.1), JitterMs: new(5.0)},
	}
	e.Raw = map[string]any{
		"score": 7.0, "rtt": "120.5", "word": "abc", "flag": "true", "on": true, "nothing": nil, "odd name": 1.0,
		"key": "word", "nums": []any{7.0, int64(3)}, "off": "FALSE",
		"deep": map[string]any{"codes": []any{404.0, "x", "503"}},
	}
	return e
}

func TestEvalRich(t *testing.T) {
	facts := load(rich())
	env := Env{
		Lists:  map[string][]string{"carriers": {"+4915112345678", "x"}},
		Macros: map[string]string{"poor": "jitterMs > 30 || rttMs > 500", "share": "packetsLost / packetsReceived", "very_poor": "poor && share > 0.2"},
	}
	for src, want := range map[string]Truth{
		"poor": True, "very_poor": True, "not very_poor": False, "share * 100 > 31": True, "poor && mos > 4": False,
		"from in carriers": True, "to in carriers": False, "to not in carriers": True,
		"sipCode in 500..599": True, "sipCode in [408, 503]": True, "sipCode not in [408, 500]": True,
		"status in [\"busy\", \"failed\"]": True, "endedAt - startedAt == 90": True, "startedAt < endedAt": True,
		"startedAt > date(\"2026-02-28\")": True, "startedAt == date(\"2026-03-01T12:00:00Z\")": True,
		"\"vip\" in tags": True, "tags[0] == \"vip\"": True, "tags[-1] == \"eu\"": True, "tags[7] == \"eu\"": Unknown,
		"tags == [\"vip\", \"eu\"]": True, "tags[0:1] == [\"vip\"]": True, "any(tags, # startsWith \"e\")": True,
		"codec | lower() == \"g729\"": True, "len(codec) == 4": True, "from[0:3] + \"!\" == \"+49!\"": True,
		"not answered": True, "1 < mos < 4": True, "packetsLost % 10 == 2": True, "2 ** 3 == 8 && mos > 3": True,

		// Members of intervals.
		"any(intervals, .mos < 3.5)": True, "any(intervals, .mos < 2)": Unknown, "all(intervals, .mos > 2)": Unknown,
		"all(intervals, .mos > 3.5)": False, "none(intervals, .mos < 2)": Unknown, "none(intervals, .mos < 3.5)": False,
		"one(intervals, .mos < 3.5)": Unknown, "one(intervals, .mos > 1)": False, "count(intervals, .mos > 1) == 2": Unknown, "count(intervals, .mos > 1) >= 1": True, "count(intervals, .mos > 1) > 3": False,
		"len(filter(intervals, .jitterMs > 1)) == 2": Unknown, "len(filter(intervals, .jitterMs > 1)) >= 2": True, "intervals[0].mos < 3.5": True, "intervals[1].mos < 3.5": Unknown,
		"any(filter(intervals, .mos != nil), .mos > 4)": True, "all(intervals, .rttMs == nil)": True, "one(intervals, #.start == nil)": True,
		"intervals[9].mos < 3.5": Unknown, "any(intervals, .held)": False, "any(intervals, .audioLevel <= 0.001)": Unknown,
		"any(intervals, .concealedPct > 1)": Unknown, "any(intervals, .jitterBufferMs > 1)": Unknown, "any(intervals, .packetsDiscarded > 1)": Unknown,

		// raw: by type, numbers and truth values given as text are read.
		"raw.score > 5": True, "raw.rtt > 100": True, "raw[\"odd name\"] == 1": True, "raw.deep.codes[0] == 404": True,
		"raw.word > 1": Unknown, "not (raw.word > 1)": Unknown, "raw.word == 1": Unknown, "raw.word != 1": Unknown,
		"raw.score == \"7\"": True, "raw.score == \"abc\"": Unknown, "raw.word == \"abc\"": True, "raw.word contains \"b\"": True,
		"raw.score contains \"7\"": Unknown, "raw.flag == true": True, "raw.on == true": True, "raw.on != false": True,
		"raw.nothing == nil": True, "raw.absent.x == nil": True, "raw.absent.x > 1": Unknown, "raw?.deep?.codes != nil": True,
		"raw.rtt * 2 == 241": True, "(raw.absent ?? 3) == 3": True, "\"word\" in raw": True, "\"wrod\" in raw": False,
		"404 in raw.deep.codes": True, "503 in raw.deep.codes": True, "7 in raw.deep.codes": Unknown, "any(raw.deep.codes, # == \"x\")": True,
		"raw.word in [\"abc\", \"d\"]": True, "raw.deep > 1": Unknown, "max(raw.score, mos) == 7": True, "len(raw.deep.codes) == 3": True,
		"min([mos, 5]) < 4": True, "max([1, rttMs]) > 0": True, "max([1, rttMs]) > 1": Unknown, "min([1, rttMs]) > 1": False, "max(raw.deep.codes) > 1": Unknown, "max(raw.nums) == 7": True,
		"min(raw.nums[1:]) == 3": True, "max(raw.none) > 1": Unknown, "raw[raw.key] == \"abc\"": True, "raw[codec] == 1": Unknown,
		"intervals[len(tags)].jitterMs == 5": True, "(answered ? intervals[0] : intervals[2]).mos > 4": True, "raw.nums == [7, 3]": True,
		"raw.nums == [7, 4]": False, "raw.nums != [7]": True, "raw.nums == [rttMs, 3]": Unknown, "raw.off == false": True, "raw.word == true": Unknown,
		"mos < (raw.absent == 1 ? 9 : 8)": True, "mos < (raw.absent == 1 ? 9 : 1)": Unknown, "mos < (raw.absent == 1 ? 0.5 : 1)": False,
		"mos < (raw.absent == 1 ? 9 : rttMs)": Unknown, "mos + (raw.absent == 1 ? 1 : 2) > 2": True, "(raw.absent == 1 ? \"a\" : \"b\") < \"c\"": Unknown,
		"len(raw) > 3": True, "raw.deep == raw.deep": Unknown, "codec[9:12] == \"\"": True, "\"a\" + raw.word == \"aabc\"": True,
		"len(raw.score) == 1": Unknown, "raw.word < \"abd\"": True, "raw.score == raw.score": True,
	} {
		p := compileIn(t, src, env)
		if got := p.Eval(facts); got != (Result{Truth: want}) {
			t.Errorf("%s = %v, want %v", src, got, want)
		}
	}
}

// An error is no answer: it shows only where no other operand decides.
func TestRunTimeErrors(t *testing.T) {
	e := rich()
	e.TurnCount, e.MOS = new(int64(0)), new(4.2)
	facts := load(e)
	for src, want := range map[string]string{
		"packetsLost / turnCount > 1":                                "packetsLost / turnCount: division by zero",
		"packetsLost % turnCount > 1":                                "packetsLost % turnCount: division by zero",
		"not (packetsLost / turnCount > 1)":                          "packetsLost / turnCount: division by zero",
		"(packetsLost / turnCount) == nil":                           "packetsLost / turnCount: division by zero",
		"((packetsLost / turnCount) ?? 0) == 0":                      "packetsLost / turnCount: division by zero",
		"1000 ** packetsLost > 1":                                    "1000 ** packetsLost: the result is out of range",
		"(-mos) ** 0.5 > 1":                                          "(-mos) ** 0.5: the result is out of range",
		"mos < 3.5 || packetsLost / turnCount > 1":                   "packetsLost / turnCount: division by zero",
		"rttMs > 3.5 || packetsLost / turnCount > 1":                 "packetsLost / turnCount: division by zero",
		"count(intervals, .packetsLost / .packetsReceived > 0) == 0": ".packetsLost / .packetsReceived: division by zero",
	} {
		got := compile(t, src).Eval(facts)
		if got.Truth != Unknown || got.Err == nil || got.Err.Error() != want {
			t.Errorf("%s = %v, want the error %q", src, got, want)
		}
	}
	for _, src := range []string{"turnCount == 0 || packetsLost / turnCount > 1", "packetsLost / turnCount > 1 || turnCount == 0"} {
		if got := compile(t, src).Eval(facts); got != (Result{Truth: True}) {
			t.Errorf("%s = %v, want True: the other operand decides", src, got)
		}
	}
}

// Work that grows with the product of list, text and expression is given up, in
// far less than a second (the limit here is for slow machines under -race).
func TestEvaluationIsBounded(t *testing.T) {
	e := rich()
	long := make([]any, 8000)
	for i := range long {
		long[i] = float64(i)
	}
	e.Raw = map[string]any{"l": long}
	e.ErrorMessage = strings.Repeat("ab", 8000)
	facts := load(e)
	for _, src := range []string{
		"any(raw.l, 9000 in raw.l)",
		`any(raw.l, errorMessage matches "(a|b|ab){100}c")`,
		`any(raw.l, errorMessage contains "abababababababababac")`,
		"any(raw.l, len(errorMessage) == 1)",
		`any(raw.l, lower(upper(errorMessage)) == "x")`,
		"errorMessage" + strings.Repeat(" + errorMessage", 240) + ` == "x"`,
		"any(raw.l, raw.l == [1] || # < 0" + strings.Repeat(" || # ** 2 == 2 && # / 3 == 1 || # % 3 == 5", 20) + ")",
	} {
		p := compile(t, src)
		began := time.Now()
		if got := p.Eval(facts); got != (Result{Unknown, ErrTooLong}) {
			t.Errorf("%.60s = %v, want ErrTooLong", src, got)
		}
		if took := time.Since(began); took > time.Minute {
			t.Errorf("%.60s took %v", src, took)
		} else {
			t.Logf("%.60s: %v", src, took)
		}
	}
}

func TestMissing(t *testing.T) {
	facts := load(rich())
	for src, want := range map[string][]string{
		"mos < 3.5":                                nil,
		"rttMs > 500":                              {"rttMs"},
		"rttMs > 500 || mos < 3.5":                 nil,
		"rttMs > 500 || mos > 3.5":                 {"rttMs"},
		"(rttMs > 500 && mos < 2) || rFactor < 50": {"rFactor"},
		"rFactor < 50 || not (rttMs > 500)":        {"rFactor", "rttMs"},
		"rttMs + rFactor > rttMs":                  {"rttMs", "rFactor"},
		"raw.word > 3":                             {"raw.word"},
		"raw.deep.none == 1":                       {"raw.deep.none"},
		"any(intervals, .mos < 2)":                 {"intervals.mos"},
		"any(mosMissing, # == \"delay\")":          {"mosMissing"},
		"intervals[1].mos < 2":                     {"intervals.mos"},
		"(rttMs ?? rFactor) > 1":                   {"rttMs", "rFactor"},
		"shortCall ? rttMs > 1 : mos > 4":          {"shortCall", "rttMs"},
	} {
		if diff := cmp.Diff(want, compile(t, src).Missing(facts)); diff != "" {
			t.Errorf("%s: missing (-want +got)\n%s", src, diff)
		}
	}
}

// shown is what a leaf says.
type shown struct {
	Expr, Text string
	Truth      Truth
}

func TestExplain(t *testing.T) {
	e := rich()
	e.ErrorMessage, e.HangupCode = strings.Repeat("é", 90), new(int64(0))
	facts := load(e)
	env := Env{Macros: map[string]string{"poor": "jitterMs > 30 || rttMs > 500"}, Lists: map[string][]string{"ours": {"+1"}}}
	for src, want := range map[string][]shown{
		"packetsLost>50||mos<3.5": {
			{"packetsLost > 50", "packetsLost (312) > 50", True},
			{"mos < 3.5", "mos (3.12) < 3.5", True},
		},
		"not (mos >= 3.5)":                    {{"mos < 3.5", "mos (3.12) < 3.5", True}},
		"not (mos < 3.5 and not poor)":        {{"mos >= 3.5", "mos (3.12) >= 3.5", False}, {"jitterMs > 30", "jitterMs (40) > 30", True}, {"rttMs > 500", "rttMs (unknown) > 500", Unknown}},
		"mos < 3.1201":                        {{"mos < 3.1201", "mos (3.12) < 3.1201", True}},
		"mos < 3.12":                          {{"mos < 3.12", "mos (3.12) < 3.12", False}},
		"packetsLost / packetsReceived > 0.3": {{"packetsLost / packetsReceived > 0.3", "packetsLost (312) / packetsReceived (1000) > 0.3", True}},
		"packetsLost * 1000000 > 1e6":         {{"packetsLost * 1000000 > 1000000", "packetsLost (312) * 1000000 > 1000000", True}},
		"not answered":                        {{"not answered", "answered (false)", True}},
		"answered":                            {{"answered", "answered (false)", False}},
		"status == 'busy'":                    {{`status == "busy"`, `status ("busy") == "busy"`, True}},
		"not (rttMs == nil)":                  {{"rttMs != nil", "rttMs (unknown) != nil", False}},
		"from not in ours":                    {{"from not in ours", `from ("+4915112345678") not in ours`, True}},
		"!(codec matches '^g')":               {{`codec not matches "^g"`, `codec ("G729") not matches "^g"`, True}},
		"startedAt < date('2026-03-02')":      {{`startedAt < date("2026-03-02T00:00:00Z")`, `startedAt (2026-03-01T12:00:00Z) < date("2026-03-02T00:00:00Z")`, True}},
		"count(intervals, .mos < 3.5) >= 1":   {{"count(intervals, .mos < 3.5) >= 1", "count(intervals, .mos < 3.5) (1 or more) >= 1", True}},
		"not any(intervals, .mos < 3.5)":      {{"not any(intervals, .mos < 3.5)", "any(intervals, .mos < 3.5) (true)", False}},
		"raw.deep['x y'] == 1":                {{`raw.deep["x y"] == 1`, `raw.deep["x y"] (unknown) == 1`, Unknown}},
		"(packetsLost + 1) * 2 > 3":           {{"(packetsLost + 1) * 2 > 3", "(packetsLost (312) + 1) * 2 > 3", True}},
		`errorMessage == "x"`:                 {{`errorMessage == "x"`, "errorMessage (\"" + strings.Repeat("é", 80) + "...\") == \"x\"", False}},
		"raw.deep != nil":                     {{"raw.deep != nil", "raw.deep (object) != nil", True}},
		"intervals == nil":                    {{"intervals == nil", "intervals (3 intervals) == nil", False}},
		"raw.deep.codes == [1]":               {{"raw.deep.codes == [1]", `raw.deep.codes ([404, "x", "503"]) == [1]`, False}},
		"packetsLost / hangupCode > 1":        {{"packetsLost / hangupCode > 1", "packetsLost (312) / hangupCode (0) > 1", Unknown}},
		"'vip' in tags":                       {{`"vip" in tags`, `"vip" in tags (["vip", "eu"])`, True}},
	} {
		var got []shown
		for _, l := range compileIn(t, src, env).Explain(facts) {
			got = append(got, shown{l.Expr, l.Text, l.Truth})
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: leaves (-want +got)\n%s", src, diff)
		}
	}
}

// The leaf of a negation is the comparison that holds exactly where it does not.
func TestExplainNegations(t *testing.T) {
	for _, symbol := range []string{"<", "<=", ">", ">=", "==", "!="} {
		for _, mos := range []float64{3, 3.5, 4} {
			facts := load(scored(mos))
			src := "not (mos " + symbol + " 3.5)"
			leaf := compile(t, src).Explain(facts)[0]
			if again := compile(t, leaf.Expr).Eval(facts).Truth; strings.Contains(leaf.Expr, "not") || leaf.Truth != again || leaf.Truth != compile(t, src).Eval(facts).Truth {
				t.Errorf("%s at %v: leaf %v, which is %v", src, mos, leaf, again)
			}
		}
	}
}

// A number is shown with two decimals, and with more only where they would show
// it on the other side of the limit.
func TestExplainRounding(t *testing.T) {
	p := compile(t, "mos < 3.5")
	for mos, want := range map[float64]string{3.123456: "mos (3.12) < 3.5", 3.4999: "mos (3.4999) < 3.5", 3.5: "mos (3.5) < 3.5", 2: "mos (2) < 3.5"} {
		if got := p.Explain(load(scored(mos)))[0].Text; got != want {
			t.Errorf("mos %v reads %q, want %q", mos, got, want)
		}
	}
}

func TestMargin(t *testing.T) {
	p := compile(t, "not (mos >= 3.5) || packetsLost > 100")
	worse, better := p.Margin(load(scored(2))), p.Margin(load(scored(3.4)))
	if !(worse > better && better > 0) {
		t.Errorf("margins of mos 2 and 3.4: %v, %v", worse, better)
	}
	if got := p.Margin(load(scored(4))); got != 0 {
		t.Errorf("margin of a call that does not match: %v", got)
	}
	if got := p.Margin(load(lostOnly(300))); got != 2 {
		t.Errorf("margin of 300 lost packets beyond 100: %v, want 2", got)
	}
}

func TestTree(t *testing.T) {
	p := compileIn(t, "bad && rttMs / 2 > 5 || any(tags, # == 'vip')", Env{Macros: map[string]string{"bad": "mos < 3.5"}})
	want := Node{
		Expr: `mos < 3.5 && rttMs / 2 > 5 || any(tags, # == "vip")`, Truth: True,
		Children: []Node{
			{Expr: "mos < 3.5 && rttMs / 2 > 5", Truth: Unknown, Children: []Node{
				{Expr: "mos < 3.5", Macro: "bad", Truth: True, Children: []Node{{Expr: "mos", Value: 3.12}}},
				{Expr: "rttMs / 2 > 5", Truth: Unknown, Children: []Node{{Expr: "rttMs / 2", Children: []Node{{Expr: "rttMs"}}}}},
			}},
			{Expr: `any(tags, # == "vip")`, Truth: True, Children: []Node{{Expr: "tags", Value: []any{"vip", "eu"}}}},
		},
	}
	if diff := cmp.Diff(want, p.Tree(load(rich()))); diff != "" {
		t.Errorf("tree (-want +got)\n%s", diff)
	}
}

// Parentheses are where they are needed and nowhere else.
func TestNormalizedText(t *testing.T) {
	for src, want := range map[string]string{
		"((mos)<3.50)":                               "mos < 3.5",
		"mos - (rttMs - jitterMs) > 1":               "mos - (rttMs - jitterMs) > 1",
		"(mos - rttMs) - jitterMs > 1":               "mos - rttMs - jitterMs > 1",
		"mos * (rttMs + 1) > (2 ** mos) ** 2":        "mos * (rttMs + 1) > (2 ** mos) ** 2",
		"-(mos + 1) < (-mos) ** 2":                   "-(mos + 1) < (-mos) ** 2",
		"answered and (shortCall or mos < 3)":        "answered && (shortCall || mos < 3)",
		"(answered and shortCall) or mos < 3":        "answered && shortCall || mos < 3",
		"!(answered && shortCall)":                   "not (answered && shortCall)",
		"(mos < 3) == answered":                      "(mos < 3) == answered",
		"(answered ? mos : rttMs) > 1":               "(answered ? mos : rttMs) > 1",
		"(mos ?? rttMs ?? 1) > 1":                    "(mos ?? rttMs ?? 1) > 1",
		"(mos ?? (rttMs + 1)) > 1":                   "(mos ?? (rttMs + 1)) > 1",
		"tags[0] == 'a' && from[:3] != \"b\"":        `tags[0] == "a" && from[:3] != "b"`,
		"any(intervals, #.mos < 3) && raw['x'] == 1": "any(intervals, .mos < 3) && raw.x == 1",
		"any(tags, # in ['a', \"b\"])":               `any(tags, # in ["a", "b"])`,
		"not (sipCode in 400 .. 499)":                "not (sipCode in 400..499)",
		"((-2) ?? mos) < 3 && (-2) ** mos > 1":       "((-2) ?? mos) < 3 && (-2) ** mos > 1",
		"60 * 2 < durationSec":                       "120 < durationSec",
	} {
		if got := compile(t, src).String(); got != want {
			t.Errorf("%s\nreads %s\nwant  %s", src, got, want)
		}
	}
}

func TestFields(t *testing.T) {
	p := compileIn(t, "low || packetsLost > mos && raw.x == 1", Env{Macros: map[string]string{"low": "mos < 3.5"}})
	if want := []string{"mos", "packetsLost", "raw"}; !slices.Equal(p.Fields(), want) {
		t.Errorf("fields %v, want %v", p.Fields(), want)
	}
}
