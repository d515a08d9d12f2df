package main

import (
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"callwatch/call"
	"callwatch/cmd/callwatch/internal/cli"
	"callwatch/pipeline/eventlog"
	"callwatch/pipeline/maintenance"
)

const importLong = `Import past calls: from the lists of the provider's API, with the credentials that fetching uses, or with --file from a
file of the provider's bodies (lines of JSON or a JSON array, plain or gzip; - for standard input).

Imported events keep their own times and wake no rule: nothing is announced. They feed backtest, suggest and explain.
What is stored already with the same content is not stored again. An import that was interrupted goes on where it
stopped when the same command is given again.`

func importCommand(s *cli.Settings) *cobra.Command {
	var file, account string
	var limit int
	var rate float64
	var restart bool
	var lists, filters []string
	times := map[string]*string{"since": new(string), "until": new(string)}
	c := &cobra.Command{
		Use: "import PROVIDER", Short: "Import past calls, without alerts", Long: importLong + "\n\n" + workHelp,
		Example: "  callwatch import " + s.Providers.Names()[0] + " --since 7d\n  callwatch import " + s.Providers.Names()[0] + " --file calls.ndjson.gz",
		Args:    cobra.ExactArgs(1),
	}
	f := c.Flags()
	f.StringVar(&account, "account", "", cli.AccountHelp)
	f.StringVar(&file, "file", "", "read the provider's bodies from this file, - for standard input")
	f.StringVar(times["since"], "since", "7d", "leave out older calls: a time, a date, or how long ago")
	f.StringVar(times["until"], "until", "", "leave out calls from then on (default: now)")
	f.IntVar(&limit, "limit", 0, "stop after so many entries of the lists; 0: none")
	f.Float64Var(&rate, "rate", 0, "requests a second; 0: what the provider allows")
	f.StringSliceVar(&lists, "list", nil, "only these lists of the provider (default: all)")
	f.StringArrayVar(&filters, "filter", nil, "a filter of the provider's list, as name=value; needs one --list")
	f.BoolVar(&restart, "restart", false, "start from the beginning instead of resuming an import that was interrupted")
	o, open := cli.AddOutput(c), addWorkplace(c, s)
	c.RunE = func(c *cobra.Command, args []string) error {
		d, err := open(c)
		if err != nil {
			return err
		}
		d.fresh = true
		params := url.Values{"provider": args}
		if account != "" {
			params.Set("account", account)
		}
		bar := cli.NewProgress(c.ErrOrStderr())
		var done maintenance.Imported
		if _, known := d.cfg.Registry.Find(args[0]); !known && d.remote == nil {
			return cli.Usage(cli.NoProvider(d.cfg.Registry, args[0]))
		}
		if file != "" {
			for _, name := range []string{"since", "until", "limit", "rate", "list", "filter", "restart"} {
				if c.Flag(name).Changed {
					return cli.Usage(fmt.Errorf("--%s belongs to the lists of the API, not to --file", name))
				}
			}
			err = importFrom(c, d, file, params, &done, bar)
		} else {
			params.Set("since", *times["since"])
			params.Set("until", *times["until"])
			params.Set("limit", strconv.Itoa(limit))
			params.Set("rate", strconv.FormatFloat(rate, 'g', -1, 64))
			params.Set("restart", strconv.FormatBool(restart))
			params["list"], params["filter"] = lists, filters
			err = d.do(c.Context(), "import", params, nil, &done, bar)
		}
		if err != nil {
			return err
		}
		if err := cli.PrintOne(c.OutOrStdout(), *o, done, func(w io.Writer) error { return importText(w, &done) }); err != nil {
			return err
		}
		if done.Bad > 0 {
			return cli.Silent(cli.ExitProblems)
		}
		return nil
	}
	return c
}

func importFrom(c *cobra.Command, d *workplace, file string, params url.Values, done *maintenance.Imported, bar *cli.Progress) (err error) {
	in, size := c.InOrStdin(), int64(0)
	if file != "-" {
		f, err := os.Open(file)
		if err != nil {
			return cli.Usage(fmt.Errorf("--file: %w", err))
		}
		defer func() { err = errors.Join(err, f.Close()) }()
		info, err := f.Stat()
		if err != nil {
			return cli.Usage(fmt.Errorf("--file: %w", err))
		}
		if info.IsDir() {
			return cli.Usage(fmt.Errorf("--file: %s is a folder; name a file", file))
		}
		in, size = f, info.Size()
	}
	counted := &eventlog.CountingReader{In: in, Told: func(n int64) { bar.At(n, size) }}
	return d.do(c.Context(), "import-file", params, counted, done, bar)
}

func importText(w io.Writer, i *maintenance.Imported) error {
	fmt.Fprintf(w, "%s of %s read: %d stored, %d were there already, %d left out\n", cli.Plural(i.Read, "body"), call.Source(i.Provider, i.Account), i.Stored, i.Known, i.Bad)
	if i.Resumed {
		fmt.Fprintln(w, "went on where the import before was interrupted")
	}
	if i.First != nil && i.Last != nil {
		fmt.Fprintf(w, "%s, from %s to %s\n", cli.Plural(i.Calls, "call"), cli.Clock(*i.First), cli.Clock(*i.Last))
	}
	if i.Undated > 0 {
		fmt.Fprintf(w, "%s without a time of its own: it counts at the time of the import\n", cli.Plural(i.Undated, "event"))
	}
	if i.More {
		fmt.Fprintln(w, "the limit was reached before the end")
	}
	for _, p := range i.Problems {
		fmt.Fprintln(w, "left out: "+cli.PrintableText(strings.ToValidUTF8(p, "?")))
	}
	return nil
}
