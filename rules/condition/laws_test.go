package condition

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/expr-lang/expr"
	"pgregory.net/rapid"
)

// Where everything is known, the outcome is that of expr-lang's own machine.
// Left out are division by zero (an error here, an infinity there) and seconds
// between times (durations there).
func TestAgreesWithExprMachine(t *testing.T) {
	judgedCases, agreed := 0, 0
	rapid.Check(t, func(t *rapid.T) {
		src := gen{T: t}.bool(rapid.IntRange(0, 4).Draw(t, "depth"))
		e := known(t)
		p := drawn(t, src)
		if p == nil || strings.Contains(src, "endedAt - startedAt") {
			return
		}
		judgedCases++
		got := p.Eval(load(e))
		if got.Err != nil {
			return
		}
		env := machineEnv(e)
		machine, err := expr.Compile(perElement.ReplaceAllString(src, "$1(map(intervals, $2))"), expr.Env(env))
		if err != nil {
			return // an extension: seconds between times, comparisons of any type
		}
		want, err := expr.Run(machine, env)
		if err != nil {
			return
		}
		agreed++
		if truth, ok := want.(bool); !ok || got.Truth != judged(truth).truth() {
			t.Fatalf("%s\n= %v, expr-lang says %v", src, got, want)
		}
	})
	t.Logf("%d compiled, %d compared", judgedCases, agreed)
	if agreed*2 < judgedCases || agreed == 0 {
		t.Errorf("only %d of %d expressions were compared", agreed, judgedCases)
	}
}

// perElement are the functions over elements that expr-lang does not have.
var perElement = regexp.MustCompile(`\b(max|min|mean|median)\(intervals, ([^()]*)\)`)

// The laws of Kleene's logic, for conditions with unknown operands, and those of them
// that hold for operands with errors too. Where a law holds, both sides fail or neither.
func TestKleeneLaws(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		facts := load(forget(t, known(t)))
		var src [3]string
		failing := false
		for i := range src {
			src[i] = "(" + gen{T: t}.bool(1) + ")"
			if rapid.IntRange(0, 5).Draw(t, "error") == 0 {
				src[i] = "(1 / (packetsLost - packetsLost) > 2)"
			}
			p := drawn(t, src[i])
			if p == nil {
				return
			}
			failing = failing || p.Eval(facts).Err != nil
		}
		a, b, c := src[0], src[1], src[2]
		laws := [][2]string{
			{"not not " + a, a},
			{a + " && " + b, b + " && " + a},
			{a + " || " + b, b + " || " + a},
			{"not (" + a + " && " + b + ")", "not " + a + " || not " + b},
			{"not (" + a + " || " + b + ")", "not " + a + " && not " + b},
			{"(" + a + " && " + b + ") && " + c, a + " && (" + b + " && " + c + ")"},
			{"(" + a + " || " + b + ") || " + c, a + " || (" + b + " || " + c + ")"},
		}
		if !failing { // an error that one operand hides shows where the other is repeated
			laws = append(laws, [][2]string{
				{a + " && (" + b + " || " + c + ")", a + " && " + b + " || " + a + " && " + c},
				{a + " || (" + b + " && " + c + ")", "(" + a + " || " + b + ") && (" + a + " || " + c + ")"},
				{a + " || (" + a + " && " + b + ")", a},
			}...)
		}
		for _, law := range laws {
			x, y := drawn(t, law[0]).Eval(facts), drawn(t, law[1]).Eval(facts)
			if x.Truth != y.Truth || (x.Err != nil) != (y.Err != nil) {
				t.Fatalf("%s = %v\n%s = %v", law[0], x, law[1], y)
			}
		}
		negated := drawn(t, "not "+a).Eval(facts).Truth
		if plain := drawn(t, a).Eval(facts).Truth; (plain == Unknown) != (negated == Unknown) || plain == negated && plain != Unknown {
			t.Fatalf("%s = %v, its negation %v", a, plain, negated)
		}
	})
}

// An operand that decides hides an error, and an error hides an unknown, wherever each
// of them holds: with two and three operands, all of the four outcomes of each.
func TestErrorBeforeUnknown(t *testing.T) {
	e := rich()
	e.MOS, e.PacketsLost, e.Answered = nil, new(int64(0)), new(true)
	facts := load(e)
	operands := map[string]string{"true": "answered", "false": "not answered", "unknown": "mos < 3", "error": "1 / packetsLost > 2"}
	outcome := func(src string) string {
		p, problems := Compile(src, Env{})
		if p == nil {
			t.Fatal(src, said(problems))
		}
		switch got := p.Eval(facts); {
		case got.Err != nil && got.Truth == Unknown:
			return "error"
		case got.Err != nil:
			t.Fatalf("%s = %v", src, got)
			return ""
		default:
			return string(got.Truth)
		}
	}
	for name, src := range operands {
		if got := outcome(src); got != name {
			t.Fatalf("%s is %s, want %s", src, got, name)
		}
	}
	for operator, order := range map[string][]string{
		" && ": {"false", "error", "unknown", "true"},
		" || ": {"true", "error", "unknown", "false"},
	} {
		for _, a := range order {
			for _, b := range order {
				for _, c := range append([]string{""}, order...) {
					src, want := operands[a]+operator+operands[b], order[min(slices.Index(order, a), slices.Index(order, b))]
					if c != "" {
						src, want = src+operator+operands[c], order[min(slices.Index(order, want), slices.Index(order, c))]
					}
					if got := outcome(src); got != want {
						t.Errorf("%s is %s, want %s", src, got, want)
					}
				}
			}
		}
	}
}

// What is known from a part of the facts stays true whatever the rest turns out
// to be: Unknown is exact, never a guess.
func TestMoreKnowledgeNeverOverturns(t *testing.T) {
	decided := 0
	rapid.Check(t, func(t *rapid.T) {
		src := gen{T: t, strictly: true}.bool(rapid.IntRange(0, 4).Draw(t, "depth"))
		e := known(t)
		p := drawn(t, src)
		if p == nil {
			return
		}
		part, whole := p.Eval(load(forget(t, e))), p.Eval(load(e))
		if part.Truth == Unknown || whole.Err != nil {
			return
		}
		decided++
		if part.Truth != whole.Truth {
			t.Fatalf("%s\n= %v from a part of the facts, %v from all", src, part.Truth, whole.Truth)
		}
	})
	if decided == 0 {
		t.Error("no expression was decided")
	}
}

// An unjudged call names what is missing; a judged one names nothing.
func TestMissingExplainsUnknown(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		src := gen{T: t}.bool(rapid.IntRange(0, 3).Draw(t, "depth"))
		p := drawn(t, src)
		if p == nil {
			return
		}
		facts := load(forget(t, known(t)))
		got, missing := p.Eval(facts), p.Missing(facts)
		if got.Err == nil && (got.Truth == Unknown) != (len(missing) > 0) {
			t.Fatalf("%s = %v, missing %v", src, got, missing)
		}
	})
}

// The normalized text means what the source means.
func TestNormalizedTextReadsBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		src := gen{T: t}.bool(rapid.IntRange(0, 4).Draw(t, "depth"))
		p := drawn(t, src)
		if p == nil {
			return
		}
		again, problems := Compile(p.String(), Env{})
		if again == nil {
			t.Fatalf("%s\nreads %s\n%s", src, p, said(problems))
		}
		facts := load(forget(t, known(t)))
		if a, b := p.Eval(facts), again.Eval(facts); a.Truth != b.Truth {
			t.Fatalf("%s = %v\n%s = %v", src, a, again, b)
		}
	})
}

// The leaves, joined as the expression joins them, say why it holds: a
// disjunction holds exactly where one of its leaves does.
func TestLeavesTellTheOutcome(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := gen{T: t}.bool(0), gen{T: t}.bool(0)
		p := drawn(t, "not (not ("+a+") && not ("+b+"))")
		if p == nil {
			return
		}
		facts := load(forget(t, known(t)))
		held := False
		for _, leaf := range p.Explain(facts) {
			if leaf.Truth == True || held != True && leaf.Truth == Unknown {
				held = leaf.Truth
			}
		}
		if got := p.Eval(facts).Truth; got != held {
			t.Fatalf("%s || %s = %v, its leaves say %v", a, b, got, held)
		}
	})
}

func FuzzCompileEval(f *testing.F) {
	for _, c := range benchmarks {
		f.Add(c.src, 3.1, int64(3), "opus", true)
	}
	for _, src := range []string{
		"raw.deep.codes[0] in [404, 503] ? mos ** 2 > 1 : len(from[1:-1]) % 2 == 0", `any(raw.deep.codes, # == "x") ?? answered`,
		"count(filter(intervals, .mos < 3.5), .jitterMs > 1) / packetsLost > 0", `lower(codec) matches "^g7" && "vip" not in tags`,
		"(mos ?? raw.score) in 1..5", "startedAt - endedAt < 0 or date('2026-01-01') > startedAt",
	} {
		f.Add(src, 0.0, int64(0), "", false)
	}
	f.Fuzz(func(t *testing.T, src string, mos float64, lost int64, word string, full bool) {
		p, problems := Compile(src, Env{Macros: map[string]string{"m": "mos < 3 || n", "n": "packetsLost > 1"}, Lists: map[string][]string{"l": {"a"}}})
		if p == nil {
			if len(problems) == 0 {
				t.Fatalf("%q: refused without a reason", src)
			}
			return
		}
		e := rich()
		if !full {
			e.Raw, e.Intervals, e.Tags, e.JitterMs = nil, nil, nil, nil
		}
		e.MOS, e.PacketsLost, e.Codec = &mos, &lost, word
		e.Raw = map[string]any{"word": word, "score": mos, "deep": map[string]any{"codes": []any{word, mos, nil, true, []any{lost}}}}
		facts := load(e)
		got := p.Eval(facts)
		if (got.Err != nil) && got.Truth != Unknown {
			t.Fatalf("%q = %v", src, got)
		}
		p.Explain(facts)
		p.Tree(facts)
		p.Margin(facts)
		if missing := p.Missing(facts); got.Truth != Unknown && len(missing) > 0 {
			t.Fatalf("%q = %v, missing %v", src, got, missing)
		}
		if negation, _ := Compile("not ("+src+")", Env{Macros: map[string]string{"m": "mos < 3 || n", "n": "packetsLost > 1"}, Lists: map[string][]string{"l": {"a"}}}); negation != nil {
			if n := negation.Eval(facts).Truth; (n == True) != (got.Truth == False) || (n == False) != (got.Truth == True) {
				t.Fatalf("%q = %v, its negation %v", src, got.Truth, n)
			}
		}
	})
}
