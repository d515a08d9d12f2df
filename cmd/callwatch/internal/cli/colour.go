package cli

import (
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"strings"

	"golang.org/x/term"

	"callwatch/rules"
)

// Style is how a word stands out on a terminal.
type Style rune

// A style begins with a control character of its own, which a TerminalWriter that
// colours turns into what terminals know. Each takes one column of a table.
const (
	Good   Style = '\x11'
	Warn   Style = '\x12'
	Bad    Style = '\x13'
	Strong Style = '\x14'
	Normal Style = '\x0f' // ends a style; a text of this style only takes as much room as the others
)

// sequences are what a terminal takes for each style.
var sequences = map[Style]string{Good: "\x1b[32m", Warn: "\x1b[33m", Bad: "\x1b[31m", Strong: "\x1b[1m", Normal: "\x1b[0m"}

// Styled is text in a style where w colours, and text alone elsewhere.
func Styled(w io.Writer, s Style, text string) string {
	if t, ok := w.(*TerminalWriter); !ok || !t.Colour {
		return text
	}
	return string(s) + text + string(Normal)
}

// ColourMode is when commands colour what they print.
type ColourMode string

const (
	auto   ColourMode = "auto"
	always ColourMode = "always"
	never  ColourMode = "never"
)

// String, Set and Type make it a flag.
func (m *ColourMode) String() string { return string(*m) }

// Set refuses what is no mode.
func (m *ColourMode) Set(s string) error {
	switch v := ColourMode(strings.ToLower(s)); v {
	case auto, always, never:
		*m = v
		return nil
	default:
		return fmt.Errorf("%q is none of auto, always, never", s)
	}
}

// Type names the flag's type in help texts.
func (m *ColourMode) Type() string { return "when" }

// colours reports whether what is written to w is coloured: --color decides, else
// NO_COLOR, else CLICOLOR_FORCE, else whether w is a terminal.
func (m ColourMode) colours(environ []string, w io.Writer) bool {
	set := func(name string) string {
		i := slices.IndexFunc(environ, func(e string) bool { return strings.HasPrefix(e, name+"=") })
		if i < 0 {
			return ""
		}
		return environ[i][len(name)+1:]
	}
	force := set("CLICOLOR_FORCE")
	switch {
	case m == always || m == never:
		return m == always
	case set("NO_COLOR") != "":
		return false
	case force != "" && force != "0":
		return true
	case set("TERM") == "dumb" || runtime.GOOS == "windows" && set("WT_SESSION") == "":
		return false
	}
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// Severity is the severity of an alert in its style.
func Severity(w io.Writer, s rules.Severity) string {
	style, ok := map[rules.Severity]Style{rules.Critical: Bad, rules.Warning: Warn}[s]
	if !ok {
		style = Normal
	}
	return Styled(w, style, string(s))
}
