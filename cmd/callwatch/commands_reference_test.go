package main

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"callwatch/cmd/callwatch/internal/generated"
)

// eachCommand visits the commands that a person can call, in the order of help.
func eachCommand(c *cobra.Command, f func(*cobra.Command)) {
	f(c)
	for _, sub := range c.Commands() {
		if sub.IsAvailableCommand() && sub.Name() != "completion" && sub.Name() != "help" {
			eachCommand(sub, f)
		}
	}
}

// docs/commands.md has every command and flag.
func TestReferenceOfCommands(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	flags := func(set *pflag.FlagSet) {
		b.WriteString("| flag | |\n| --- | --- |\n")
		set.VisitAll(func(f *pflag.Flag) {
			if f.Hidden || f.Name == "help" {
				return
			}
			name, text := pflag.UnquoteUsage(f)
			short := ""
			if f.Shorthand != "" {
				short = "-" + f.Shorthand + ", "
			}
			fmt.Fprintf(&b, "| `%s` | %s |\n", strings.TrimSpace(short+"--"+f.Name+" "+name), strings.ReplaceAll(text, "|", `\|`))
		})
		b.WriteString("\n")
	}
	root := rootCommand(nil)
	b.WriteString("# Commands\n\nGenerated from the commands. [tasks.md](tasks.md) says which command does what. Every command takes:\n\n")
	flags(root.PersistentFlags())
	eachCommand(root, func(c *cobra.Command) {
		if c == root || c.HasAvailableSubCommands() {
			return
		}
		fmt.Fprintf(&b, "## %s\n\n%s\n\n", strings.TrimPrefix(c.CommandPath(), "callwatch "), "```text\n"+c.UseLine()+"\n```")
		fmt.Fprintf(&b, "```text\n%s\n```\n\n", cmp.Or(c.Long, c.Short))
		if c.Example != "" {
			fmt.Fprintf(&b, "```sh\n%s\n```\n\n", strings.ReplaceAll(strings.TrimPrefix(c.Example, "  "), "\n  ", "\n"))
		}
		if set := c.LocalNonPersistentFlags(); set.HasAvailableFlags() {
			flags(set)
		}
	})
	generated.Check(t, "../../docs/commands.md", "Reference", []byte(strings.TrimRight(b.String(), "\n")+"\n"))
}

// Every command has examples, and those and the commands of all documents exist as they
// are written, with their flags and number of arguments.
func TestExamplesAreCommands(t *testing.T) {
	long(t)
	t.Parallel()
	eachCommand(rootCommand(nil), func(c *cobra.Command) {
		if !c.HasAvailableSubCommands() && c.Example == "" {
			t.Errorf("%s has no example", c.CommandPath())
		}
		for line := range strings.Lines(c.Example) {
			if err := parses(line); err != nil {
				t.Errorf("example of %s: %s: %v", c.CommandPath(), strings.TrimSpace(line), err)
			}
		}
	})
	files, err := filepath.Glob("../../docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	setups, err := filepath.Glob("../../docs/setup/*.md")
	if err != nil || len(files) == 0 || len(setups) == 0 {
		t.Fatal(err, files, setups)
	}
	found := 0
	for _, file := range slices.Concat(files, setups, []string{"../../README.md", "../../CONTRIBUTING.md"}) {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, line := range commandLines(string(text)) {
			found++
			if err := parses(line); err != nil {
				t.Errorf("%s: %s: %v", file, line, err)
			}
		}
	}
	if found < 100 {
		t.Errorf("%d commands in documents", found)
	}
	for _, wrong := range []string{"callwatch rules chek", "callwatch calls ls --sinze 7d", "callwatch calls show a", "callwatch incidents ls 'x"} {
		if parses(wrong) == nil {
			t.Errorf("%s is taken", wrong)
		}
	}
}

var (
	block      = regexp.MustCompile("(?ms)^ *```(?:sh|bash|shell|console)\n(.*?)^ *```")
	inline     = regexp.MustCompile("`(?:[A-Z_]+=\\S+ )*callwatch ([^`\n]+)`")
	lineBreaks = regexp.MustCompile(`\\\n\s*`)
	// substitution is the output of another command.
	substitution = regexp.MustCompile(`\$\([^)]*\)`)
	ourCommand   = regexp.MustCompile(`(?:^|[\s;&|(])(?:go run \./cmd/callwatch|callwatch) (.+)$`)
)

// commandLines are the commands of callwatch in the shell blocks and the text of a
// document.
func commandLines(text string) []string {
	var all []string
	for _, m := range block.FindAllStringSubmatch(text, -1) {
		for _, line := range strings.Split(lineBreaks.ReplaceAllString(m[1], " "), "\n") {
			if strings.HasPrefix(strings.TrimSpace(line), "#") || strings.Contains(line, "docker build") || strings.Contains(line, "docker run") {
				continue
			}
			if m := ourCommand.FindStringSubmatch(line); m != nil {
				all = append(all, "callwatch "+m[1])
			}
		}
	}
	for _, m := range inline.FindAllStringSubmatch(block.ReplaceAllString(text, ""), -1) {
		all = append(all, "callwatch "+m[1])
	}
	return all
}

// parses reports what is wrong with a line of a shell that calls callwatch. A command that
// is only named needs no arguments.
func parses(line string) error {
	args, err := shellWords(substitution.ReplaceAllString(line, "0"))
	if err != nil || len(args) == 0 {
		return cmp.Or(err, errors.New("is empty"))
	}
	root := rootCommand(nil)
	root.InitDefaultHelpCmd()
	root.InitDefaultCompletionCmd(args[1:]...)
	root.InitDefaultVersionFlag()
	c, rest, err := root.Find(args[1:])
	if err != nil {
		return err
	}
	c.InitDefaultHelpFlag()
	if err := c.ParseFlags(rest); err != nil {
		return err
	}
	if rest = c.Flags().Args(); len(rest) == 0 {
		return nil
	}
	return c.ValidateArgs(rest)
}

// shellWords are the words of the first command of a line of a shell.
func shellWords(line string) ([]string, error) {
	var words []string
	var word strings.Builder
	in, quote := false, rune(0)
	end := func() {
		if in {
			words = append(words, word.String())
		}
		word.Reset()
		in = false
	}
	for _, r := range strings.TrimSpace(line) {
		switch {
		case quote != 0:
			if r == quote {
				quote = 0
			} else {
				word.WriteRune(r)
			}
		case r == '\'' || r == '"':
			quote, in = r, true
		case r == ' ' || r == '\t':
			end()
		case strings.ContainsRune("<>;&", r) || r == '|' || r == '#' && !in:
			end()
			return words, nil
		default:
			word.WriteRune(r)
			in = true
		}
	}
	end()
	if quote != 0 {
		return nil, fmt.Errorf("a quote does not end")
	}
	return words, nil
}
