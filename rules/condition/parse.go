package condition

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"unicode/utf8"

	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/conf"
	"github.com/expr-lang/expr/file"
	"github.com/expr-lang/expr/parser"

	"callwatch/yamlfile/spelling"
)

// compiler checks one expression and turns its syntax tree into nodes.
type compiler struct {
	src      string
	env      Env
	names    *names
	problems []Problem
	count    int      // nodes so far, macros expanded
	closure  *closure // the predicate being compiled, nil outside

	figures    *Figures // of rules over windows, nil elsewhere
	inArgument bool     // of a window function: it is about one call
}

// closure is the list whose elements a predicate looks at.
type closure struct {
	elem typ
	path string // name of the list, for explanations
}

func newCompiler(src string, env Env) *compiler {
	env = env.Compiled()
	return &compiler{src: src, env: env, names: env.names}
}

func (c *compiler) whole() file.Location {
	return file.Location{From: 0, To: utf8.RuneCountInString(c.src)}
}

// compile reads the source; nil where it cannot be read at all.
func (c *compiler) compile() *node {
	tree := c.parse()
	if tree == nil {
		return nil
	}
	return c.lower(tree)
}

// parse is the syntax tree of the source; nil after a problem.
func (c *compiler) parse() ast.Node {
	switch {
	case strings.TrimSpace(c.src) == "":
		c.fail(c.whole(), CodeEmpty, "the condition is empty",
			"write a comparison, e.g. mos < 3.5; in YAML, quote conditions that begin with !")
		return nil
	case len(c.src) > maxBytes:
		c.fail(file.Location{}, CodeTooLong, fmt.Sprintf("the expression has %d bytes; %d are allowed", len(c.src), maxBytes),
			"split it into several rules, or move long lists to `lists`")
		return nil
	}
	tree, err := parse(c.src)
	if err != nil {
		c.syntax(err)
		return nil
	}
	return tree
}

// parse runs expr-lang's parser. A panic in it is a syntax error: the source is
// whatever somebody wrote.
func parse(src string) (root ast.Node, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("cannot be parsed: %v", r)
		}
	}()
	config := conf.CreateNew()
	config.MaxNodes = maxNodes
	config.DisableIfOperator = true
	read, written := spans(src)
	read, renamed := standIn(read)
	tree, err := parser.ParseWithConfig(read, config)
	if err != nil {
		return nil, err
	}
	if len(renamed) > 0 {
		ast.Walk(&tree.Node, ownNames(renamed))
	}
	if len(written) > 0 {
		ast.Walk(&tree.Node, ownSpans(written))
	}
	return tree.Node, nil
}

// syntax words expr-lang's error for people who do not know its tokens.
func (c *compiler) syntax(err error) {
	at, message := file.Location{}, err.Error()
	if e, ok := errors.AsType[*file.Error](err); ok {
		at, message = e.Location, e.Message
	}
	if strings.Contains(message, "maximum allowed nodes") {
		c.tooComplex(at)
		return
	}
	if name, where := c.refusedCall(); name != "" {
		c.refuse(name, where)
		return
	}
	message = spelling.Tokens(message)
	if c.wrongCountAt(message, at) {
		return
	}
	if said, hint, scanned := spelling.Scanned(message); scanned {
		if number, no := strings.CutSuffix(said, " is not a number"); no && spanWord.FindString(strings.ToLower(number)) == strings.ToLower(number) {
			hint = "write " + strings.ToLower(number) + " in small letters"
		}
		c.fail(at, CodeSyntax, said, hint)
		return
	}
	hint := c.foreignOperator(at.From)
	if hint == "" {
		hint = syntaxHint(message)
	}
	switch {
	case ifWord.MatchString(c.src):
		message, hint = "if is not part of conditions", "join conditions with && and ||, or write condition ? value : other"
	case strings.Contains(message, "coalesce"):
		message = "?? needs parentheses beside another operator"
	case strings.Contains(message, "unexpected end") && strings.Count(c.src, "(") > strings.Count(c.src, ")"):
		hint = "a parenthesis is not closed"
	}
	c.fail(at, CodeSyntax, message, hint)
}

var ifWord = regexp.MustCompile(`(^|[\s(])if[\s(]`)

func syntaxHint(message string) string {
	for _, h := range []struct{ part, hint string }{
		{`"="`, "compare with =="},
		{`"AND"`, "write and, or &&"},
		{`"OR"`, "write or, or ||"},
		{`"NOT"`, "write not, or !"},
		{`"&"`, "write &&, or and"},
		{`"IS"`, "compare with ==; for unknown fields write == nil"},
		{`"LIKE"`, "write contains, startsWith, endsWith or matches"},
		{`"BETWEEN"`, "write mos >= 1 && mos <= 3; whole numbers: sipCode in 500..599"},
		{`"IN"`, "write in: sipCode in [500, 503]"},
		{`"#"`, "in a predicate # is the element of the list; a comment is outside of the quotes"},
		{`"is"`, "compare with ==; for unknown fields write == nil"},
		{`"like"`, "write contains, startsWith, endsWith or matches"},
		{`"between"`, "write mos >= 1 && mos <= 3; whole numbers: sipCode in 500..599"},
		{`"then"`, "a condition ends here: what follows from it is said in the rule"},
		{`coalesce expressions`, "e.g. (mos ?? 5) < 3.5"},
		{`unexpected "."`, ".x is a member of the element that a function looks at: any(list, .x > 3), max(list, .x)"},
		{"unexpected end", "an operand is missing"},
		{"literal not terminated", "close the quotes"},
	} {
		if strings.Contains(message, h.part) {
			return h.hint
		}
	}
	return ""
}

func (c *compiler) tooComplex(at file.Location) *node {
	return c.fail(at, CodeTooComplex, fmt.Sprintf("the expression has more than %d parts, macros expanded", maxNodes),
		"split it into several rules, or use a list: from in my_numbers")
}
