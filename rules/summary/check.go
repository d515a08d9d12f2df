package summary

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"text/template/parse"

	"callwatch/call"
	"callwatch/rules/condition"
)

// summaryCheck looks at every node of a summary's template, also at those that a
// trial does not reach.
type summaryCheck struct {
	s    *Template
	errs []error

	sample *Facts // tells the members of .Call and .Counts
}

// dot is what a template's dot is, as far as it is known.
type dot string

const (
	dotRoot   dot = ""
	dotCall   dot = "Call"
	dotBy     dot = "By"
	dotCounts dot = "Counts"
	dotOther  dot = "other"
)

func (c *summaryCheck) fail(n parse.Node, format string, args ...any) {
	line, _, _ := strings.Cut(c.place(n), ": ")
	c.errs = append(c.errs, fmt.Errorf("%s: %s", line, fmt.Sprintf(format, args...)))
}

// place is line:column of a node.
func (c *summaryCheck) place(n parse.Node) string {
	location, _ := c.s.t.ErrorContext(n)
	return strings.TrimPrefix(location, "summary:")
}

func (c *summaryCheck) node(n parse.Node, at dot) {
	if n == nil || reflect.ValueOf(n).IsNil() {
		return
	}
	switch n := n.(type) {
	case *parse.ListNode:
		for _, e := range n.Nodes {
			c.node(e, at)
		}
	case *parse.ActionNode:
		c.node(n.Pipe, at)
	case *parse.IfNode:
		c.node(n.Pipe, at)
		c.node(n.List, at)
		c.node(n.ElseList, at)
	case *parse.WithNode:
		c.node(n.Pipe, at)
		c.node(n.List, c.within(n.Pipe, at))
		c.node(n.ElseList, at)
	case *parse.PipeNode:
		for _, command := range n.Cmds {
			c.node(command, at)
		}
	case *parse.CommandNode:
		for _, arg := range n.Args {
			c.node(arg, at)
		}
		c.index(n, at)
	case *parse.ChainNode:
		c.node(n.Node, at)
	case *parse.FieldNode:
		c.path(n, n.Ident, at)
	case *parse.VariableNode:
		if n.Ident[0] == "$" {
			c.path(n, n.Ident[1:], dotRoot)
		}
	case *parse.IdentifierNode:
		if !slices.Contains(summaryFunctions(), n.Ident) {
			c.fail(n, "%s is not part of summaries", n.Ident)
		}
	case *parse.RangeNode, *parse.TemplateNode:
		c.fail(n, "range and template are not supported")
	}
}

// summaryFunctions do not loop, and their results are bounded.
func summaryFunctions() []string {
	return []string{"pct", "num", "dur", "mask", "print", "printf", "and", "or", "not", "eq", "ne", "lt", "le", "gt", "ge", "len", "index"}
}

// within is the dot of a with.
func (c *summaryCheck) within(p *parse.PipeNode, at dot) dot {
	if len(p.Cmds) != 1 || len(p.Cmds[0].Args) != 1 {
		return dotOther
	}
	ident := []string(nil)
	switch n := p.Cmds[0].Args[0].(type) {
	case *parse.FieldNode:
		if at == dotRoot {
			ident = n.Ident
		}
	case *parse.VariableNode:
		if n.Ident[0] == "$" {
			ident = n.Ident[1:]
		}
	case *parse.DotNode:
		return at
	}
	if len(ident) == 1 && slices.Contains([]dot{dotCall, dotBy, dotCounts}, dot(ident[0])) {
		return dot(ident[0])
	}
	return dotOther
}

// index checks the key of `index .Call "name"`.
func (c *summaryCheck) index(n *parse.CommandNode, at dot) {
	if len(n.Args) < 3 {
		return
	}
	name, ok := n.Args[0].(*parse.IdentifierNode)
	of, isField := n.Args[1].(*parse.FieldNode)
	key, isText := n.Args[2].(*parse.StringNode)
	if ok && isField && isText && name.Ident == "index" && at == dotRoot {
		c.path(key, append(slices.Clone(of.Ident), key.Text), at)
	}
}

// path checks a field and its members.
func (c *summaryCheck) path(n parse.Node, ident []string, at dot) {
	if at == dotRoot && len(ident) > 0 {
		of, ok := reflect.TypeFor[Facts]().FieldByName(ident[0])
		if !ok {
			c.fail(n, "there is no .%s", ident[0])
			return
		}
		if ident = ident[1:]; len(ident) == 0 {
			return
		}
		switch dot(of.Name) {
		case dotCall, dotBy, dotCounts:
			at = dot(of.Name)
		case "Since":
			return // a time: its methods
		default:
			c.fail(n, ".%s has no member %s", of.Name, ident[0])
			return
		}
	}
	if len(ident) == 0 {
		return
	}
	name := ident[0]
	switch at {
	case dotCall:
		_, member := c.sample.Call[name]
		f, ok := call.Lookup(name)
		switch {
		case member && len(ident) == 1:
		case !ok:
			hint := condition.SuggestField(name)
			if hint != "" {
				hint = "; " + hint
			}
			c.fail(n, "a call has no field %q%s", name, hint)
		case len(ident) > 1 && f.Type != call.Object && f.Type != call.Time:
			c.fail(n, "%s has no member %s", name, ident[1])
		}
	case dotCounts:
		if _, ok := reflect.TypeOf(c.sample.Counts).FieldByName(name); !ok {
			if _, ok = reflect.TypeOf(c.sample.Counts).MethodByName(name); !ok {
				c.fail(n, "there is no .Counts.%s", name)
			}
		}
	case dotBy:
		c.s.By = append(c.s.By, name)
	}
}
