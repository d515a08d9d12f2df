package condition

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/expr-lang/expr/file"
)

// refusedBuiltins are the functions of expr-lang that conditions do not have,
// each with what to write instead.
func refusedBuiltins() map[string]string {
	const (
		elements = "ask about the elements: any(intervals, .mos < 3.5), max(intervals, .jitterMs) > 30"
		text     = "compare the text itself with ==, in, contains, startsWith, endsWith or matches"
		clock    = `a condition does not depend on the clock: compare with a time, endedAt > date("2026-03-01"), or say in the rule how long: over, for, absent`
		member   = "read the member: raw.x.y, and ask with in: \"x\" in raw"
		bits     = "compare whole numbers with ==, in and ranges: sipCode in 500..599"
	)
	return map[string]string{
		"reduce": elements, "groupBy": elements, "sortBy": elements, "sort": elements,
		"flatten": elements, "concat": elements, "uniq": "in a rule with over, distinct(x) counts different values", "reverse": elements,
		"findLast":  "ask whether there is one: any(intervals, .mos < 3.5)",
		"findIndex": "ask whether there is one: any(intervals, .mos < 3.5)", "findLastIndex": "ask whether there is one: any(intervals, .mos < 3.5)",
		"take": "take a part by its bounds: intervals[0:3]", "get": member,
		"type":       "the field table says of which type a field is; ask whether it is known with x != nil",
		"trimPrefix": text, "trimSuffix": text, "splitAfter": "split(s, separator) takes a text apart", "join": text,
		"repeat": "write the text out, or use matches with {n}: to matches \"0{4}\"", "indexOf": "write from contains \"x\"", "lastIndexOf": "write from contains \"x\"",
		"toJSON": member, "fromJSON": member, "toBase64": text, "fromBase64": text,
		"now": clock, "duration": "write numbers of seconds or milliseconds: durationSec > 90, rttMs > 500", "timezone": "say in the rule when it is active: active: {hours: \"08:00-18:00\", tz: Europe/Berlin}",
		"keys": member, "values": member, "toPairs": member, "fromPairs": member,
		"bitand": bits, "bitor": bits, "bitxor": bits, "bitnand": bits, "bitshl": bits, "bitshr": bits, "bitushr": bits, "bitnot": bits,
	}
}

// refuse reports a function of expr-lang that conditions do not have.
func (c *compiler) refuse(name string, at file.Location) *node {
	return c.fail(at, CodeUnknownFunction, name+" is not part of conditions", refusedBuiltins()[name])
}

var calledName = regexp.MustCompile(`\b([A-Za-z0-9]+)\s*\(`)

// refusedCall finds the first call of a function that conditions do not have, in
// a source that is no expression because of it.
func (c *compiler) refusedCall() (name string, at file.Location) {
	refused := refusedBuiltins()
	for _, m := range calledName.FindAllStringSubmatchIndex(c.src, -1) {
		name = c.src[m[2]:m[3]]
		if _, ok := refused[name]; ok {
			from := utf8.RuneCountInString(c.src[:m[2]])
			return name, file.Location{From: from, To: from + len(name)}
		}
	}
	return "", file.Location{}
}

// partPercentile is a percentile that has no function of its own, such as p99.5(x).
var partPercentile = regexp.MustCompile(`\bp([0-9]{1,2}(?:\.[0-9]+)?)\(`)

// foreignWord is what other languages call a word of this one; "" for none.
func foreignWord(name string) string {
	switch strings.ToLower(name) {
	case "null", "none", "undefined", "nan":
		return "an unknown value is nil: ask with == nil or != nil"
	case "nil":
		return "write nil"
	case "true", "false":
		return "write " + strings.ToLower(name)
	}
	return ""
}

// foreignOperator is what to write instead of an operator of another language
// that is at an offset in characters; "" where there is none.
func (c *compiler) foreignOperator(offset int) string {
	src := []rune(c.src)
	part := func(from, to int) string { return string(src[min(max(from, 0), len(src)):min(max(to, 0), len(src))]) }
	switch part(offset, offset+2) {
	case "=>":
		return "write >="
	case "=<":
		return "write <="
	case "=~":
		return `write matches, e.g. from matches "^\\+49"`
	case "!~":
		return `write not (from matches "^\\+49")`
	}
	switch part(offset-1, offset+1) {
	case "<>":
		return "write !="
	case "=>":
		return "write >="
	case "|>":
		return "write the function around its value: abs(x), not x |> abs()"
	}
	if m := partPercentile.FindStringSubmatch(c.src); m != nil {
		return fmt.Sprintf("write p(x, %s)", m[1])
	}
	before, behind := strings.TrimRight(part(0, offset), " "), part(offset+1, offset+2)
	switch {
	case part(offset, offset+1) == "," && before != "" && strings.ContainsAny(before[len(before)-1:], "0123456789") && behind != "" && strings.ContainsAny(behind, "0123456789"):
		return "decimals have a point: 3.5"
	case part(offset, offset+1) == "," && strings.Contains(before, " in ("):
		return `write a list in brackets: hangupCause in ["busy", "rejected"]`
	}
	for _, written := range []string{before, strings.TrimSpace(c.src)} {
		if m := shareInPercent.FindStringSubmatch(written); m != nil {
			percent, _ := strconv.ParseFloat(m[1], 64)
			return fmt.Sprintf("a rate is a share of 0..1: write %s", plain(percent/100))
		}
		if strings.HasSuffix(written, "%") {
			return "percentages are plain numbers: packetLossPct > 5"
		}
	}
	return ""
}

// shareInPercent is the end of a comparison of a rate with a percentage.
var shareInPercent = regexp.MustCompile(`\brate\((?:[^()]|\((?:[^()]|\([^()]*\))*\))*\)\s*[<>=!]=?\s*([0-9]+(?:\.[0-9]+)?)\s*%$`)
