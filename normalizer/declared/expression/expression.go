// Package expression compiles the expressions of declared providers, which read one body
// and nothing else, and evaluates them within bounds.
package expression

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/expr-lang/expr"
	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/conf"
	"github.com/expr-lang/expr/file"
	"github.com/expr-lang/expr/parser"
	"github.com/expr-lang/expr/vm"

	"callwatch/normalizer/lenient"
	"callwatch/yamlfile/spelling"
)

// Bounds of one expression, and of evaluating it for one body.
const (
	maxExpression = 2000  // bytes
	maxNodes      = 200   // parts
	maxNesting    = 2     // predicates within predicates
	MaxSteps      = 20000 // elements that predicates look at, of all expressions of a body
	maxText       = 8192  // bytes of a text that expressions see; a longer one is absent
	maxElements   = 5000  // of a list that expressions see
	maxMemory     = 100_000
)

// roots are the names that expressions begin with.
func roots() map[string]string {
	return map[string]string{
		"body":   "the record: the whole body, or one element of body.each",
		"whole":  "the whole body, where body.each divides it",
		"item":   "an element, within intervals and lists",
		"header": "the request headers named under headers:, in lower case: header[\"x-event\"]",
		"source": "how the body came: webhook, fetch or import",
		"callId": "the call that a report was fetched for",
	}
}

// builtins are the functions of expr-lang that mappings may use: none makes a text or
// a list longer than its arguments.
func builtins() []string {
	return []string{
		"all", "none", "any", "one", "filter", "map", "find", "findLast", "count", "sum", "len", "abs", "ceil", "floor", "round",
		"trim", "upper", "lower", "hasPrefix", "hasSuffix", "max", "min", "mean", "median", "first", "last",
	}
}

// expression is a compiled mapping. A path alone is read without the machine.
type Expression struct {
	Source string
	path   *Path // of an expression that is a path; nil for others
	apply  func(any) any
	equal  *string // of a comparison of a path with a text
	paths  []*Path
	code   *vm.Program
}

// path is a member of a root.
type Path struct {
	key      string // as the machine knows it
	Root     string
	Members  []string
	embedded int // so many of the members lead to a text that holds JSON; 0 for none
}

// Error is what is wrong with an expression, and where in it.
type Error struct {
	At            file.Location
	Message, Hint string
}

func (e *Error) Error() string { return e.Message }

// Use is what an expression is for.
type Use int

const (
	Condition Use = iota // a comparison with what is absent does not hold
	Fact                 // one with what is absent is unknown, and so is all that depends on it
)

// Compile reads an expression. embedded are paths of body whose texts hold JSON.
func Compile(source string, embedded [][]string, use Use) (*Expression, *Error) {
	if strings.TrimSpace(source) == "" {
		return nil, &Error{Message: "the expression is empty", Hint: "such as body.call.id"}
	}
	if len(source) > maxExpression {
		return nil, &Error{Message: fmt.Sprintf("the expression has %d bytes; %d are allowed", len(source), maxExpression)}
	}
	tree, err := parse(source)
	if err != nil {
		return nil, syntaxError(err)
	}
	c := checker{embedded: embedded, use: use, paths: map[string]*Path{}}
	c.check(tree, 0)
	if c.failed != nil {
		return nil, c.failed
	}
	e := &Expression{Source: source}
	code, err := build(source, &c)
	if err != nil {
		return nil, syntaxError(err)
	}
	e.code, e.paths = code, slices.Collect(maps.Values(c.paths))
	e.shorten(c.patched)
	return e, nil
}

func parse(source string) (root ast.Node, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("cannot be parsed: %v", r)
		}
	}()
	config := conf.CreateNew()
	config.MaxNodes, config.DisableIfOperator = maxNodes, true
	tree, err := parser.ParseWithConfig(source, config)
	if err != nil {
		return nil, err
	}
	return tree.Node, nil
}

func build(source string, c *checker) (code *vm.Program, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("cannot be compiled: %v", r)
		}
	}()
	return expr.Compile(source, append(options(), expr.Patch(c))...)
}

var options = sync.OnceValue(func() []expr.Option {
	all := []expr.Option{
		expr.Env(map[string]any{}), expr.AllowUndefinedVariables(), expr.DisableIfOperator(), expr.DisableAllBuiltins(), expr.MaxNodes(2 * maxNodes),
	}
	for _, name := range builtins() {
		all = append(all, expr.EnableBuiltin(name))
	}
	for name, h := range helpers() {
		all = append(all, expr.Function(name, h.call, h.types...))
	}
	return append(all, expr.Function(stepName, step, new(func(any) bool)), expr.Function(knownName, demand, new(func(any) any)))
})

func syntaxError(err error) *Error {
	e := &Error{Message: err.Error()}
	if f, ok := errors.AsType[*file.Error](err); ok {
		e.At, e.Message = f.Location, f.Message
	}
	if strings.Contains(e.Message, "maximum allowed nodes") {
		e.Message = fmt.Sprintf("the expression has more than %d parts", maxNodes)
	}
	if said, hint, scanned := spelling.Scanned(e.Message); scanned {
		e.Message, e.Hint = strings.ReplaceAll(said, "conditions", "expressions"), hint
	}
	e.Message = spelling.Tokens(e.Message)
	if strings.HasPrefix(e.Message, `unexpected "="`) {
		e.Hint = "compare with =="
	}
	return e
}

// checker looks for what cannot be meant, and prepares the tree for the machine:
// paths become names, steps are counted.
type checker struct {
	embedded [][]string
	use      Use
	paths    map[string]*Path
	failed   *Error
	patched  ast.Node // the whole tree after Visit
}

func (c *checker) fail(n ast.Node, message, hint string) {
	if c.failed == nil {
		c.failed = &Error{At: n.Location(), Message: message, Hint: hint}
	}
}

// check goes down the tree as it was written.
func (c *checker) check(n ast.Node, depth int) {
	if members, root := pathOf(n); root != "" {
		c.root(n, root, members, depth)
		return
	}
	each := func(nodes ...ast.Node) {
		for _, n := range nodes {
			if n != nil {
				c.check(n, depth)
			}
		}
	}
	switch n := n.(type) {
	case *ast.IdentifierNode:
		c.unknown(n)
	case *ast.UnaryNode:
		each(n.Node)
	case *ast.BinaryNode:
		c.binary(n)
		each(n.Left, n.Right)
	case *ast.ChainNode:
		each(n.Node)
	case *ast.MemberNode:
		each(n.Node, n.Property)
	case *ast.SliceNode:
		each(n.Node, n.From, n.To)
	case *ast.CallNode:
		c.call(n)
		each(n.Arguments...)
	case *ast.BuiltinNode:
		if !slices.Contains(builtins(), n.Name) {
			c.unknownFunction(n, n.Name)
		}
		each(n.Arguments...)
	case *ast.PredicateNode:
		if depth++; depth > maxNesting {
			c.fail(n, fmt.Sprintf("predicates are nested deeper than %d", maxNesting), "")
			return
		}
		c.check(n.Node, depth)
	case *ast.ConditionalNode:
		each(n.Cond, n.Exp1, n.Exp2)
	case *ast.ArrayNode:
		each(n.Nodes...)
	case *ast.MapNode:
		each(n.Pairs...)
	case *ast.PairNode:
		each(n.Key, n.Value)
	case *ast.VariableDeclaratorNode, *ast.SequenceNode:
		c.fail(n, "a mapping is one expression: no let and no ;", "")
	}
}

// root checks a path; within a predicate of a list its elements are #.
func (c *checker) root(n ast.Node, root string, members []string, _ int) {
	if _, known := roots()[root]; !known {
		c.unknown(n)
		return
	}
	if len(members) > 0 && (root == "source" || root == "callId") {
		c.fail(n, root+" is a text: it has no members", "")
	}
}

func (c *checker) unknown(n ast.Node) {
	_, name := pathOf(n)
	for {
		switch m := n.(type) { // the place is that of the name
		case *ast.MemberNode:
			n = m.Node
			continue
		case *ast.ChainNode:
			n = m.Node
			continue
		}
		break
	}
	hint := `members of the body are written body.` + name + `; a text needs quotes: "` + name + `"`
	if near := spelling.Nearest(name, slices.Sorted(maps.Keys(roots()))); near != "" {
		hint = "did you mean " + near + "?"
	}
	c.fail(n, "unknown name "+name, hint)
}

func (c *checker) binary(n *ast.BinaryNode) {
	switch n.Operator {
	case "..":
		c.fail(n, "ranges are not supported", "")
	case "matches":
		if _, constant := n.Right.(*ast.StringNode); !constant {
			c.fail(n.Right, "the pattern of matches is a text in quotes", "")
		}
	case "**", "^":
		c.fail(n, "powers are not supported", "")
	}
}

func (c *checker) call(n *ast.CallNode) {
	id, ok := n.Callee.(*ast.IdentifierNode)
	if !ok {
		c.fail(n, "only functions can be called", "")
		return
	}
	h, known := helpers()[id.Value]
	if !known {
		c.unknownFunction(n, id.Value)
		return
	}
	if len(n.Arguments) < h.least || len(n.Arguments) > h.most {
		c.fail(n, fmt.Sprintf("%s takes %s", id.Value, h.arguments()), "such as "+h.example)
	}
}

func (c *checker) unknownFunction(n ast.Node, name string) {
	known := slices.AppendSeq(builtins(), maps.Keys(helpers()))
	slices.Sort(known)
	hint := "one of: " + strings.Join(known, ", ")
	if near := spelling.Nearest(name, known); near != "" {
		hint = "did you mean " + near + "?"
	}
	c.fail(n, "there is no function "+name, hint)
}

// pathOf takes a chain of members apart; "" where it does not begin with a name.
func pathOf(n ast.Node) (members []string, root string) {
	for {
		switch m := n.(type) {
		case *ast.IdentifierNode:
			slices.Reverse(members)
			return members, m.Value
		case *ast.ChainNode:
			n = m.Node
		case *ast.MemberNode:
			switch p := m.Property.(type) {
			case *ast.StringNode:
				members = append(members, p.Value)
			case *ast.IntegerNode:
				members = append(members, strconv.Itoa(p.Value))
			default:
				return nil, ""
			}
			n = m.Node
		default:
			return nil, ""
		}
	}
}

// Visit is called from the leaves up, once for each node.
func (c *checker) Visit(n *ast.Node) {
	defer func() { c.patched = *n }()
	switch node := (*n).(type) {
	case *ast.IdentifierNode:
		if _, known := roots()[node.Value]; known {
			c.name(n, node.Value, nil)
		}
	case *ast.MemberNode:
		id, ok := node.Node.(*ast.IdentifierNode)
		p := (*Path)(nil)
		if ok {
			p = c.paths[id.Value]
		}
		if p == nil {
			ast.Patch(n, optional(node))
			return
		}
		switch property := node.Property.(type) {
		case *ast.StringNode:
			c.name(n, p.Root, append(slices.Clone(p.Members), property.Value))
		case *ast.IntegerNode:
			c.name(n, p.Root, append(slices.Clone(p.Members), strconv.Itoa(property.Value)))
		default:
			ast.Patch(n, optional(node))
		}
	case *ast.ChainNode:
		if _, named := node.Node.(*ast.IdentifierNode); named {
			*n = node.Node
		}
	case *ast.BinaryNode:
		if c.use == Fact && compares(node) {
			node.Left, node.Right = demanded(node.Left), demanded(node.Right)
		}
	case *ast.PredicateNode:
		ast.Walk(&node.Node, undemanded{}) // an element without a member is one that does not meet the condition
		count := &ast.CallNode{Callee: &ast.IdentifierNode{Value: stepName}, Arguments: []ast.Node{&ast.IdentifierNode{Value: runName}}}
		node.Node = &ast.SequenceNode{Nodes: []ast.Node{count, node.Node}}
	}
}

// compares reports whether an operator compares its operands; with nil in the source it
// asks whether something is there.
func compares(n *ast.BinaryNode) bool {
	if isNil(n.Left) || isNil(n.Right) {
		return false
	}
	return slices.Contains([]string{"==", "!=", "<", "<=", ">", ">=", "in", "matches", "contains", "startsWith", "endsWith"}, n.Operator)
}

func isNil(n ast.Node) bool {
	_, is := n.(*ast.NilNode)
	return is
}

// demanded fails where the operand of a comparison is absent.
func demanded(n ast.Node) ast.Node {
	switch n.(type) {
	case *ast.StringNode, *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.ConstantNode, *ast.ArrayNode:
		return n
	}
	return &ast.CallNode{Callee: &ast.IdentifierNode{Value: knownName}, Arguments: []ast.Node{n}}
}

// operand is what was demanded.
func operand(n ast.Node) ast.Node {
	if call, ok := n.(*ast.CallNode); ok {
		if id, ok := call.Callee.(*ast.IdentifierNode); ok && id.Value == knownName {
			return call.Arguments[0]
		}
	}
	return n
}

// undemanded takes the demands back.
type undemanded struct{}

func (undemanded) Visit(n *ast.Node) {
	if inner := operand(*n); inner != *n {
		*n = inner
	}
}

// optional is a member that is absent where what it is of is.
func optional(n *ast.MemberNode) ast.Node {
	return &ast.ChainNode{Node: &ast.MemberNode{Node: n.Node, Property: n.Property, Optional: true}}
}

const (
	stepName  = "\x00step"
	knownName = "\x00known"
	runName   = "\x00run"
)

// name replaces a path by one name. The shorter paths that it was made of stay in the
// list until prune.
func (c *checker) name(n *ast.Node, root string, members []string) {
	key := "\x00" + root + "\x00" + strings.Join(members, "\x00")
	if c.paths[key] == nil {
		p := &Path{key: key, Root: root, Members: members}
		for _, e := range c.embedded {
			if root == "body" && len(e) <= len(members) && slices.Equal(e, members[:len(e)]) {
				p.embedded = len(e)
			}
		}
		c.paths[key] = p
	}
	ast.Patch(n, &ast.IdentifierNode{Value: key})
}

// shorten finds the expressions that need no machine, and drops the paths that are
// only parts of longer ones.
func (e *Expression) shorten(root ast.Node) {
	byKey := map[string]*Path{}
	for _, p := range e.paths {
		byKey[p.key] = p
	}
	named := func(n ast.Node) *Path {
		if id, ok := n.(*ast.IdentifierNode); ok {
			return byKey[id.Value]
		}
		return nil
	}
	used := map[string]bool{}
	for _, constant := range e.code.Constants {
		if key, ok := constant.(string); ok {
			used[key] = true
		}
	}
	e.paths = slices.DeleteFunc(e.paths, func(p *Path) bool { return !used[p.key] })
	switch n := root.(type) {
	case *ast.IdentifierNode:
		e.path = named(n)
	case *ast.CallNode:
		id, ok := n.Callee.(*ast.IdentifierNode)
		if ok && len(n.Arguments) == 1 {
			if h := helpers()[id.Value]; h.one != nil {
				e.path, e.apply = named(n.Arguments[0]), h.one
			}
		}
	case *ast.BinaryNode:
		if s, ok := n.Right.(*ast.StringNode); ok && n.Operator == "==" {
			e.path, e.equal = named(operand(n.Left)), &s.Value
		}
	}
}

// run is the evaluation of the mappings for one record.
type Run struct {
	Roots map[string]lenient.Node
	env   map[string]any
	vm    vm.VM
	Steps int
	Notes []string // why mappings gave nothing although there was something; only where wanted
	Noted bool
}

// ErrTooLong ends an expression that looks at more elements than a call has.
var ErrTooLong = errors.New("the expressions look at too many elements")

// step counts an element.
func step(args ...any) (any, error) {
	r := args[0].(*Run)
	if r.Steps++; r.Steps > MaxSteps {
		return nil, ErrTooLong
	}
	return true, nil
}

// errUnknown ends an expression that compares something with what is absent.
var errUnknown = errors.New("it compares with what is absent; ?? gives that a value")

func demand(args ...any) (any, error) {
	if args[0] == nil {
		return nil, errUnknown
	}
	return args[0], nil
}

// Node is what is at a path.
func (r *Run) Node(p *Path) lenient.Node {
	n := r.Roots[p.Root]
	for i, m := range p.Members {
		if i == p.embedded && i > 0 {
			n = EmbeddedIn(n)
		}
		if n.IsList() {
			n = element(n, m)
			continue
		}
		n = n.At(m)
	}
	if p.embedded > 0 && p.embedded == len(p.Members) {
		n = EmbeddedIn(n)
	}
	return n
}

func element(n lenient.Node, index string) lenient.Node {
	i, err := strconv.Atoi(index)
	list := n.List()
	if i < 0 {
		i += len(list)
	}
	if err != nil || i < 0 || i >= len(list) {
		return lenient.Node{}
	}
	return list[i]
}

// EmbeddedIn is the JSON in a text.
func EmbeddedIn(n lenient.Node) lenient.Node {
	if n.IsObject() || n.IsList() || n.IsNull() {
		return n
	}
	inner, err := lenient.ParseJSON([]byte(n.Text()))
	if err != nil {
		return lenient.Node{}
	}
	return inner
}

// Eval is the value of an expression; nil where it is unknown.
func (r *Run) Eval(e *Expression) any {
	if e.path != nil {
		n := r.Node(e.path)
		switch {
		case e.equal != nil && n.IsNull():
			return nil
		case e.equal != nil:
			return !n.IsObject() && !n.IsList() && n.Text() == *e.equal
		case e.apply != nil:
			return e.apply(Value(n))
		}
		return Value(n)
	}
	if r.env == nil {
		r.env = map[string]any{runName: r}
		r.vm.MemoryBudget = maxMemory
	}
	known := len(e.paths) == 0
	for _, p := range e.paths {
		v, have := r.env[p.key]
		if !have {
			v = Value(r.Node(p))
			r.env[p.key] = v
		}
		known = known || v != nil
	}
	got, err := r.vm.Run(e.code, r.env)
	if err != nil {
		if known && r.Noted {
			r.Notes = append(r.Notes, fmt.Sprintf("%s: %.200s", e.Source, firstLine(err.Error())))
		}
		return nil
	}
	return got
}

func firstLine(s string) string {
	s, _, _ = strings.Cut(s, "\n")
	return s
}

// Holds evaluates a condition: what is unknown does not hold.
func (r *Run) Holds(e *Expression) bool {
	v, _ := r.Eval(e).(bool)
	return v
}

// Value is a node as the machine sees it: numbers as int or float64, texts and lists
// within their bounds.
func Value(n lenient.Node) any {
	switch {
	case n.IsNull():
		return nil
	case n.IsObject():
		m := map[string]any{}
		for name, v := range n.Members() {
			m[name] = Value(v)
		}
		return m
	case n.IsList():
		list := n.List()
		list = list[:min(len(list), maxElements)]
		out := make([]any, len(list))
		for i, e := range list {
			out[i] = Value(e)
		}
		return out
	}
	return n.Plain(maxText)
}

// Constant says whether the expression reads nothing of the body.
func (e *Expression) Constant() bool { return len(e.paths) == 0 && e.path == nil }

// Path is the path that the expression is; nil for any other expression.
func (e *Expression) Path() *Path {
	if e.apply != nil || e.equal != nil {
		return nil
	}
	return e.path
}

// Reset forgets what was read: the roots are others.
func (r *Run) Reset() { r.env = nil }
