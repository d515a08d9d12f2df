package rulefmt

import (
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/token"

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

type (
	pos  = yamlfile.Pos
	keys = yamlfile.Keys
)

// parseDocument reads a rules file to its syntax tree.
func parseDocument(file string, src []byte) (*yamlfile.Document, ast.Node) {
	return yamlfile.Parse(file, "rules", src)
}

func yamlText(src []byte) string { return yamlfile.TextOf(src) }

func at(t *token.Token) pos { return yamlfile.TokenAt(t) }
func nodeAt(n ast.Node) pos { return yamlfile.At(n) }
