package cli

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"
)

// TerminalWriter passes on what a terminal shows as text, and escapes the rest:
// control characters but tab and newline, those of C1, bytes that are no UTF-8,
// and marks that turn the reading direction or cannot be seen. An escape reads
// \u202e, which means the same in JSON. Everything that a command prints goes
// through one. Where it colours it writes the sequences of our styles, and ends a
// style with its line.
type TerminalWriter struct {
	mu     sync.Mutex
	To     io.Writer
	Colour bool
	styled bool
	rest   []byte // the beginning of a rune whose end has not come yet
}

// Write takes all of p, or fails.
func (w *TerminalWriter) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	text := append(w.rest, p...)
	w.rest = nil
	safe := make([]byte, 0, len(text))
	for len(text) > 0 {
		if !utf8.FullRune(text) {
			w.rest = append([]byte(nil), text...)
			break
		}
		r, size := utf8.DecodeRune(text)
		safe = w.appendStyled(safe, r, text[:size])
		text = text[size:]
	}
	if _, err := w.To.Write(safe); err != nil {
		return 0, err
	}
	return len(p), nil
}

// Close writes what was left of a rune that never ended.
func (w *TerminalWriter) Close() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	var safe []byte
	for _, b := range w.rest {
		safe = appendSafe(safe, utf8.RuneError, []byte{b})
	}
	if w.styled {
		safe = append(safe, sequences[Normal]...)
	}
	w.rest, w.styled = nil, false
	_, err := w.To.Write(safe)
	return err
}

// appendStyled is appendSafe with styles, where the writer colours.
func (w *TerminalWriter) appendStyled(to []byte, r rune, raw []byte) []byte {
	sequence, style := sequences[Style(r)]
	switch {
	case w.Colour && style:
		w.styled = Style(r) != Normal
		return append(to, sequence...)
	case w.styled && r == '\n':
		w.styled = false
		to = append(to, sequences[Normal]...)
	}
	return appendSafe(to, r, raw)
}

func appendSafe(to []byte, r rune, raw []byte) []byte {
	switch {
	case r == '\n' || r == '\t':
		return append(to, raw...)
	case r == utf8.RuneError && len(raw) == 1:
		return fmt.Appendf(to, `\ufffd`)
	case hidden(r):
		if r > 0xFFFF {
			high, low := (r-0x10000)>>10+0xD800, (r-0x10000)&0x3FF+0xDC00
			return fmt.Appendf(to, `\u%04x\u%04x`, high, low)
		}
		return fmt.Appendf(to, `\u%04x`, r)
	default:
		return append(to, raw...)
	}
}

// hidden reports whether a rune does something else than to be seen. Joiners are
// part of how some scripts and emoji are written.
func hidden(r rune) bool {
	switch r {
	case '\u200c', '\u200d':
		return false
	case '\u2028', '\u2029', '\u115f', '\u1160', '\u3164', '\uffa0': // separators; fillers of Hangul
		return true
	}
	return unicode.IsControl(r) || unicode.Is(unicode.Cf, r)
}

// raw is the writer behind a TerminalWriter, for progress bars, which move the
// cursor.
func raw(w io.Writer) io.Writer {
	if t, ok := w.(*TerminalWriter); ok {
		return t.To
	}
	return w
}

// Printable keeps control characters of a provider's text from the terminal.
func Printable(v any) any {
	s, ok := v.(string)
	if !ok {
		return v
	}
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return '?'
		}
		return r
	}, s)
}

// PrintableText keeps control characters of a stranger's text from the terminal.
func PrintableText(s string) string { return Printable(s).(string) }

// PrintableLines is PrintableText of each line.
func PrintableLines(s string) string {
	lines := strings.Split(s, "\n")
	for i := range lines {
		lines[i] = PrintableText(strings.ReplaceAll(lines[i], "\t", " "))
	}
	return strings.Join(lines, "\n")
}
