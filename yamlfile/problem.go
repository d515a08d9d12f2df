package yamlfile

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Problem is one thing that is wrong, or looks wrong, in a rules file.
type Problem struct {
	File     string `json:"file"`
	Line     int    `json:"line"`     // 1-based
	Column   int    `json:"column"`   // 1-based, in characters
	Severity string `json:"severity"` // error or warning
	Code     string `json:"code"`     // stable, kebab-case
	Message  string `json:"message"`
	Hint     string `json:"hint,omitempty"` // what to write instead

	Source string `json:"-"` // the line itself
}

const (
	maxProblems    = 500     // of one file
	maxMessage     = 600     // bytes of a message or hint
	maxSource      = 1 << 16 // bytes of a line, else it is not shown
	maxSourceShown = 160     // characters of a line

	ErrorSeverity   = "error"
	WarningSeverity = "warning"
)

// IsError says whether the problem keeps the file from being used.
func (p Problem) IsError() bool { return p.Severity == ErrorSeverity }

// String is the problem as a person reads it: place, message, the line, a caret
// under the place, and the hint.
func (p Problem) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s:%d:%d: %s: %s [%s]", p.File, p.Line, p.Column, p.Severity, p.Message, p.Code)
	if p.Source != "" {
		gutter := fmt.Sprintf("%5d | ", p.Line)
		line, column := around(p.Source, p.Column)
		fmt.Fprintf(&b, "\n%s%s\n%s^", gutter, line, strings.Repeat(" ", len(gutter)-2)+"| "+indentTo(line, column))
	}
	if p.Hint != "" {
		fmt.Fprintf(&b, "\n        %s", p.Hint)
	}
	return b.String()
}

// around is the part of a long line that a column is in, and the column there.
func around(line string, column int) (part string, at int) {
	r := []rune(line)
	if len(r) <= maxSourceShown {
		return line, column
	}
	from := min(max(column-1-maxSourceShown/2, 0), len(r)-maxSourceShown)
	part, at = string(r[from:from+maxSourceShown]), column-from
	if from > 0 {
		part, at = "..."+part, at+3
	}
	if from+maxSourceShown < len(r) {
		part += "..."
	}
	return part, at
}

// clipped is the text, cut where it is too long to be read.
func clipped(text string) string {
	if len(text) <= maxMessage {
		return text
	}
	return strings.ToValidUTF8(text[:maxMessage], "") + "..."
}

// indentTo is the white space that is above a column, tabs kept, so that a
// caret below the line points at it.
func indentTo(line string, column int) string {
	var b strings.Builder
	for i, r := range []rune(line) {
		if i >= column-1 {
			break
		}
		if r != '\t' {
			r = ' '
		}
		b.WriteRune(r)
	}
	return b.String()
}

// Problems of one or more files.
type Problems []Problem

// Errors says whether any of them keeps the files from being used.
func (ps Problems) Errors() bool {
	return slices.ContainsFunc(ps, Problem.IsError)
}

// Error lists them all, so that Problems can be returned as an error.
func (ps Problems) Error() string {
	lines := make([]string, len(ps))
	for i, p := range ps {
		lines[i] = p.String()
	}
	return strings.Join(lines, "\n")
}

// Sort orders problems by file, line and column.
func (ps Problems) Sort() {
	slices.SortStableFunc(ps, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
}
