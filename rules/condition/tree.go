package condition

import (
	"math"

	"callwatch/call"
)

// Node is one sub-expression with the value it has for one call.
type Node struct {
	Expr     string   `json:"expr"`
	Macro    string   `json:"macro,omitempty"` // name of the macro this is the body of
	Truth    Truth    `json:"truth,omitempty"` // conditions
	Value    any      `json:"value,omitempty"` // the rest; absent where unknown or bounded
	Low      *float64 `json:"low,omitempty"`   // of a bounded number
	High     *float64 `json:"high,omitempty"`
	Error    string   `json:"error,omitempty"`
	Children []Node   `json:"children,omitempty"` // operands, literals left out
}

// Bounds are the ends of a bounded number, "3 to 5" or "3 or more"; "" for any other
// value.
func (n Node) Bounds() string {
	low, high := math.Inf(-1), math.Inf(1)
	if n.Low != nil {
		low = *n.Low
	}
	if n.High != nil {
		high = *n.High
	}
	if b := ofBounds(low, high); b.kind == bounded {
		return b.show(4)
	}
	return ""
}

// Tree is the expression with the value of every sub-expression for one call.
// The condition of a predicate has no value of its own: it is judged once per
// element.
func (p *Program) Tree(facts *Facts) Node {
	f := frame{facts: facts, zone: p.zone, steps: explainSteps}
	return p.root.tree(&f)
}

func (n *node) tree(f *frame) Node {
	v := n.eval(f)
	out := Node{Expr: n.String(), Macro: n.macro}
	switch {
	case v.kind == failed:
		out.Error = f.err.Error()
	case n.typ.kind == boolean:
		out.Truth = v.verdict().truth()
	case v.kind == bounded:
		b, _ := v.ends()
		out.Low, out.High = finiteEnds(b)
	default:
		out.Value = v.json()
	}
	if n.op == opMember || n.op == opIndex {
		return out
	}
	for i, a := range n.args {
		if a == nil || a.op == opLiteral || n.predicate() && i == 1 {
			continue
		}
		out.Children = append(out.Children, a.tree(f))
	}
	return out
}

// json is a value as encoding/json writes it; nil where unknown. Lists of
// intervals come as they are.
func (v value) json() any {
	switch v.kind {
	case boolean:
		return v.truth
	case number:
		return v.num
	case text:
		return v.text
	case instant:
		return v.show(0)
	case object, interval:
		return v.ref
	case list:
		if l, ok := v.ref.(*[]call.Interval); ok {
			return *l
		}
		out := make([]any, v.size())
		for i := range out {
			out[i] = v.at(i).json()
		}
		return out
	default:
		return nil
	}
}
