package condition

import (
	"fmt"
	"math"
	"strings"

	"github.com/expr-lang/expr/file"
)

// form says what a function takes: how many arguments, in words, and examples.
type form struct {
	least, most int
	takes       string
	examples    []string
}

// formOf is the form of a function; false for a name that is none.
func formOf(name string) (form, bool) {
	one := func(what, example string) (form, bool) { return form{1, 1, what, []string{example}}, true }
	switch name {
	case "calls":
		return form{0, 0, "no argument", []string{"calls < 10"}}, true
	case "count":
		return form{1, 2, "a condition, or a list and a condition of its elements", []string{"count(mos < 3.5)", "count(intervals, .packetLossPct > 5)"}}, true
	case "rate":
		return one("one condition", "rate(mos < 3.5)")
	case "avg", "p50", "p90", "p95", "p99":
		return one("one number", name+"(rttMs)")
	case "distinct":
		return one("one field", "distinct(to)")
	case "p":
		return form{2, 2, "a number and a percentage", []string{"p(rttMs, 99.5)"}}, true
	case "prev":
		return form{1, 2, "a window function, and how long ago", []string{"prev(avg(mos))", "prev(rate(answered), 24h)"}}, true
	case "ratio":
		return form{3, 3, "two figures, and the least that the second must be", []string{"ratio(count(shortCall), count(answered), 50)"}}, true
	case "sum":
		return form{1, 2, "a number of each call, or a list and what to take of its elements", []string{"sum(cost)", "sum(intervals, .packetsLost)"}}, true
	case "min", "max":
		return form{1, math.MaxInt, "a number of each call, several numbers, or a list and what to take of its elements", []string{name + "(jitterMs)", name + "(jitterMs, rttMs)", name + "(intervals, .jitterMs)"}}, true
	case "mean", "median":
		return form{1, 2, "a list and what to take of its elements", []string{name + "(intervals, .jitterMs)"}}, true
	case "map":
		return form{2, 2, "a list and what to take of its elements", []string{"map(intervals, .jitterMs)"}}, true
	case "any", "all", "none", "one", "filter", "find", "longest":
		return form{2, 2, "a list and a condition of its elements", []string{name + "(intervals, .packetLossPct > 5)"}}, true
	case "len":
		return one("one list or text", name+"(intervals)")
	case "first", "last":
		return one("one list", name+"(intervals)")
	case "abs", "round", "floor", "ceil":
		return one("one number", name+"(jitterMs)")
	case "int", "float", "string":
		return one("one value", name+"(sipCode)")
	case "lower", "upper", "trim":
		return one("one text", name+"(codec)")
	case "hasPrefix", "hasSuffix":
		return form{2, 2, "two texts", []string{name + `(codec, "opus")`}}, true
	case "split":
		return form{2, 2, "a text and what separates its parts", []string{`split(codec, "/")`}}, true
	case "replace":
		return form{3, 3, "a text, what to replace and with what", []string{`replace(codec, "/8000", "")`}}, true
	case "date":
		return form{1, 1, "one quoted text", []string{`date("2026-03-01")`, `date("2026-03-01T08:00:00Z")`}}, true
	}
	return form{}, false
}

func (f form) hint() string { return "e.g. " + strings.Join(f.examples, " or ") }

// wrongCount refuses a call with too few or too many arguments.
func (c *compiler) wrongCount(name string, f form, given int, at file.Location) *node {
	here := fmt.Sprintf("%d arguments are given", given)
	switch given {
	case 0:
		here = "none is given"
	case 1:
		here = "one argument is given"
	}
	hint := f.hint()
	if strings.Contains(strings.ReplaceAll(c.src, "||", ""), "|") { // hands a value to a function
		hint = "for either of two conditions write or, or ||"
	}
	return c.fail(at, CodeArguments, fmt.Sprintf("%s takes %s; here %s", name, f.takes, here), hint)
}

// innermostCall is the call whose arguments hold an offset in characters, and how many
// arguments there are so far; "" where there is none.
func innermostCall(src string, offset int) (name string, at file.Location, given int) {
	type open struct {
		from, to, commas int
		some             bool // an argument
	}
	text := []rune(src)
	var calls []open
	for i := 0; i < min(offset, len(text)); i++ {
		switch r := text[i]; r {
		case '(', '[', '{':
			if len(calls) > 0 {
				calls[len(calls)-1].some = true
			}
			from := i
			for from > 0 && (text[from-1] == '_' || isLetter(text[from-1]) || isDigit(text[from-1])) {
				from--
			}
			calls = append(calls, open{from: from, to: i})
		case ')', ']', '}':
			if len(calls) > 0 {
				calls = calls[:len(calls)-1]
			}
		case ' ', '\t', '\n', '\r':
		default:
			if r == '"' || r == '\'' || r == '`' {
				i = closing(text, i)
			}
			if len(calls) == 0 {
				continue
			}
			if last := &calls[len(calls)-1]; r == ',' {
				last.commas++
			} else {
				last.some = true
			}
		}
	}
	if len(calls) == 0 {
		return "", file.Location{}, 0
	}
	last := calls[len(calls)-1]
	if given = last.commas; last.some {
		given++
	}
	return string(text[last.from:last.to]), file.Location{From: last.from, To: last.to}, given
}

// wrongCountAt refuses a call that the parser does not take for its arguments; false
// where that is not what is wrong at a place.
func (c *compiler) wrongCountAt(message string, at file.Location) bool {
	name, where, given := innermostCall(c.src, at.From)
	f, ok := formOf(name)
	switch {
	case !ok:
		return false
	case strings.Contains(message, "arguments"):
	case strings.HasPrefix(message, "unexpected ") && given == f.most+1 && !strings.Contains(message, "end"):
	default:
		return false
	}
	c.wrongCount(name, f, given, where)
	return true
}
