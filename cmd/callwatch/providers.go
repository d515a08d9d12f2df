package main

import (
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"callwatch/cmd/callwatch/internal/cli"
	"callwatch/cmd/callwatch/internal/config"
	"callwatch/normalizer/declared"
	"callwatch/normalizer/declared/draft"
)

func providersCommand(s *cli.Settings) *cobra.Command {
	return cli.CommandGroup("providers", "List, check, test and begin declared providers",
		providersListCommand(s), providersCheckCommand(s), providersTestCommand(s), providersInitCommand(s),
		cli.SchemaCommand("declared providers", "providers.schema.json", declared.Schema, "Expressions are checked by callwatch providers check."))
}

func providersListCommand(s *cli.Settings) *cobra.Command {
	c := &cobra.Command{Use: "ls", Short: "List the providers: built in, and declared in YAML", Args: cobra.NoArgs}
	o := cli.AddOutput(c)
	c.RunE = func(c *cobra.Command, _ []string) error {
		cfg, err := s.Load(c)
		if err != nil {
			return err
		}
		type row struct {
			Name    string `json:"name"`
			Title   string `json:"title"`
			File    string `json:"file,omitempty"` // of a declared one
			Fetches bool   `json:"fetches"`
		}
		files := map[string]string{}
		for _, l := range cfg.Declared {
			files[l.Get().Name] = l.Get().File
		}
		var rows []row
		for _, p := range cfg.Registry {
			rows = append(rows, row{p.Name, p.Title, files[p.Name], p.REST != nil})
		}
		return cli.PrintAll(c.OutOrStdout(), *o, rows, func(w io.Writer) error {
			t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
			fmt.Fprintln(t, "NAME\tTITLE\tREPORTS\tFROM")
			for _, r := range rows {
				fetches, from := "pushed", "built in"
				if r.Fetches {
					fetches = "fetched"
				}
				if r.File != "" {
					from = r.File
				}
				fmt.Fprintf(t, "%s\t%s\t%s\t%s\n", r.Name, cli.PrintableText(r.Title), fetches, cli.PrintableText(from))
			}
			return t.Flush()
		})
	}
	return c
}

// declarationFiles are the files named, else those of the configured folder. The
// configuration itself is not read: what is wrong with a declaration is what is asked.
func declarationFiles(s *cli.Settings, args []string) ([]string, error) {
	if len(args) > 0 {
		return args, nil
	}
	dir := config.ProvidersDir(s.File, s.Environ)
	files, err := declared.Files(dir)
	if err == nil && len(files) == 0 {
		err = fmt.Errorf("no declared providers in %s: name a file", dir)
	}
	return files, err
}

func providersCheckCommand(s *cli.Settings) *cobra.Command {
	c := &cobra.Command{
		Use:   "check [FILE...]",
		Short: "Report everything that is wrong with declared providers, in one run",
		Long: "Report everything that is wrong with declared providers: file, line, column, the line itself and a caret.\n" +
			"Without a file those of the configured folder are checked. Exit 1 on errors.",
	}
	o := cli.AddOutput(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		files, err := declarationFiles(s, args)
		if err != nil {
			return cli.Usage(err)
		}
		_, all, err := declared.LoadFiles(files)
		if err != nil {
			return cli.Usage(err)
		}
		for _, file := range files {
			name := strings.TrimSuffix(strings.TrimSuffix(filepath.Base(file), ".yml"), ".yaml")
			if _, taken := s.Providers.Find(name); taken {
				fmt.Fprintf(c.ErrOrStderr(), "callwatch: %s: there is a provider %s built in: declare it under another name\n", file, name)
				err = cli.Silent(cli.ExitProblems)
			}
		}
		if err := cli.PrintProblems(c, *o, all); err != nil {
			return err
		}
		switch {
		case all.Errors():
			return cli.Silent(cli.ExitProblems)
		case err != nil:
			return err
		}
		if *o == cli.Human {
			fmt.Fprintln(c.OutOrStdout(), cli.Plural(len(files), "provider"), "checked: no errors")
			fmt.Fprintln(c.OutOrStdout(), "A running callwatch takes these changes at once. Restart it for a new provider, or for changed settings, causes, headers, rate or delays.")
		}
		return nil
	}
	return c
}

func providersTestCommand(s *cli.Settings) *cobra.Command {
	c := &cobra.Command{
		Use:   "test [FILE...]",
		Short: "Run the tests of declared providers",
		Long: "Run the tests of declared providers: each body must become the events that it wants. Mappings that gave nothing\n" +
			"although their members were there are shown beside it. Exit 1 when a test fails.",
	}
	o := cli.AddOutput(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		files, err := declarationFiles(s, args)
		if err != nil {
			return cli.Usage(err)
		}
		all, found, err := declared.LoadFiles(files)
		if err != nil {
			return cli.Usage(err)
		}
		if found.Errors() {
			if err := cli.PrintProblems(c, *o, found); err != nil {
				return err
			}
			return cli.Silent(cli.ExitProblems)
		}
		outcomes, failed := []declared.Outcome{}, 0
		for _, d := range all {
			for _, t := range d.Run() {
				if outcomes = append(outcomes, t); len(t.Faults) > 0 {
					failed++
				}
			}
		}
		err = cli.PrintAll(c.OutOrStdout(), *o, outcomes, func(w io.Writer) error {
			for _, t := range outcomes {
				state := cli.Styled(w, cli.Good, "ok") + "  "
				if len(t.Faults) > 0 {
					state = cli.Styled(w, cli.Bad, "FAIL")
				}
				fmt.Fprintf(w, "%s  %s:%d  %s\n", state, t.File, t.Line, cli.PrintableText(t.Name))
				for _, f := range t.Faults {
					fmt.Fprintf(w, "        %s\n", cli.PrintableText(f))
				}
				for _, n := range t.Notes {
					fmt.Fprintf(w, "        note: %s\n", cli.PrintableText(n))
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
		if failed > 0 {
			return cli.Problems(fmt.Errorf("%d of %s failed", failed, cli.Plural(len(outcomes), "test")))
		}
		if *o == cli.Human {
			fmt.Fprintln(c.OutOrStdout(), cli.Plural(len(outcomes), "test"), "passed")
		}
		return nil
	}
	return c
}

func providersInitCommand(s *cli.Settings) *cobra.Command {
	var from, contentType string
	c := &cobra.Command{
		Use:   "init NAME --from BODY",
		Short: "Write a first declaration of a provider by one of its bodies",
		Long: "Write a first declaration of a provider by one of its bodies: members are recognized by their names and sizes.\n" +
			"The declaration goes to standard output; the body becomes its first test.",
		Example: "  callwatch providers init acme --from body.json > providers.d/acme.yaml",
		Args:    cobra.ExactArgs(1),
	}
	c.Flags().StringVar(&from, "from", "", "file with a body, - for standard input")
	c.Flags().StringVar(&contentType, "content-type", "", "content type of the body (default: guessed)")
	c.RunE = func(c *cobra.Command, args []string) error {
		if from == "" {
			return cli.Usage(fmt.Errorf("--from: name a file with a body"))
		}
		body, err := cli.ReadInput(c.InOrStdin(), from)
		if err != nil {
			return cli.Usage(err)
		}
		if contentType == "" {
			contentType = cli.GuessContentType(from, body)
		}
		text, err := draft.Declaration(args[0], body, strings.Contains(contentType, "form"))
		if err != nil {
			return cli.Problems(err)
		}
		if _, found := declared.Load(args[0]+".yaml", text); found.Errors() {
			return cli.Usage(found)
		}
		_, err = c.OutOrStdout().Write(text)
		return err
	}
	return c
}
