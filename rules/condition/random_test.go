package condition

import (
	"strings"
	"time"

	"callwatch/call"

	"pgregory.net/rapid"
)

// gen makes random expressions of a wanted type over the fields that known fills.
type gen struct {
	*rapid.T
	closure  bool // within a predicate over intervals
	strictly bool // only operators that more knowledge cannot overturn
}

func (g gen) pick(options ...string) string { return rapid.SampledFrom(options).Draw(g.T, "pick") }

func (g gen) number(depth int) string {
	if depth <= 0 || g.pick("leaf", "node") == "leaf" {
		if g.closure && g.pick("member", "field") == "member" {
			return g.pick(".mos", ".jitterMs", "#.packetsLost")
		}
		return g.pick("mos", "packetsLost", "jitterMs", "rttMs", "sipCode", "durationSec", "packetsReceived",
			"raw.score", "raw.n.deep", "2", "3.5", "30", "0", "7", "1000", "(endedAt - startedAt)", "intervals[0].mos", "intervals[-1].jitterMs")
	}
	d := depth - 1
	switch g.pick("+", "-", "*", "/", "%", "**", "neg", "abs", "round", "min", "max", "?:", "??", "len", "count", "range", "rounded", "aggregate", "aggregate", "converted") {
	case "+":
		return "(" + g.number(d) + " + " + g.number(d) + ")"
	case "-":
		return "(" + g.number(d) + " - " + g.number(d) + ")"
	case "*":
		return g.factor(d) + " * " + g.factor(d)
	case "/":
		return g.factor(d) + " / " + g.factor(d)
	case "%":
		return g.pick("packetsLost", "sipCode", "len(tags)") + " % " + g.pick("3", "packetsReceived", "7")
	case "**":
		return g.factor(d) + " ** " + g.pick("2", "0", "1")
	case "neg":
		return "-(" + g.number(d) + ")"
	case "abs", "round":
		return g.pick("abs", "round") + "(" + g.number(d) + ")"
	case "min", "max":
		return g.pick("min", "max") + "(" + g.number(d) + ", " + g.number(d) + ")"
	case "?:":
		return "(" + g.bool(d) + " ? " + g.number(d) + " : " + g.number(d) + ")"
	case "rounded":
		return g.pick("floor", "ceil", "int") + "(" + g.number(d) + ")"
	case "converted":
		return g.pick(`float("3.5")`, `int("12")`, "float(packetsLost)", "first([7, mos])", "last([mos, 7])", "len(split(codec, \"p\"))")
	case "aggregate":
		if g.closure {
			return "4"
		}
		return g.pick("max", "min", "sum", "mean", "median") + g.pick("(intervals, .jitterMs)", "(intervals, .packetsLost)", "(intervals, .mos + #.jitterMs)",
			"([mos, 3, rttMs])", "(map(intervals, .jitterMs))", "(intervals, .packetsLost * 2)")
	case "len":
		return "len(" + g.pick("codec", "tags", "from", "intervals", "raw.list") + ")"
	case "??":
		if g.strictly {
			return "max([1, 2, 3])"
		}
		return "(" + g.factor(d) + " ?? " + g.factor(d) + ")"
	default:
		if g.closure {
			return "5"
		}
		inner := g
		inner.closure = true
		if g.pick("count", "filter") == "count" {
			return "count(intervals, " + inner.bool(1) + ")"
		}
		return "len(filter(intervals, " + inner.bool(1) + "))"
	}
}

func (g gen) factor(d int) string { return "(" + g.number(d) + ")" }

func (g gen) text(depth int) string {
	if depth <= 0 || g.pick("leaf", "node") == "leaf" {
		return g.pick("codec", "from", "status", "raw.word", "region", `"opus"`, `"+49"`, `"x"`, "tags[0]", "from[1:3]", "codec[:2]")
	}
	if !g.closure && g.pick("join", "call") == "join" {
		return "(" + g.pick("codec", "from", `"x"`) + " + " + g.text(0) + ")"
	}
	if g.pick("call", "parts") == "parts" {
		return g.pick(`replace(codec, "p", "b")`, `split(from, "1")[0]`, "string(packetsLost)", "string(answered)", `last(split(codec, "p"))`, "string(sipCode)")
	}
	return g.pick("lower", "upper", "trim") + "(" + g.text(depth-1) + ")"
}

func (g gen) bool(depth int) string {
	if depth <= 0 {
		switch g.pick("number", "text", "field") {
		case "number":
			return g.number(0) + " " + g.pick("<", "<=", ">", ">=", "==", "!=") + " " + g.number(0)
		case "text":
			return g.text(0) + " " + g.pick("==", "!=", "<", ">=", "contains", "startsWith", "endsWith", "not contains") + " " + g.text(0)
		default:
			return g.pick("answered", "shortCall", "raw.on == true", "raw.on != false", "startedAt < endedAt", `hasPrefix(codec, "g")`, `hasSuffix(from, "8")`)
		}
	}
	d := depth - 1
	switch g.pick("and", "or", "not", "not", "compare", "compare", "text", "in", "matches", "?:", "nil", "predicate", "predicate", "lists") {
	case "and":
		return "(" + g.bool(d) + g.pick(" and ", " && ") + g.bool(d) + ")"
	case "or":
		return "(" + g.bool(d) + g.pick(" or ", " || ") + g.bool(d) + ")"
	case "not":
		return g.pick("not (", "!(") + g.bool(d) + ")"
	case "compare":
		return g.number(d) + g.pick(" < ", " <= ", " > ", " >= ", " == ", " != ") + g.number(d)
	case "text":
		return g.text(d) + g.pick(" == ", " != ", " < ", " contains ", " startsWith ", " endsWith ") + g.text(d)
	case "in":
		return g.pick(`codec in ["opus", "x", "g729"]`, `sipCode not in [200, 404, 503]`, "sipCode in 400..599", `"vip" in tags`,
			`status in ["busy", "failed"]`, `"word" in raw`, `raw.word in ["abc", "x"]`, "3 in raw.list", "packetsLost in [2, rttMs, mos]")
	case "matches":
		return g.pick("codec", "from", "raw.word") + " matches " + g.pick(`"^g7"`, `"^\\+4[0-9]+$"`, `"b"`)
	case "?:":
		return "(" + g.bool(d) + " ? " + g.bool(d) + " : " + g.bool(d) + ")"
	case "lists":
		return g.pick(`tags == ["vip", "eu"]`, `tags[0:1] != ["vip"]`, "1 < mos < 4")
	case "nil":
		if g.strictly {
			return "answered == shortCall"
		}
		return g.pick("mos", "codec", "rttMs", "raw.absent", "raw.word", "tags") + g.pick(" == nil", " != nil")
	default:
		if g.closure {
			return ".mos < 3.5"
		}
		inner := g
		inner.closure = true
		return g.pick("any", "all", "none", "one") + "(intervals, " + inner.bool(d) + ")"
	}
}

// known is an event on which every field that gen names is known.
func known(t *rapid.T) call.Event {
	number := rapid.SampledFrom([]float64{0, 1, 2, 3, 3.5, 4.2, 7, 30, 100.25})
	count := rapid.SampledFrom([]int64{0, 1, 2, 3, 7, 30, 503})
	word := rapid.SampledFrom([]string{"opus", "g729", "G711", " x ", "+4915112345678", "abc", "busy"})
	truth := rapid.Bool()
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	e := event(call.Facts{
		MOS: new(number.Draw(t, "mos")), PacketsLost: new(count.Draw(t, "lost")), PacketsReceived: new(count.Draw(t, "received")),
		JitterMs: new(number.Draw(t, "jitter")), RTTMs: new(number.Draw(t, "rtt")), DurationSec: new(number.Draw(t, "duration")),
		SIPCode: new(count.Draw(t, "sip")), Codec: word.Draw(t, "codec"), From: word.Draw(t, "from"), Status: word.Draw(t, "status"),
		Answered: new(truth.Draw(t, "answered")), ShortCall: new(truth.Draw(t, "short")),
		StartedAt: at, EndedAt: at.Add(time.Duration(count.Draw(t, "seconds")) * time.Second),
	})
	e.Region, e.Tags = word.Draw(t, "region"), []string{rapid.SampledFrom([]string{"vip", "x"}).Draw(t, "tag"), "eu"}
	for range rapid.IntRange(1, 3).Draw(t, "intervals") {
		e.Intervals = append(e.Intervals, call.Interval{
			Start: at, MOS: new(rapid.SampledFrom([]float64{1, 2, 3, 3.5, 4.2}).Draw(t, "mos")), JitterMs: new(number.Draw(t, "jitter")), PacketsLost: new(count.Draw(t, "lost")),
		})
	}
	e.Raw = map[string]any{
		"score": number.Draw(t, "score"), "n": map[string]any{"deep": number.Draw(t, "deep")}, "word": word.Draw(t, "word"),
		"on": truth.Draw(t, "on"), "list": []any{1.0, 2.0, number.Draw(t, "element")},
	}
	return e
}

// forget makes some facts of an event unknown.
func forget(t *rapid.T, e call.Event) call.Event {
	drop := func(name string) bool { return rapid.IntRange(0, 2).Draw(t, "forget "+name) == 0 }
	if drop("mos") {
		e.MOS = nil
	}
	if drop("lost") {
		e.PacketsLost = nil
	}
	if drop("jitter") {
		e.JitterMs = nil
	}
	if drop("sip") {
		e.SIPCode = nil
	}
	if drop("codec") {
		e.Codec = ""
	}
	if drop("answered") {
		e.Answered = nil
	}
	if drop("started") {
		e.StartedAt = time.Time{}
	}
	if drop("tags") {
		e.Tags = nil
	}
	if drop("raw") {
		e.Raw = nil
	}
	if drop("interval") {
		e.Intervals = append([]call.Interval(nil), e.Intervals...)
		e.Intervals[0].MOS = nil
	}
	return e
}

// drawn compiles a random expression; nil where it cannot be meant (a lint).
func drawn(t *rapid.T, src string) *Program {
	p, problems := Compile(src, Env{})
	for _, problem := range problems {
		if problem.Severity == Warning {
			continue
		}
		switch problem.Code {
		case CodeNeverHolds, CodeAlwaysHolds, CodeUnknownValue, CodeArithmetic:
		case CodeType:
			// Comparisons of members of raw with times or lists, which gen does not exclude.
			if !strings.Contains(problem.Message, "any type") {
				t.Fatalf("%s\n%s", src, said(problems))
			}
		default:
			t.Fatalf("%s\n%s", src, said(problems))
		}
	}
	return p
}

// machineEnv is an event as expr-lang's own machine sees it.
func machineEnv(e call.Event) map[string]any {
	env := map[string]any{}
	for _, f := range call.Fields() {
		if v := f.Value(&e); v != nil {
			env[f.Name] = v
		}
	}
	var intervals []map[string]any
	for _, iv := range e.Intervals {
		intervals = append(intervals, map[string]any{"mos": *iv.MOS, "jitterMs": *iv.JitterMs, "packetsLost": *iv.PacketsLost})
	}
	env["intervals"] = intervals
	return env
}
