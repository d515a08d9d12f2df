package rulefmt

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"

	"callwatch/call"
	"callwatch/rules"
	"callwatch/rules/condition"
)

const maxFigure = 1e15 // of a case: what JSON carries exactly

// facts reads the call of a step by the field table.
func (l *loader) facts(n ast.Node) map[string]any {
	out := map[string]any{}
	l.Entries(n, "call", func(name string, at pos, value ast.Node) {
		f, known := call.Lookup(name)
		if !known {
			l.Add(at, "unknown-field", fmt.Sprintf("a call has no field %q", name), condition.SuggestField(name))
			return
		}
		if _, null := value.(*ast.NullNode); null {
			out[name] = nil
			return
		}
		if v, ok := l.fact(value, f); ok {
			out[name] = v
		}
	})
	return out
}

func (l *loader) fact(n ast.Node, f call.Field) (any, bool) {
	switch f.Type {
	case call.Strings:
		return l.Texts(n, f.Name), true
	case call.List, call.Object:
		v := l.Anything(n)
		if _, err := rules.EventOf(map[string]any{f.Name: v}); err != nil {
			l.Add(nodeAt(n), "wrong-type", fmt.Sprintf("%s cannot be read", f.Name), f.Doc)
			return nil, false
		}
		return v, true
	case call.Bool:
		s, ok := l.Word(n, f.Name, "true", "false")
		return s == "true", ok
	case call.Number, call.Integer:
		return l.figure(n, f)
	case call.Time:
		return l.time(n, f)
	}
	if len(f.Enum) > 0 {
		return l.Word(n, f.Name, f.Enum...)
	}
	return l.Text(n, f.Name)
}

func (l *loader) figure(n ast.Node, f call.Field) (any, bool) {
	s, ok := l.Text(n, f.Name)
	if !ok {
		return nil, false
	}
	hint := "a number"
	if f.Type == call.Integer {
		hint = "a whole number"
	}
	v, err := strconv.ParseFloat(s, 64)
	if err != nil || math.IsNaN(v) || math.Abs(v) > maxFigure || f.Type == call.Integer && v != math.Trunc(v) {
		l.Add(nodeAt(n), "wrong-type", fmt.Sprintf("%s cannot be %q", f.Name, s), hint)
		return nil, false
	}
	if f.Min != nil && v < *f.Min || f.Max != nil && v > *f.Max {
		l.Add(nodeAt(n), "bad-range", fmt.Sprintf("%s cannot be %s", f.Name, s), f.Doc)
		return nil, false
	}
	if f.Type == call.Integer {
		return int64(v), true
	}
	return v, true
}

// time is a point in time, or an offset from the event such as -10m.
func (l *loader) time(n ast.Node, f call.Field) (any, bool) {
	s, ok := l.Text(n, f.Name)
	if !ok {
		return nil, false
	}
	if t, err := time.Parse(time.RFC3339, s); err == nil {
		return t.UTC(), true
	}
	if ago, past := strings.CutPrefix(s, "-"); past {
		if d, err := rules.ParseDuration(ago); err == nil {
			return rules.Offset(-d), true
		}
	}
	l.Add(nodeAt(n), "bad-time", fmt.Sprintf("%s is no point in time: %q", f.Name, s), "2026-01-05T12:00:00Z, or -10m before the event")
	return nil, false
}
