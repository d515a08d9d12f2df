package rulefmt

import (
	"time"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/token"

	"callwatch/rules"
	"callwatch/yamlfile"
)

// Bounds of what one rules file defines.
const (
	maxRules  = 5_000
	maxRoutes = 1_000
	maxListed = 1_000   // silences
	maxParts  = 200_000 // of all conditions, macros expanded
)

const (
	maxFile        = yamlfile.MaxFile
	problemWarning = yamlfile.WarningSeverity
)

// document is a rules file by its syntax tree.
type document struct{ *yamlfile.Document }

type (
	pos  = yamlfile.Pos
	keys = yamlfile.Keys
)

func parseDocument(file string, src []byte) (*document, ast.Node) {
	d, root := yamlfile.Parse(file, "rules", src)
	return &document{d}, root
}

func yamlText(src []byte) string { return yamlfile.TextOf(src) }

func at(t *token.Token) pos { return yamlfile.TokenAt(t) }
func nodeAt(n ast.Node) pos { return yamlfile.At(n) }

func (d *document) add(p pos, code, message, hint string) { d.Add(p, code, message, hint) }

func (d *document) report(p pos, severity, code, message, hint string) {
	d.Report(p, severity, code, message, hint)
}

func (d *document) problem(p pos, severity, code, message, hint string) rules.Problem {
	return d.Problem(p, severity, code, message, hint)
}

func (d *document) giveUp(p pos, message string) { d.GiveUp(p, message) }
func (d *document) within(n ast.Node, i, most int, what string) bool {
	return d.Within(n, i, most, what)
}

func (d *document) mapping(n ast.Node, what string, known keys)         { d.Mapping(n, what, known) }
func (d *document) list(n ast.Node, what string, fn func(ast.Node))     { d.List(n, what, fn) }
func (d *document) text(n ast.Node, what string) (string, bool)         { return d.Text(n, what) }
func (d *document) texts(n ast.Node, what string) []string              { return d.Texts(n, what) }
func (d *document) anything(n ast.Node) any                             { return d.Anything(n) }
func (d *document) duration(n ast.Node, w string) (time.Duration, bool) { return d.Duration(n, w) }
func (d *document) integer(n ast.Node, w string, lo, hi int) (int, bool) {
	return d.Integer(n, w, lo, hi)
}

func (d *document) entries(n ast.Node, what string, fn func(key string, keyAt pos, value ast.Node)) {
	d.Entries(n, what, fn)
}

func (d *document) word(n ast.Node, what string, words ...string) (string, bool) {
	return d.Word(n, what, words...)
}

func (d *document) place(n ast.Node, value string, line, column int) pos {
	return d.Place(n, value, line, column)
}
