package rules

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/token"

	"callwatch/rules/condition"
)

// LoadFile reads and compiles a rules file. The problems hold everything that is
// wrong with it; with an error among them the set is nil.
func LoadFile(path string) (*Set, Problems, error) {
	src, err := ReadFile(path)
	if err != nil {
		return nil, nil, fmt.Errorf("read rules: %w", err)
	}
	set, problems := Load(path, src)
	return set, problems, nil
}

// ReadFile reads a rules file, and no more of it than shows that it is too large.
func ReadFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	src, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	return src, errors.Join(err, f.Close())
}

// Load compiles the content of a rules file; name is what problems call it.
func Load(name string, src []byte) (*Set, Problems) {
	set, problems, _ := LoadContext(context.Background(), name, src)
	return set, problems
}

// LoadContext is Load, given up when ctx ends: the error is that of ctx.
func LoadContext(ctx context.Context, name string, src []byte) (*Set, Problems, error) {
	if err := ctx.Err(); err != nil {
		return nil, nil, err
	}
	d, root := parseDocument(name, src)
	d.stopped = func() bool { return ctx.Err() != nil }
	l := newLoader(d, Digest(src))
	l.set.Source = src
	if root != nil {
		l.file(root)
	}
	if err := ctx.Err(); err != nil {
		return nil, nil, err
	}
	d.problems.sort()
	if d.problems.Errors() {
		return nil, d.problems, nil
	}
	l.set.env = l.env
	return l.set, d.problems, nil
}

// Digest names the content of a rules file.
func Digest(src []byte) string {
	sum := sha256.Sum256(src)
	return hex.EncodeToString(sum[:8])
}

// loader compiles one document.
type loader struct {
	*document
	set      *Set
	env      condition.Env
	defaults Rule
	figures  *condition.Figures                     // of the rule being read, where it is about a window
	named    map[string]func(condition.Problem) pos // where the problems of a macro or list are

	adoptions []adoption
	parts     int  // of all expressions so far
	events    int  // of all tests so far
	nameless  bool // a rule has no name that could be read
}

func newLoader(d *document, digest string) *loader {
	return &loader{document: d, set: &Set{Digest: digest}, named: map[string]func(condition.Problem) pos{}}
}

// file reads the top level. Macros, lists and defaults are read first, wherever
// they stand, since rules use them.
func (l *loader) file(root ast.Node) {
	nodes := map[string]ast.Node{}
	hold := func(key string) func(ast.Node) {
		return func(n ast.Node) { nodes[key] = n }
	}
	l.mapping(root, "a rules file", keys{
		"define": hold("define"), "lists": hold("lists"), "defaults": hold("defaults"),
		"rules": hold("rules"), "routes": hold("routes"),
		"silences": hold("silences"),
	})
	l.defaults = ruleDefaults()
	for _, part := range []struct {
		key  string
		read func(ast.Node)
	}{
		{"lists", l.readLists},
		{"define", l.readMacros},
		{"", func(ast.Node) { l.checkNames() }},
		{"defaults", l.readDefaults},
		{"rules", l.readRules},
		{"routes", l.readRoutes},
		{"silences", l.readSilences},
	} {
		if n, ok := nodes[part.key]; ok || part.key == "" {
			part.read(n)
		}
	}
	if _, ok := nodes["rules"]; !ok && len(l.problems) == 0 {
		l.add(nodeAt(root), "no-rules", "the file has no rules", "add a list under rules:")
	}
}

// alertEnv is the environment of routes and silences, once the rules are read.
func (l *loader) alertEnv() condition.Env {
	if l.nameless {
		return alertEnv(l.env)
	}
	return alertEnv(l.env, l.set.names()...)
}

func (l *loader) readLists(n ast.Node) {
	l.env.Lists = map[string][]string{}
	l.entries(n, "lists", func(key string, keyAt pos, value ast.Node) {
		l.env.Lists[key] = l.texts(value, "list "+key)
		l.named[key] = func(p condition.Problem) pos { return keyAt }
	})
}

func (l *loader) readMacros(n ast.Node) {
	l.env.Macros = map[string]string{}
	l.entries(n, "define", func(key string, keyAt pos, value ast.Node) {
		src, ok := l.source(value, "macro "+key)
		if !ok {
			return
		}
		l.env.Macros[key] = src
		l.named[key] = func(p condition.Problem) pos {
			if p.Code == condition.CodeBadName {
				return keyAt
			}
			return l.place(value, src, p.Line, p.Column)
		}
	})
}

// checkNames reports what is wrong with macros and lists once, where they are
// defined.
func (l *loader) checkNames() {
	l.env = l.env.Compiled()
	for name, problems := range l.env.Check() {
		for _, p := range problems {
			l.report(l.named[name](p), string(p.Severity), string(p.Code), p.Message, p.Hint)
		}
	}
}

// source is the text of an expression.
func (l *loader) source(n ast.Node, what string) (string, bool) {
	if _, null := n.(*ast.NullNode); null || n == nil {
		l.add(nodeAt(n), "empty-condition", what+" has no condition", "write an expression such as mos < 3.5")
		return "", false
	}
	src, ok := l.text(n, what)
	if ok && strings.TrimSpace(src) == "" {
		l.add(nodeAt(n), "empty-condition", what+" has no condition", "write an expression such as mos < 3.5")
		return "", false
	}
	return src, ok
}

// program compiles the condition at n; nil after a problem.
func (l *loader) program(n ast.Node, what string, env condition.Env) *condition.Program {
	src, ok := l.source(n, what)
	if !ok {
		return nil
	}
	program, problems := l.compile(src, env)
	for _, p := range problems {
		if p.Code == condition.CodeSyntax && l.endsInComment(n) {
			p.Hint = "YAML reads what follows a space and # as a comment: put the whole in quotes"
		}
		l.report(l.place(n, src, p.Line, p.Column), string(p.Severity), string(p.Code), p.Message, p.Hint)
	}
	if program != nil {
		if l.parts += program.Size(); l.parts > maxParts {
			l.giveUp(nodeAt(n), fmt.Sprintf("the conditions of the file have more than %d parts, macros expanded", maxParts))
		}
	}
	return program
}

// endsInComment says whether a comment follows a text without quotes on its line.
func (l *loader) endsInComment(n ast.Node) bool {
	s, ok := n.(*ast.StringNode)
	if !ok || s.Token.Type != token.StringType || at(s.Token).line > len(l.lines) {
		return false
	}
	_, rest, found := strings.Cut(l.lines[at(s.Token).line-1], s.Value)
	return found && strings.HasPrefix(strings.TrimLeft(rest, " "), "#")
}

func (l *loader) compile(src string, env condition.Env) (*condition.Program, []condition.Problem) {
	if l.figures != nil {
		return condition.CompileWindow(src, env, l.figures)
	}
	return condition.Compile(src, env)
}

// single compiles a condition about single calls, also within a rule about a
// window.
func (l *loader) single(n ast.Node, what string) *condition.Program {
	figures := l.figures
	defer func() { l.figures = figures }()
	l.figures = nil
	return l.program(n, what, l.env)
}
