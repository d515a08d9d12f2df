package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"callwatch/cmd/callwatch/internal/cli"
)

// dangerous are characters that do something to a terminal or to the reading order.
const dangerous = "\x1b[2J\x1b]0;t\x07\r\x00\x08\x7f\u0085\u009b31m\u009d\u200b\u200e\u200f\u202a\u202e\u2066\u2069\u2028\u2029\ufeff\u2060\u061c\U000e0041\u115f\u1160\u3164\uffa0"

// wantSafe demands text that a terminal only shows.
func wantSafe(t *testing.T, name string, out []byte) {
	t.Helper()
	if !utf8.Valid(out) {
		t.Errorf("%s: no UTF-8: %q", name, out)
	}
	for _, r := range string(out) {
		if r != '\n' && r != '\t' && (unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) || r == '\u2028' || r == '\ufeff' || strings.ContainsRune("\u115f\u1160\u3164\uffa0", r)) {
			t.Errorf("%s: %U reaches the terminal: %.300q", name, r, out)
			return
		}
	}
}

func TestTerminalWriter(t *testing.T) {
	t.Parallel()
	for _, text := range []string{dangerous, "a\xffb", "\xc2", "\xe2\x80", "\x9b31m", "ok ✓ é 日本\tx\n", "👨\u200d👩\u200d👧", strings.Repeat(dangerous, 100)} {
		for chunk := 1; chunk <= 7; chunk += 3 { // runes are cut
			var out bytes.Buffer
			w := &cli.TerminalWriter{To: &out}
			for rest := []byte(text); len(rest) > 0; {
				n := min(chunk, len(rest))
				if m, err := w.Write(rest[:n]); m != n || err != nil {
					t.Fatal(m, err)
				}
				rest = rest[n:]
			}
			if err := w.Close(); err != nil {
				t.Fatal(err)
			}
			wantSafe(t, text, out.Bytes())
			if harmless := strings.ContainsAny(text, "✓👨"); harmless && out.String() != text {
				t.Errorf("%q becomes %q", text, out.String())
			}
		}
	}
	// An escape in JSON means the character.
	b, _ := json.Marshal(map[string]string{"x": dangerous})
	var out bytes.Buffer
	w := &cli.TerminalWriter{To: &out}
	_, _ = w.Write(b)
	var back map[string]string
	if err := json.Unmarshal(out.Bytes(), &back); err != nil || back["x"] != dangerous {
		t.Errorf("%v: %q", err, out.String())
	}
}

// TestCommandsPrintNothingDangerous runs commands on hostile files and arguments.
func TestCommandsPrintNothingDangerous(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	quoted, _ := json.Marshal(dangerous)
	rulesFile := write("rules.yaml", "version: 1\nrules:\n  - name: "+string(quoted)+"\n    when: mos < "+dangerous+"\n    bad"+dangerous+": 1\n")
	body := write("body.json", `{"data":{"event_type":`+string(quoted)+`,"payload":{"call_control_id":`+string(quoted)+`}}}`)
	for _, args := range [][]string{
		{"rules", "check", rulesFile},
		{"rules", "check", "-o", "json", rulesFile},
		{"rules", "fmt", rulesFile},
		{"rules", "test", rulesFile},
		{"rules", "explain", rulesFile},
		{"events", "normalize", "--provider", "telnyx", body},
		{"events", "normalize", "--provider", "butter", body},
		{"no" + dangerous},
		{"rules", "check", dangerous},
		{"--listen", dangerous, "doctor"},
		{"incidents", "show", dangerous, "--server", "http://127.0.0.1:1"},
		{"version"},
	} {
		var out, errs bytes.Buffer
		run(t.Context(), args, []string{"CALLWATCH_DATA_DIR=" + dir}, strings.NewReader(dangerous), &out, &errs)
		wantSafe(t, strings.Join(args, " ")+" (stdout)", out.Bytes())
		wantSafe(t, strings.Join(args, " ")+" (stderr)", errs.Bytes())
	}
}
