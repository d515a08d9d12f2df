// Package completion offers a shell the values of flags and arguments: words, files, the
// rules of the rules file, and the ids that a running callwatch knows.
package completion

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"callwatch/cmd/callwatch/internal/cli"
	"callwatch/handlers/backend"
	"callwatch/normalizer/simulate"
	"callwatch/rules"
	"callwatch/rules/rulefmt"
)

const (
	limit = 2 * time.Second // that a shell waits for a running callwatch
	most  = 200             // values that are offered
)

// values are what can be written in one place.
type values func(c *cobra.Command) ([]string, cobra.ShellCompDirective)

// Add registers the values of every command below root that has any.
func Add(root *cobra.Command, s *cli.Settings) {
	providers := words(s.Providers.Names()...)
	names := func(c *cobra.Command) ([]string, cobra.ShellCompDirective) { return ruleNames(c, s), plain }
	incidents := func(c *cobra.Command) ([]string, cobra.ShellCompDirective) { return incidentIDs(c, s), plain }
	silences := func(c *cobra.Command) ([]string, cobra.ShellCompDirective) { return silenceIDs(c, s), plain }
	letters := func(c *cobra.Command) ([]string, cobra.ShellCompDirective) { return letterIDs(c, s), plain }
	var scenarios []string
	for _, x := range simulate.Scenarios() {
		scenarios = append(scenarios, x.Name+"\t"+x.Doc)
	}
	flags := map[string]values{
		"output": words("human", "json", "ndjson"), "provider": providers, "state": words("open", "resolved", "all"),
		"scenario": words(scenarios...), "color": words("auto", "always", "never"), "log-level": words("debug", "info", "warn", "error"), "rule": names, "incident": incidents,
		"config": yamlFiles, "rules": yamlFiles, "baseline": yamlFiles, "data-dir": folders, "test-webhook": providers,
	}
	arguments := map[string]values{
		"incidents show": incidents, "incidents ack": incidents, "incidents unack": incidents, "incidents resolve": incidents,
		"silence expire": silences, "deadletters show": letters, "deadletters replay": letters,
		"rules check": yamlFiles, "rules test": yamlFiles, "rules fmt": yamlFiles, "config check": yamlFiles,
		"providers check": yamlFiles, "providers test": yamlFiles,
		"import": providers, "calls show": providers, "calls erase": providers,
	}
	walk(root, func(c *cobra.Command) {
		complete := func(f string, v values) {
			if c.LocalFlags().Lookup(f) != nil {
				_ = c.RegisterFlagCompletionFunc(f, func(c *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) { return v(c) })
			}
		}
		for f, v := range flags {
			complete(f, v)
		}
		v, ok := arguments[strings.TrimPrefix(c.CommandPath(), root.Name()+" ")]
		if !ok {
			return
		}
		several := strings.Contains(c.Use, "...")
		c.ValidArgsFunction = func(c *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
			if len(args) > 0 && !several {
				return nil, plain
			}
			found, how := v(c)
			return slices.DeleteFunc(found, func(text string) bool {
				word, _, _ := strings.Cut(text, "\t")
				return slices.Contains(args, word)
			}), how
		}
	})
}

const plain = cobra.ShellCompDirectiveNoFileComp

func walk(c *cobra.Command, f func(*cobra.Command)) {
	f(c)
	for _, sub := range c.Commands() {
		walk(sub, f)
	}
}

func words(list ...string) values {
	return func(*cobra.Command) ([]string, cobra.ShellCompDirective) { return slices.Clone(list), plain }
}

func yamlFiles(*cobra.Command) ([]string, cobra.ShellCompDirective) {
	return []string{"yaml", "yml"}, cobra.ShellCompDirectiveFilterFileExt
}

func folders(*cobra.Command) ([]string, cobra.ShellCompDirective) {
	return nil, cobra.ShellCompDirectiveFilterDirs
}

// ruleNames are the rules of the configured file.
func ruleNames(c *cobra.Command, s *cli.Settings) []string {
	cfg, err := s.Load(c)
	if err != nil {
		return nil
	}
	set, _, err := rulefmt.LoadFile(cfg.Rules)
	if err != nil || set == nil {
		return nil
	}
	var names []string
	for _, r := range set.Rules {
		names = append(names, r.Name)
	}
	return names
}

func incidentIDs(c *cobra.Command, s *cli.Settings) []string {
	var answer struct{ Incidents []rules.Incident }
	ask(c, s, "/incidents?state=open", &answer)
	return each(answer.Incidents, func(in *rules.Incident) (id, about string) { return in.ID, in.Summary })
}

func silenceIDs(c *cobra.Command, s *cli.Settings) []string {
	var answer struct{ Silences []rules.Silence }
	ask(c, s, "/silences", &answer)
	return each(answer.Silences, func(q *rules.Silence) (id, about string) { return q.ID, q.Match })
}

func letterIDs(c *cobra.Command, s *cli.Settings) []string {
	var answer struct {
		DeadLetters []backend.DeadLetter `json:"deadLetters"`
	}
	ask(c, s, "/deadletters", &answer)
	return each(answer.DeadLetters, func(l *backend.DeadLetter) (id, about string) { return l.RawID, l.Provider + ": " + l.Error })
}

// each is a line for the shell of each element: the id, a tab, and what it is.
func each[T any](list []T, of func(*T) (id, about string)) []string {
	var lines []string
	for i := range min(len(list), most) {
		if id, about := of(&list[i]); id != "" {
			lines = append(lines, cli.PrintableText(id)+"\t"+cli.PrintableText(about))
		}
	}
	return lines
}

// ask reads from the running callwatch; where it does not answer in time there is nothing.
func ask(c *cobra.Command, s *cli.Settings, path string, answer any) {
	cfg, err := s.Load(c)
	if err != nil {
		return
	}
	r, _, err := s.Server(c, &cfg)
	if err != nil {
		return
	}
	ctx := c.Context()
	if ctx == nil {
		ctx = context.Background()
	}
	ctx, stop := context.WithTimeout(ctx, limit)
	defer stop()
	_ = r.Ask(ctx, http.MethodGet, path, nil, answer)
}
