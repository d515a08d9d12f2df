package condition

import (
	"slices"
	"strings"

	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/file"
	"github.com/expr-lang/expr/parser/lexer"
)

// expr-lang's parser reads .x and # only within the functions it knows to take a
// predicate. Other functions over elements, max(intervals, .jitterMs), are given to
// it under the name of such a function of the same length, so that positions stay
// true, and get their own name back in the syntax tree.

// standIns are the functions over elements that the parser does not know, each
// with the one it is read as.
func standIns() map[string]string {
	return map[string]string{"max": "map", "min": "map", "mean": "find", "median": "filter", "longest": "groupBy"}
}

// parserPredicates are the functions whose second argument the parser reads per
// element.
func parserPredicates() []string {
	return []string{
		"all", "none", "any", "one", "filter", "map", "count", "sum", "find", "findIndex", "findLast", "findLastIndex",
		"groupBy", "sortBy", "reduce",
	}
}

// standIn is the source as the parser is to read it, and the functions that were
// renamed by their place in characters.
func standIn(src string) (string, map[int]string) {
	if !strings.ContainsAny(src, ".#") {
		return src, nil
	}
	tokens, err := lexer.Lex(file.NewSource(src))
	if err != nil {
		return src, nil
	}
	renamed := map[int]string{}
	tokenRange(tokens).rename(func(t lexer.Token) { renamed[t.From] = t.Value })
	if len(renamed) == 0 {
		return src, nil
	}
	text := []rune(src)
	for from, name := range renamed {
		copy(text[from:], []rune(standIns()[name]))
	}
	return string(text), renamed
}

// tokenRange is a part of a source.
type tokenRange []lexer.Token

// called says whether token i is a function of the name's kind that is called, and
// gives its arguments and the place behind it.
func (r tokenRange) called(i int) (args []tokenRange, end int, ok bool) {
	if r[i].Kind != lexer.Identifier || i+1 >= len(r) || !r[i+1].Is(lexer.Bracket, "(") || i > 0 && r[i-1].Is(lexer.Operator, ".", "?.") {
		return nil, 0, false
	}
	depth, from := 0, i+2
	for j := i + 1; j < len(r); j++ {
		switch t := r[j]; {
		case t.Is(lexer.Bracket, "(", "[", "{"):
			depth++
		case t.Is(lexer.Bracket, ")", "]", "}"):
			if depth--; depth == 0 {
				if j > from {
					args = append(args, r[from:j])
				}
				return args, j + 1, true
			}
		case depth == 1 && t.Is(lexer.Operator, ","):
			args, from = append(args, r[from:j]), j+1
		}
	}
	return nil, 0, false
}

// overElements says whether the call at i is one of standIns that looks at the
// elements of a list: its second argument names the element.
func (r tokenRange) overElements(i int, args []tokenRange) bool {
	if standIns()[r[i].Value] == "" {
		return false
	}
	if i > 0 && r[i-1].Is(lexer.Operator, "|") {
		return len(args) == 1 && (r[i].Value == "longest" || args[0].element())
	}
	return len(args) == 2 && (r[i].Value == "longest" || args[1].element())
}

// element says whether a part names the element of a predicate around it.
func (r tokenRange) element() bool {
	for i := 0; i < len(r); i++ {
		t := r[i]
		if t.Is(lexer.Operator, "#") || t.Is(lexer.Operator, ".") && (i == 0 || !ends(r[i-1])) {
			return true
		}
		args, end, ok := r.called(i)
		if !ok || !slices.Contains(parserPredicates(), t.Value) && !r.overElements(i, args) {
			continue
		}
		if len(args) > 0 && args[0].element() && !(i > 0 && r[i-1].Is(lexer.Operator, "|")) {
			return true
		}
		i = end - 1 // its predicate names its own elements
	}
	return false
}

// ends says whether a token can be the end of an operand.
func ends(t lexer.Token) bool {
	return t.Is(lexer.Identifier) || t.Is(lexer.Number) || t.Is(lexer.String) || t.Is(lexer.Bracket, ")", "]", "}") || t.Is(lexer.Operator, "#")
}

// rename reports the calls that the parser has to read under another name.
func (r tokenRange) rename(report func(lexer.Token)) {
	for i := 0; i < len(r); i++ {
		args, end, ok := r.called(i)
		over := ok && r.overElements(i, args)
		if !over && (!ok || !slices.Contains(parserPredicates(), r[i].Value)) {
			continue
		}
		if over {
			report(r[i])
		}
		if len(args) > 1 { // within the last, .x is of the elements of this one
			args[0].rename(report)
		}
		i = end - 1
	}
}

// ownNames gives renamed functions their names back.
type ownNames map[int]string

func (o ownNames) Visit(n *ast.Node) {
	if b, ok := (*n).(*ast.BuiltinNode); ok {
		if name, renamed := o[b.Location().From]; renamed {
			b.Name = name
		}
	}
}
