// Package firstrules writes a first rules file: a few rules to begin with, each with its
// reason and its tests.
package firstrules

import (
	"bytes"
	_ "embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"text/template"

	"github.com/spf13/cobra"

	"callwatch/cmd/callwatch/internal/cli"
	"callwatch/cmd/callwatch/internal/config"
	"callwatch/rules/rulefmt"
)

//go:embed first.yaml.tmpl
var text string

// Choices are what the rules are about.
type Choices struct {
	Providers []string // whose calls; all where there is none
	Channel   string   // of Slack; that of the configuration where it is empty
}

// Text is the rules file. The error says what is wrong with a choice.
func (c Choices) Text() ([]byte, error) {
	t, err := template.New("rules").Funcs(template.FuncMap{"quote": quoted}).Parse(text)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, p := range c.Providers {
		names = append(names, strconv.Quote(p))
	}
	example := "example"
	if len(c.Providers) > 0 {
		example = c.Providers[0]
	}
	var b bytes.Buffer
	if err := t.Execute(&b, map[string]string{"Providers": strings.Join(names, ", "), "Channel": c.Channel, "Example": example}); err != nil {
		return nil, err
	}
	if _, problems := rulefmt.Load(config.DefaultRules, b.Bytes()); problems.Errors() {
		return nil, cli.Usage(problems)
	}
	return b.Bytes(), nil
}

// quoted is a text between single quotes, as YAML has it.
func quoted(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }

// Write makes a new file of the rules. It never overwrites one.
func (c Choices) Write(file string) (err error) {
	b, err := c.Text()
	if err != nil {
		return err
	}
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if errors.Is(err, fs.ErrExist) {
		return cli.Problems(fmt.Errorf("%s exists and is left as it is: name another file, or - for standard output", file))
	}
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	_, err = f.Write(b)
	return err
}

// Command is callwatch rules init.
func Command(s *cli.Settings) *cobra.Command {
	var choices Choices
	c := &cobra.Command{
		Use:   "init [FILE]",
		Short: "Write a first rules file with comments and tests",
		Long: "Write a first rules file with comments and tests: rules.yaml, or the file named; - is standard output.\n" +
			"A file that exists is never overwritten.",
		Args: cobra.MaximumNArgs(1),
	}
	c.Flags().StringSliceVar(&choices.Providers, "provider", nil, "whose calls the rules are about (default all)")
	c.Flags().StringVar(&choices.Channel, "slack-channel", "", "where incidents go (default: the configured channel)")
	c.RunE = func(c *cobra.Command, args []string) error {
		cfg, err := s.Load(c)
		if err != nil {
			return err
		}
		for _, name := range choices.Providers {
			if _, ok := cfg.Registry.Find(name); !ok {
				return cli.Usage(fmt.Errorf("--provider: %w", cli.NoProvider(cfg.Registry, name)))
			}
		}
		file := config.DefaultRules
		if len(args) > 0 {
			file = args[0]
		}
		if file == "-" {
			b, err := choices.Text()
			if err == nil {
				_, err = c.OutOrStdout().Write(b)
			}
			return err
		}
		if err := choices.Write(file); err != nil {
			return err
		}
		_, err = fmt.Fprintf(c.OutOrStdout(), "%s is written; next: callwatch rules test %s\n", file, file)
		return err
	}
	return c
}
