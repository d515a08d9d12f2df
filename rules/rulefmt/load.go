// Package rulefmt reads rules files: it compiles them to a set of rules, with all that is
// wrong with them, and puts their keys in order. It may import call, rules, its packages
// below rules and yamlfile.
package rulefmt

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/token"

	"callwatch/rules"
	"callwatch/rules/condition"
	"callwatch/yamlfile"
)

// LoadFile reads and compiles a rules file with the folder rules.d beside it, or the
// files of a folder; see ReadSources. The problems hold everything that is wrong with
// them; with an error among them the set is nil.
func LoadFile(path string) (*rules.Set, rules.Problems, error) {
	sources, err := ReadSources(path)
	if err != nil {
		return nil, nil, fmt.Errorf("read rules: %w", err)
	}
	set, problems, err := LoadSources(context.Background(), sources)
	return set, problems, err
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
func Load(name string, src []byte) (*rules.Set, rules.Problems) {
	set, problems, _ := LoadContext(context.Background(), name, src)
	return set, problems
}

// LoadContext is Load, given up when ctx ends: the error is that of ctx.
func LoadContext(ctx context.Context, name string, src []byte) (*rules.Set, rules.Problems, error) {
	return LoadSources(ctx, []rules.Source{{Name: name, Text: src}})
}

// Digest names the content of a rules file.
func Digest(src []byte) string {
	sum := sha256.Sum256(src)
	return hex.EncodeToString(sum[:8])
}

// loader compiles the documents of a set of rules, each part of all of them before
// the next. The document that is embedded is the one being read.
type loader struct {
	*yamlfile.Document
	set      *rules.Set
	env      condition.Env
	defaults rules.Rule
	figures  *condition.Figures    // of the rule being read, where it is about a window
	defined  map[string]definition // macros and lists

	ruleAt    map[string]*rules.Rule // by name
	listed    int                    // rules, those with errors included
	caught    bool                   // a route that was read matches all
	silenced  int                    // silences, those with errors included
	adoptions []adoption

	dir        string            // that the files which rules name are relative to; "": that of the document
	companions map[string][]byte // those files, by path
	read       int               // bytes of them
	rows       int               // of all tables

	parts    int  // of all expressions so far
	events   int  // of all tests so far
	nameless bool // a rule has no name that could be read
}

// definition is where a macro or list is defined, and where its problems are.
type definition struct {
	in    *yamlfile.Document
	at    pos
	place func(condition.Problem) pos
}

func newLoader(d *yamlfile.Document, digest string) *loader {
	return &loader{Document: d, set: &rules.Set{Digest: digest}, defined: map[string]definition{}, ruleAt: map[string]*rules.Rule{}}
}

// file reads a single document.
func (l *loader) file(root ast.Node) { l.files([]parsed{{l.Document, root}}) }

// parsed is a document with its top level; nil where it has none.
type parsed struct {
	*yamlfile.Document
	root ast.Node
}

// files reads the top levels. Macros and lists are read first, wherever they are,
// since rules use them. The defaults of a file are for its own rules. The routes of the
// first file come last, so that its last one can catch what the others leave.
func (l *loader) files(docs []parsed) {
	l.defaults = ruleDefaults()
	nodes := make([]map[string]ast.Node, len(docs))
	for i, d := range docs {
		if nodes[i] = map[string]ast.Node{}; d.root == nil {
			continue
		}
		hold := func(key string) func(ast.Node) {
			return func(n ast.Node) { nodes[i][key] = n }
		}
		l.Document = d.Document
		l.Mapping(d.root, "a rules file", keys{
			"define": hold("define"), "lists": hold("lists"), "defaults": hold("defaults"),
			"lookup": hold("lookup"), "rules": hold("rules"), "routes": hold("routes"),
			"silences": hold("silences"),
		})
	}
	each := func(order []int, read func(part map[string]ast.Node)) {
		for _, i := range order {
			l.Document = docs[i].Document
			read(nodes[i])
		}
	}
	inOrder := make([]int, len(docs))
	for i := range inOrder {
		inOrder[i] = i
	}
	of := func(key string, read func(ast.Node)) func(map[string]ast.Node) {
		return func(part map[string]ast.Node) {
			if n, ok := part[key]; ok {
				read(n)
			}
		}
	}
	l.env.Lists, l.env.Macros, l.env.Tables = map[string][]string{}, map[string]string{}, map[string]*condition.Table{}
	each(inOrder, of("lookup", l.readLookups))
	each(inOrder, of("lists", l.readLists))
	each(inOrder, of("define", l.readMacros))
	l.checkNames()
	each(inOrder, func(part map[string]ast.Node) {
		l.defaults = ruleDefaults()
		of("defaults", l.readDefaults)(part)
		of("rules", l.readRules)(part)
	})
	l.checkAdoptions()
	each(append(inOrder[1:], inOrder[0]), of("routes", l.readRoutes))
	each(inOrder, of("silences", l.readSilences))
	l.Document = docs[0].Document
	if !slices.ContainsFunc(nodes, func(part map[string]ast.Node) bool { return part["rules"] != nil }) && !slices.ContainsFunc(docs, func(d parsed) bool { return len(d.Problems) > 0 }) {
		l.Add(nodeAt(docs[0].root), "no-rules", "the file has no rules", "add a list under rules:")
	}
}

// alertEnv is the environment of routes and silences, once the rules are read.
func (l *loader) alertEnv() condition.Env {
	if l.nameless {
		return rules.AlertEnv(l.env)
	}
	return rules.AlertEnv(l.env, l.set.Names()...)
}

func (l *loader) readLists(n ast.Node) {
	l.Entries(n, "lists", func(key string, keyAt pos, value ast.Node) {
		list := l.Texts(value, "list "+key)
		if _, again := l.env.Lists[key]; again {
			l.definedAgain("list", key, keyAt)
			return
		}
		l.env.Lists[key] = list
		l.defined[key] = definition{l.Document, keyAt, func(condition.Problem) pos { return keyAt }}
	})
}

func (l *loader) readMacros(n ast.Node) {
	l.Entries(n, "define", func(key string, keyAt pos, value ast.Node) {
		src, ok := l.source(value, "macro "+key)
		if !ok {
			return
		}
		if _, again := l.env.Macros[key]; again {
			l.definedAgain("macro", key, keyAt)
			return
		}
		l.env.Macros[key] = src
		in := l.Document
		l.defined[key] = definition{in, keyAt, func(p condition.Problem) pos {
			if p.Code == condition.CodeBadName {
				return keyAt
			}
			return in.Place(value, src, p.Line, p.Column)
		}}
	})
}

// definedAgain reports a name that another file has defined.
func (l *loader) definedAgain(what, name string, p pos) {
	first := l.defined[name]
	l.Add(p, "duplicate-name", fmt.Sprintf("a %s named %q is defined in %s:%d already", what, name, first.in.File, first.at.Line), "give one of them another name, or remove it")
}

// checkNames reports what is wrong with macros and lists once, where they are
// defined.
func (l *loader) checkNames() {
	l.env = l.env.Compiled()
	for name, problems := range l.env.Check() {
		for _, p := range problems {
			d := l.defined[name]
			d.in.Report(d.place(p), string(p.Severity), string(p.Code), p.Message, p.Hint)
		}
	}
}

// source is the text of an expression.
func (l *loader) source(n ast.Node, what string) (string, bool) {
	if _, null := n.(*ast.NullNode); null || n == nil {
		l.Add(nodeAt(n), "empty-condition", what+" has no condition", "write an expression such as mos < 3.5")
		return "", false
	}
	src, ok := l.Text(n, what)
	if ok && strings.TrimSpace(src) == "" {
		l.Add(nodeAt(n), "empty-condition", what+" has no condition", "write an expression such as mos < 3.5")
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
		l.Report(l.Place(n, src, p.Line, p.Column), string(p.Severity), string(p.Code), p.Message, p.Hint)
	}
	if program != nil {
		if l.parts += program.Size(); l.parts > maxParts {
			l.GiveUp(nodeAt(n), fmt.Sprintf("the conditions of the file have more than %d parts, macros expanded", maxParts))
		}
	}
	return program
}

// endsInComment says whether a comment follows a text without quotes on its line.
func (l *loader) endsInComment(n ast.Node) bool {
	s, ok := n.(*ast.StringNode)
	if !ok || s.Token.Type != token.StringType || at(s.Token).Line > len(l.Lines) {
		return false
	}
	_, rest, found := strings.Cut(l.Lines[at(s.Token).Line-1], s.Value)
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
