package cli

import (
	"bytes"
	"context"
	"io"
	"os"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"callwatch/rules"
)

// One rule says for all commands whether they colour.
func TestColours(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		args, environ []string
		want          bool
	}{
		{nil, nil, false}, // not a terminal
		{nil, []string{"CLICOLOR_FORCE=1"}, true},
		{nil, []string{"CLICOLOR_FORCE=0"}, false},
		{nil, []string{"CLICOLOR_FORCE="}, false},
		{nil, []string{"CLICOLOR_FORCE=1", "NO_COLOR=1"}, false},
		{nil, []string{"CLICOLOR_FORCE=1", "NO_COLOR="}, true}, // empty is not set
		{nil, []string{"CLICOLOR_FORCE=1", "TERM=dumb"}, true},
		{[]string{"--color", "always"}, []string{"NO_COLOR=1"}, true},
		{[]string{"--color=never"}, []string{"CLICOLOR_FORCE=1"}, false},
		{[]string{"--color", "auto"}, []string{"CLICOLOR_FORCE=1"}, true},
	} {
		s := &Settings{Environ: c.environ}
		root := Root(s, "")
		root.AddCommand(&cobra.Command{Use: "show", Run: func(c *cobra.Command, _ []string) {
			w := c.OutOrStdout()
			_, _ = io.WriteString(w, Severity(w, rules.Critical)+" "+Severity(w, rules.Info)+"\n")
		}})
		var out, errs bytes.Buffer
		code := Run(context.Background(), root, append([]string{"show"}, c.args...), nil, &out, &errs)
		want := "critical info\n"
		if c.want {
			want = "\x1b[31mcritical\x1b[0m \x1b[0minfo\x1b[0m\n"
		}
		if code != ExitFine || out.String() != want {
			t.Errorf("%v %v: exit %d, %q %q", c.args, c.environ, code, out.String(), errs.String())
		}
	}
	s := &Settings{}
	var errs bytes.Buffer
	if code := Run(context.Background(), Root(s, ""), []string{"--color", "allways"}, nil, io.Discard, &errs); code != ExitUsage || !strings.Contains(errs.String(), "none of auto, always, never") {
		t.Errorf("exit %d, %q", code, errs.String())
	}
}

// A terminal is coloured, unless it says that it cannot.
func TestColoursOfATerminal(t *testing.T) {
	t.Parallel()
	tty, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Skip("no terminal here: ", err)
	}
	defer func() { _ = tty.Close() }()
	for environ, want := range map[string]bool{"TERM=xterm": true, "TERM=dumb": false, "NO_COLOR=1": false} {
		if got := auto.colours([]string{environ}, tty); got != want {
			t.Errorf("%s: %v", environ, got)
		}
	}
}

// A style ends with its line, and text of a stranger brings no sequence of its own.
func TestStylesEnd(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		colour     bool
		text, want string
	}{
		{true, string(Bad) + "a\nb", "\x1b[31ma\x1b[0m\nb"},
		{true, string(Bad) + "a", "\x1b[31ma\x1b[0m"},
		{true, "\x1b[31ma", `\u001b[31ma`},
		{false, string(Bad) + "a\n", `\u0013a` + "\n"},
	} {
		var out bytes.Buffer
		w := &TerminalWriter{To: &out, Colour: c.colour}
		_, _ = io.WriteString(w, c.text)
		if err := w.Close(); err != nil || out.String() != c.want {
			t.Errorf("%q: %q, want %q", c.text, out.String(), c.want)
		}
	}
}
