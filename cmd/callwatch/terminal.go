package main

import (
	"fmt"
	"io"
	"sync"
	"unicode"
	"unicode/utf8"
)

// terminalWriter passes on what a terminal shows as text, and escapes the rest:
// control characters but tab and newline, those of C1, bytes that are no UTF-8,
// and marks that turn the reading direction or cannot be seen. An escape reads
// \u202e, which means the same in JSON. Everything that a command prints goes
// through one.
type terminalWriter struct {
	mu   sync.Mutex
	to   io.Writer
	rest []byte // the beginning of a rune whose end has not come yet
}

// Write takes all of p, or fails.
func (w *terminalWriter) Write(p []byte) (int, error) {
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
		safe = appendSafe(safe, r, text[:size])
		text = text[size:]
	}
	if _, err := w.to.Write(safe); err != nil {
		return 0, err
	}
	return len(p), nil
}

// Close writes what was left of a rune that never ended.
func (w *terminalWriter) Close() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	var safe []byte
	for _, b := range w.rest {
		safe = appendSafe(safe, utf8.RuneError, []byte{b})
	}
	w.rest = nil
	_, err := w.to.Write(safe)
	return err
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
	switch {
	case r == '\u200c' || r == '\u200d':
		return false
	case r == '\u2028' || r == '\u2029':
		return true
	}
	return unicode.IsControl(r) || unicode.Is(unicode.Cf, r)
}

// raw is the writer behind a terminalWriter, for progress bars, which move the
// cursor.
func raw(w io.Writer) io.Writer {
	if t, ok := w.(*terminalWriter); ok {
		return t.to
	}
	return w
}
