package backtest

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/expr-lang/expr"
	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/vm"

	"callwatch/rules"
	"callwatch/yamlfile/spelling"
)

// Limit is a condition on the numbers of a report, such as
// `messages > 20 || low-mos.incidents > 5`: comparisons of numbers, joined by &&
// and ||. A name before the last dot is a rule; without it the number is the sum
// over all rules. expr-lang compiles and runs the condition; of its language only
// comparisons, arithmetic and logic are allowed.
type Limit struct {
	root  limitNode
	names []string // of the numbers; the i-th is variable "v<i>"
}

// limitNode is a comparison or a pair of joined conditions.
type limitNode struct {
	join        string // "&&" or "||"; "" of a comparison
	left, right *limitNode
	text        string // of a comparison, with variables for names
	program     *vm.Program
}

const (
	maxLimitText  = 2000 // bytes
	maxLimitNodes = 200
)

var (
	limitName     = regexp.MustCompile(`[\pL\pN_][\pL\pN_.-]*`) // or a number
	limitVariable = regexp.MustCompile(`\bv[0-9]+\b`)
	limitPosition = regexp.MustCompile(` \([0-9]+:[0-9]+\)$`) // in the text with variables
	limitJoins    = map[string]string{"&&": "&&", "and": "&&", "||": "||", "or": "||"}
	limitOps      = []string{">", ">=", "<", "<=", "==", "!=", "+", "-", "*", "/"}
	totalNumbers  = []string{"events", "calls", "matched", "incidents", "messages", "caught", "missed"}
	ruleNumbers   = []string{"matched", "judged", "unjudged", "incidents", "open", "messages", "caught", "missed"}
)

// goTypes are the types that expr-lang's errors name, in words.
var goTypes = strings.NewReplacer("mismatched types ", "", "mismatched type ", "", "float64", "a number", "string", "a text", "bool", "a condition", "interface {}", "a value")

// ParseLimit compiles a limit of at most 2000 bytes. Check its names before use.
func ParseLimit(src string) (*Limit, error) {
	if len(src) > maxLimitText {
		return nil, fmt.Errorf("the condition has more than %d bytes", maxLimitText)
	}
	l := &Limit{}
	program, err := l.compile(limitName.ReplaceAllStringFunc(src, l.variable))
	if err != nil {
		return nil, fmt.Errorf("%q: %w", src, err)
	}
	root, err := l.node(program.Node())
	if err != nil {
		return nil, fmt.Errorf("%q: %w", src, err)
	}
	l.root = *root
	return l, nil
}

// variable replaces a name by a variable, since names of rules may contain
// characters that are operators in expr-lang.
func (l *Limit) variable(name string) string {
	if slices.Contains([]string{"and", "or", "not"}, name) {
		return name
	}
	if _, err := strconv.ParseFloat(name, 64); err == nil && name[0] <= '9' {
		return name
	}
	i := slices.Index(l.names, name)
	if i < 0 {
		i = len(l.names)
		l.names = append(l.names, name)
	}
	return "v" + strconv.Itoa(i)
}

func (l *Limit) compile(text string) (*vm.Program, error) {
	env := map[string]float64{}
	for i := range l.names {
		env["v"+strconv.Itoa(i)] = 0
	}
	program, err := expr.Compile(text, expr.Env(env), expr.AsBool(), expr.MaxNodes(maxLimitNodes), expr.DisableAllBuiltins(), expr.Optimize(false))
	if err != nil {
		first, _, _ := strings.Cut(err.Error(), "\n")
		first = l.named(limitPosition.ReplaceAllString(first, ""), nil)
		if said, hint, ok := spelling.Scanned(first); ok {
			first = said
			if hint != "" {
				first += " (" + hint + ")"
			}
		}
		if strings.HasPrefix(first, "expected bool, but got ") {
			first = "it is a number and no comparison"
		}
		first = goTypes.Replace(spelling.Tokens(first))
		return nil, fmt.Errorf("%s; write comparisons such as messages > 20 && low-mos.incidents <= 5", first)
	}
	return program, nil
}

// node compiles each comparison of a condition on its own, so that Exceeded can
// name those that hold.
func (l *Limit) node(n ast.Node) (*limitNode, error) {
	b, ok := n.(*ast.BinaryNode)
	if join := ""; ok {
		if join = limitJoins[b.Operator]; join != "" {
			left, err := l.node(b.Left)
			if err != nil {
				return nil, err
			}
			right, err := l.node(b.Right)
			return &limitNode{join: join, left: left, right: right}, err
		}
	}
	if err := plainLimit(n); err != nil {
		return nil, err
	}
	out := &limitNode{text: n.String()}
	var err error
	out.program, err = l.compile(out.text)
	return out, err
}

// plainLimit returns an error for anything but numbers, comparisons, arithmetic
// and logic.
func plainLimit(n ast.Node) error {
	switch n := n.(type) {
	case *ast.IdentifierNode, *ast.IntegerNode, *ast.FloatNode:
		return nil
	case *ast.UnaryNode:
		return plainLimit(n.Node)
	case *ast.BinaryNode:
		if !slices.Contains(limitOps, n.Operator) && limitJoins[n.Operator] == "" {
			return fmt.Errorf("operator %s is not allowed here", n.Operator)
		}
		return errors.Join(plainLimit(n.Left), plainLimit(n.Right))
	default:
		return fmt.Errorf("%s: only numbers can be compared", n)
	}
}

// named replaces variables by the names of the numbers; with a report, by names
// and values.
func (l *Limit) named(text string, r *Report) string {
	return limitVariable.ReplaceAllStringFunc(text, func(v string) string {
		i, err := strconv.Atoi(v[1:])
		if err != nil || i >= len(l.names) {
			return v
		}
		if r == nil {
			return l.names[i]
		}
		return fmt.Sprintf("%s (%d)", l.names[i], r.number(l.names[i]))
	})
}

// Check returns an error for a name that a report on these rules does not have.
// The baseline may be nil.
func (l *Limit) Check(set, baseline *rules.Set) error {
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
		case rule != "" && set.Rule(rule) == nil && (baseline == nil || baseline.Rule(rule) == nil):
			return fmt.Errorf("%s: there is no rule %s", name, rule)
		case (number == "caught" || number == "missed") && (overWindows(set, rule) || overWindows(baseline, rule)):
			return fmt.Errorf("%s: %s is a rule over windows, which catches no single calls", name, rule)
		}
	}
	return nil
}

func overWindows(set *rules.Set, rule string) bool {
	r := set.Rule(rule)
	return r != nil && r.Window != nil
}

// Exceeded reports whether the condition holds for the report, and which
// comparisons made it so: "messages (34) > 20".
func (l *Limit) Exceeded(r *Report) (why []string, exceeded bool) {
	env := map[string]float64{}
	for i, name := range l.names {
		env["v"+strconv.Itoa(i)] = float64(r.number(name))
	}
	return l.holds(&l.root, r, env)
}

func (l *Limit) holds(n *limitNode, r *Report, env map[string]float64) ([]string, bool) {
	if n.join == "" {
		value, err := expr.Run(n.program, env)
		if holds, _ := value.(bool); err != nil || !holds {
			return nil, false
		}
		return []string{l.named(n.text, r)}, true
	}
	left, ok := l.holds(n.left, r, env)
	right, also := l.holds(n.right, r, env)
	if n.join == "&&" && !(ok && also) {
		return nil, false
	}
	return append(left, right...), ok || also
}

// number returns a number of the report by its name, which Check has accepted.
func (r *Report) number(name string) int {
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

func (r *RuleReport) number(name string) int {
	return map[string]int{
		"matched": r.Matched, "judged": r.Judged, "unjudged": r.Unjudged, "incidents": r.Incidents,
		"open": r.Open, "messages": r.Messages,
		"caught": len(r.Caught) + r.CaughtOmitted, "missed": len(r.Missed) + r.MissedOmitted,
	}[name]
}
