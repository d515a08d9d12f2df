package rules

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Limit is a condition on the numbers of a backtest's report, such as
// `messages > 20 || low-mos.incidents > 5`: comparisons of a number with a
// constant, joined by && and ||, in parentheses where wanted. Before a dot
// stands the name of a rule; without one the number is of all rules.
type Limit struct {
	root  limitNode
	names []string
}

// limitNode is a comparison, or the joint of two.
type limitNode struct {
	join        string // "&&" or "||"; "" of a comparison
	left, right *limitNode
	name, op    string
	value       float64
}

var (
	limitToken   = regexp.MustCompile(`^\s*(&&|\|\||[()]|[<>]=?|==|!=|[\pL\pN_.-]+)`)
	limitOps     = []string{">", ">=", "<", "<=", "==", "!="}
	totalNumbers = []string{"events", "calls", "matched", "incidents", "messages", "caught", "missed"}
	ruleNumbers  = []string{"matched", "judged", "unjudged", "incidents", "open", "messages", "caught", "missed"}
)

// ParseLimit reads a limit. The error says what was expected where.
func ParseLimit(src string) (*Limit, error) {
	p := limitParser{rest: src}
	root, err := p.either()
	if err == nil && strings.TrimSpace(p.rest) != "" {
		err = p.want("&& or ||")
	}
	if err != nil {
		return nil, fmt.Errorf("%q: %w", src, err)
	}
	return &Limit{root: *root, names: p.names}, nil
}

type limitParser struct {
	rest  string
	names []string
}

func (p *limitParser) peek() string {
	m := limitToken.FindStringSubmatch(p.rest)
	if m == nil {
		return ""
	}
	return m[1]
}

func (p *limitParser) next() string {
	t := p.peek()
	p.rest = strings.TrimPrefix(strings.TrimLeft(p.rest, " \t\r\n"), t)
	return t
}

func (p *limitParser) want(what string) error {
	if rest := strings.TrimSpace(p.rest); rest != "" {
		return fmt.Errorf("%s expected at %q", what, rest)
	}
	return fmt.Errorf("%s expected at the end", what)
}

func (p *limitParser) either() (*limitNode, error) { return p.joined("||", p.both) }
func (p *limitParser) both() (*limitNode, error)   { return p.joined("&&", p.single) }

func (p *limitParser) joined(by string, part func() (*limitNode, error)) (*limitNode, error) {
	left, err := part()
	for err == nil && p.peek() == by {
		p.next()
		n := &limitNode{join: by, left: left}
		n.right, err = part()
		left = n
	}
	return left, err
}

func (p *limitParser) single() (*limitNode, error) {
	if p.peek() == "(" {
		p.next()
		n, err := p.either()
		if err == nil && p.peek() != ")" {
			err = p.want(")")
		}
		p.next()
		return n, err
	}
	n := &limitNode{name: p.peek()}
	if n.name == "" || strings.ContainsAny(n.name, "&|()<>=!") {
		return nil, p.want("the name of a number, such as messages or low-mos.incidents,")
	}
	p.next()
	if n.op = p.peek(); !slices.Contains(limitOps, n.op) {
		return nil, p.want("one of " + strings.Join(limitOps, " "))
	}
	p.next()
	v, err := strconv.ParseFloat(p.peek(), 64)
	if err != nil {
		return nil, p.want("a number")
	}
	p.next()
	n.value = v
	p.names = append(p.names, n.name)
	return n, nil
}

// Check refuses names that a report on these rules will not have.
func (l *Limit) Check(set, baseline *Set) error {
	for _, name := range l.names {
		rule, number, known := "", name, totalNumbers
		if i := strings.LastIndexByte(name, '.'); i >= 0 {
			rule, number, known = name[:i], name[i+1:], ruleNumbers
		}
		switch {
		case !slices.Contains(known, number):
			return fmt.Errorf("there is no number %q, only %s", name, strings.Join(known, ", "))
		case baseline == nil && (number == "caught" || number == "missed"):
			return fmt.Errorf("%s needs a baseline", name)
		case rule != "" && !set.has(rule) && (baseline == nil || !baseline.has(rule)):
			return fmt.Errorf("%s: there is no rule %s", name, rule)
		}
	}
	return nil
}

func (s *Set) has(rule string) bool {
	return slices.ContainsFunc(s.Rules, func(r *Rule) bool { return r.Name == rule })
}

// Exceeded says whether the report meets the condition, and by which numbers:
// "messages (34) > 20".
func (l *Limit) Exceeded(r *BacktestReport) (why []string, exceeded bool) {
	return l.root.holds(r)
}

func (n *limitNode) holds(r *BacktestReport) ([]string, bool) {
	switch n.join {
	case "&&":
		left, ok := n.left.holds(r)
		right, also := n.right.holds(r)
		if !ok || !also {
			return nil, false
		}
		return append(left, right...), true
	case "||":
		left, ok := n.left.holds(r)
		right, also := n.right.holds(r)
		return append(left, right...), ok || also
	}
	v := float64(r.number(n.name))
	if !compareNumbers(v, n.op, n.value) {
		return nil, false
	}
	return []string{fmt.Sprintf("%s (%g) %s %g", n.name, v, n.op, n.value)}, true
}

func compareNumbers(a float64, op string, b float64) bool {
	switch op {
	case ">":
		return a > b
	case ">=":
		return a >= b
	case "<":
		return a < b
	case "<=":
		return a <= b
	case "==":
		return a == b
	default:
		return a != b
	}
}

// number is a number of the report by its name; Check has seen that it exists.
func (r *BacktestReport) number(name string) int {
	if i := strings.LastIndexByte(name, '.'); i >= 0 {
		for j := range r.Rules {
			if r.Rules[j].Name == name[:i] {
				return r.Rules[j].number(name[i+1:])
			}
		}
		return 0
	}
	switch name {
	case "events":
		return r.Events
	case "calls":
		return r.Calls
	}
	sum := 0
	for i := range r.Rules {
		sum += r.Rules[i].number(name)
	}
	return sum
}

func (r *BacktestRule) number(name string) int {
	return map[string]int{
		"matched": r.Matched, "judged": r.Judged, "unjudged": r.Unjudged, "incidents": r.Incidents,
		"open": r.Open, "messages": r.Messages,
		"caught": len(r.Caught) + r.CaughtOmitted, "missed": len(r.Missed) + r.MissedOmitted,
	}[name]
}
