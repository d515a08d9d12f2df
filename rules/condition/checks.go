package condition

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"callwatch/call"
	"callwatch/yamlfile/spelling"
)

// wantWhole requires the whole expression to be a truth value.
func (c *compiler) wantWhole(n *node) {
	switch n.typ.kind {
	case boolean, invalid:
	case dynamic:
		c.fail(c.whole(), CodeAnyType, fmt.Sprintf("%s can be of any type", n), "compare it, e.g. "+n.example())
	default:
		c.fail(c.whole(), CodeNotBoolean, fmt.Sprintf("%s is %s; compare it", n, n.typ), "e.g. "+n.example())
	}
}

// wantBool requires an operand to be a truth value; false where it is not.
func (c *compiler) wantBool(n *node, place string) bool {
	switch n.typ.kind {
	case boolean:
		return true
	case invalid:
	case dynamic:
		c.fail(n.loc, CodeAnyType, fmt.Sprintf("%s can be of any type", n), "compare it, e.g. "+n.example())
	default:
		hint := "compare it, e.g. " + n.example()
		if place == "the operand of not" {
			hint = fmt.Sprintf("put the comparison in parentheses: not (%s)", n.example())
		}
		c.fail(n.loc, CodeNotBoolean, fmt.Sprintf("%s is %s; %s must be a truth value", n, n.typ, place), hint)
	}
	return false
}

func (c *compiler) wantNumber(n *node, symbol string) bool {
	switch n.typ.kind {
	case number, dynamic:
		return true
	case invalid:
	default:
		c.fail(n.loc, CodeType, fmt.Sprintf("%s is %s; %s needs numbers", n, n.typ, symbol), "")
	}
	return false
}

func (c *compiler) wantText(n *node, word string) bool {
	hint := ""
	switch n.typ.kind {
	case text, dynamic:
		return true
	case invalid:
		return false
	case list:
		hint = fmt.Sprintf(`for an element of a list write "vip" in %s`, n)
		if word == "startsWith" || word == "endsWith" {
			hint = fmt.Sprintf(`each element of the list is a text: from %s ["+49", "+33"]`, word)
		}
	}
	c.fail(n.loc, CodeType, fmt.Sprintf("%s is %s; %s needs texts", n, n.typ, word), hint)
	return false
}

// example is a comparison that makes a condition of n.
func (n *node) example() string {
	left := n.String()
	switch n.typ.kind {
	case dynamic:
		return left + " == true"
	case text:
		if n.field != nil && len(n.field.Enum) > 0 {
			return fmt.Sprintf("%s == %q", left, n.field.Enum[0])
		}
		return left + ` == "..."`
	case instant:
		return left + ` > date("2026-03-01")`
	case list:
		if n.typ.elem == interval {
			return fmt.Sprintf("any(%s, .mos < 3.5)", left)
		}
		return fmt.Sprintf("len(%s) > 0", left)
	case object:
		return left + ".member == 1"
	case null:
		return "mos == nil"
	}
	if n.field != nil {
		switch n.field.Unit {
		case "MOS":
			return left + " < 3.5"
		case "%":
			return left + " > 5"
		}
		if n.field.Max != nil && *n.field.Max == 1 {
			return left + " > 0.1"
		}
	}
	if n.isLiteral() {
		return "mos < 3.5"
	}
	if n.op == opDivide {
		return left + " > 0.1"
	}
	return left + " > 30"
}

// mismatch reports a comparison of values that have nothing in common.
func (c *compiler) mismatch(n *node) *node {
	a, b := n.args[0], n.args[1]
	hint := ""
	for _, side := range [][2]*node{{a, b}, {b, a}} {
		value, literal := side[0], side[1]
		if !literal.isLiteral() {
			continue
		}
		switch {
		case value.typ.kind == text && literal.typ.kind == number:
			hint = fmt.Sprintf("put texts in quotes: %q", literal.String())
		case value.typ.kind == number && literal.typ.kind == text && parseNumber(literal.val.text).known():
			hint = "write numbers without quotes: " + literal.val.text
		case value.typ.kind == instant && literal.typ.kind == text:
			hint = fmt.Sprintf("write date(%s)", literal)
		case value.typ.kind == boolean && literal.typ.kind == text:
			hint = "write " + strings.ToLower(literal.val.text) + " without quotes"
		}
	}
	if a.typ.kind == b.typ.kind {
		return c.fail(n.loc, CodeType, fmt.Sprintf("%s has no order: %s is %s", n.op.symbol(), a, a.typ), hint)
	}
	return c.fail(n.loc, CodeType, fmt.Sprintf("%s is %s and %s is %s: they cannot be compared", a, a.typ, b, b.typ), hint)
}

// lint looks for comparisons with a literal that cannot be meant.
func (c *compiler) lint(n *node) {
	o, field, limit := n.op, n.args[0], n.args[1]
	if field.isLiteral() {
		o, field, limit = o.mirror(), limit, field
	}
	if field.field == nil || !limit.isLiteral() {
		return
	}
	if field.typ.kind == text {
		c.lintEnum(field, limit)
		c.lintCase(field, limit)
		return
	}
	if field.typ.kind != number || limit.typ.kind != number {
		return
	}
	f, l := field.field, limit.val.num
	if holds, settled := settledByRange(f, o, l); settled {
		code, verb := CodeNeverHolds, "never holds"
		if holds {
			code, verb = CodeAlwaysHolds, "always holds"
		}
		c.fail(limit.loc, code, fmt.Sprintf("%s is %s, so %s %s", f.Name, rangeOf(f), n, verb), rangeHint(field, o, l))
		return
	}
	if f.Type == call.Integer && l != math.Trunc(l) && (o == opEqual || o == opNotEqual) {
		c.fail(limit.loc, CodeNeverHolds, fmt.Sprintf("%s is a whole number, never %s", f.Name, limit), "")
		return
	}
	if f.Unit == "ms" && l > 0 && l < max(f.Seconds, 1) {
		c.warn(limit.loc, CodeSecondsForMillis, fmt.Sprintf("%s is in milliseconds; %s was probably meant in seconds", f.Name, limit),
			fmt.Sprintf("did you mean %s?", plain(l*1000)))
	}
	if f.Unit == "%" && l > 0 && l < mostShare {
		c.warn(limit.loc, CodeShareForPercent, fmt.Sprintf("%s is in percent, 0..100; %s was probably meant as a share", f.Name, limit),
			fmt.Sprintf("for %s %% write %[1]s", plain(l*100)))
	}
	if field.op == opField && f.Name == "packetsLost" && (o == opGreater || o == opGreaterEqual) {
		c.warn(field.loc, CodePreferLossPct, "packetsLost grows with the length of the call",
			"prefer packetLossPct, the share of packets lost")
	}
}

// mostShare is below which a limit of a percentage looks like a share: few mean
// a third of a percent.
const mostShare = 0.3

// lintCase finds texts that a field never has because of their case.
func (c *compiler) lintCase(field, limit *node) {
	if field.op != opField || limit.typ.kind != text {
		return
	}
	written := limit.val.text
	switch field.field.Case {
	case "lower":
		written = strings.ToLower(written)
	case "upper":
		written = strings.ToUpper(written)
	}
	if n := field.field.Length; n > 0 && len(limit.val.text) != n {
		c.warn(limit.loc, CodeWrongLength, fmt.Sprintf("%s is never %s: it has %d letters", field, limit, n), field.field.Doc)
		return
	}
	if written != limit.val.text {
		c.warn(limit.loc, CodeWrongCase, fmt.Sprintf("%s is never %s: it is written in %s case", field, limit, field.field.Case),
			fmt.Sprintf("did you mean %q?", written))
	}
}

// hasOther says whether a text has letters that are not of the case.
func hasOther(letters, s string) bool {
	return letters == "lower" && s != strings.ToLower(s) || letters == "upper" && s != strings.ToUpper(s)
}

// lintAnd finds limits of one value that exclude each other.
func (c *compiler) lintAnd(n *node) {
	var limits []Limit
	for _, a := range n.args {
		l, ok := a.limitOf()
		if !ok {
			continue
		}
		for _, other := range limits {
			if l.Excludes(other) {
				c.warn(a.loc, CodeContradiction, fmt.Sprintf("%s %s %s and %s %s %s never hold together", other.Of, other.Op, plain(other.Number), l.Of, l.Op, plain(l.Number)),
					"for either of them write or, or ||")
				return
			}
		}
		limits = append(limits, l)
	}
}

// settledByRange says whether a comparison of a field with a number has one
// outcome for all values the field can have.
func settledByRange(f *call.Field, o op, limit float64) (holds, settled bool) {
	for _, end := range []*float64{f.Min, f.Max} {
		if end == nil {
			continue
		}
		// beyond: the limit lies outside of this end, or on it.
		outside := limit < *end
		below := end == f.Min
		if !below {
			outside = limit > *end
		}
		switch at := limit == *end; {
		case outside:
			return below == (o == opGreater || o == opGreaterEqual) && o != opEqual || o == opNotEqual, true
		case at && below && o == opLess, at && !below && o == opGreater:
			return false, true
		case at && below && o == opGreaterEqual, at && !below && o == opLessEqual:
			return true, true
		}
	}
	return false, false
}

func rangeHint(field *node, o op, limit float64) string {
	f := field.field
	switch tenth := limit / 10; {
	case field.op == opFigure && f.Max != nil && *f.Max == 1 && limit > 1 && limit <= 100:
		return fmt.Sprintf("shares are 0..1: write %s for %s %%", plain(limit/100), plain(limit))
	case field.op == opFigure:
		return ""
	case o == opGreaterEqual && f.Min != nil && limit == *f.Min, o == opLessEqual && f.Max != nil && limit == *f.Max:
		return fmt.Sprintf("to ask whether it is known, write %s != nil", field)
	case f.Type == call.Integer && tenth != math.Trunc(tenth):
		return ""
	case f.Max != nil && limit > *f.Max && (f.Min == nil || tenth >= *f.Min) && tenth <= *f.Max:
		return fmt.Sprintf("did you mean %s?", plain(tenth))
	default:
		return ""
	}
}

// rangeOf words the range of a field.
func rangeOf(f *call.Field) string {
	switch {
	case f.Max == nil:
		return plain(*f.Min) + " or more"
	case f.Min == nil:
		return plain(*f.Max) + " or less"
	default:
		return plain(*f.Min) + ".." + plain(*f.Max)
	}
}

func (c *compiler) lintEnum(field, limit *node) {
	enum := field.field.Enum
	if limit.typ.kind != text || len(enum) == 0 || slices.Contains(enum, limit.val.text) {
		return
	}
	hint := "one of " + strings.Join(enum, ", ")
	if meant := spelling.Nearest(limit.val.text, enum); meant != "" {
		hint = fmt.Sprintf("did you mean %q?", meant)
	}
	c.fail(limit.loc, CodeUnknownValue, fmt.Sprintf("%s is never %s", field, limit), hint)
}

const (
	maxLinted        = 1000 // members of a list
	maxUnknownValues = 3    // reported of one list
)

// lintMembers checks a literal list against the values a field can have.
func (c *compiler) lintMembers(a, l *node) {
	if !l.isLiteral() || a.field == nil {
		return
	}
	switch of := l.val.ref.(type) {
	case *items:
		if len(a.field.Enum) == 0 && a.field.Case == "" && a.field.Length == 0 {
			return
		}
		wrong := 0
		for _, v := range of.values[:min(len(of.values), maxLinted)] {
			if v.kind == text && (len(a.field.Enum) > 0 && !slices.Contains(a.field.Enum, v.text) || len(a.field.Enum) == 0 && hasOther(a.field.Case, v.text)) {
				wrong++
			}
			if wrong > maxUnknownValues {
				return
			}
			if a.typ.kind == text && v.kind == text {
				c.lintEnum(a, &node{op: opLiteral, val: v, typ: typ{kind: text}, loc: l.loc})
				c.lintCase(a, &node{op: opLiteral, val: v, typ: typ{kind: text}, loc: l.loc})
			}
		}
	case *span:
		if !a.typ.whole {
			c.warn(l.loc, CodeFractionInRange, fmt.Sprintf("%s is not always a whole number; %s holds whole numbers only", a, l),
				fmt.Sprintf("write %s >= %d && %[1]s <= %[3]d", a, of.lo, of.hi))
		}
	}
}

// plain writes a number in full, without exponent.
func plain(f float64) string { return strconv.FormatFloat(f, 'f', -1, 64) }
