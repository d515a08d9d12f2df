package rulescmd

import (
	"fmt"
	"io"
	"net/url"
	"strconv"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"callwatch/cmd/callwatch/internal/cli"
	"callwatch/cmd/callwatch/internal/pastevents"
	"callwatch/handlers/wording"
	"callwatch/pipeline/eventlog"
	"callwatch/rules/backtest"
)

func rulesSuggestCommand(s *cli.Settings) *cobra.Command {
	var from pastevents.Flags
	var by []string
	c := &cobra.Command{
		Use:   "suggest FIELD",
		Short: "Show how a field is spread over past calls, and what thresholds would match",
		Long: "Show how the final values of a field are spread over past calls, and what share of the calls that report it\n" +
			"each of some thresholds would match.\n\n" + pastevents.Help,
		Example: "  callwatch rules suggest mos --by provider\n  callwatch rules suggest packetLossPct --events calls.ndjson.gz",
		Args:    cobra.ExactArgs(1),
	}
	from.Add(c, s.Providers)
	c.Flags().StringSliceVar(&by, "by", nil, "fields to group calls by, such as provider")
	o := cli.AddOutput(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		cfg, err := s.Load(c)
		if err != nil {
			return err
		}
		suggest, err := backtest.NewSuggest(args[0], by, cfg.MOS)
		if err != nil {
			return cli.Usage(err)
		}
		src, err := pastevents.New(c, &from, &cfg, time.Now())
		if err != nil {
			return err
		}
		r, err := src.Place(c, s)
		if err != nil {
			return err
		}
		var report backtest.Suggestion
		if r != nil {
			params := url.Values{"field": args, "by": by, "since": {cli.TimeText(src.Since)}, "until": {cli.TimeText(src.Until)}}
			err = r.Work(c.Context(), "suggest", params, nil, &report, src.Progress.At)
			src.Progress.End()
		} else {
			src.Raw, src.AnyOrder = false, true
			err = src.Each(c.Context(), func(m eventlog.Moment) error {
				if m.Event != nil {
					suggest.Event(m.Event)
				}
				return nil
			})
			report = suggest.Report()
		}
		if err != nil {
			return err
		}
		return printSuggestion(c.OutOrStdout(), *o, report)
	}
	return c
}

func printSuggestion(w io.Writer, o cli.Output, r backtest.Suggestion) error {
	return cli.PrintReport(w, o, r, r.Groups, func(w io.Writer) error {
		fmt.Fprintf(w, "%s of %s calls\n", r.Field, cli.Grouped(r.Calls))
		for i := range r.Groups {
			if err := suggestionTable(w, &r.Groups[i], r.Unit); err != nil {
				return err
			}
		}
		return nil
	})
}

func suggestionTable(w io.Writer, g *backtest.SuggestionGroup, unit string) error {
	fmt.Fprintln(w)
	if len(g.By) > 0 {
		fmt.Fprint(w, keyText(g.By), ": ")
	}
	fmt.Fprintf(w, "%s of %s measured\n", cli.Grouped(g.Known), cli.Plural(g.Calls, "call"))
	if g.Known == 0 {
		return nil
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, p := range g.Percentiles {
		name := fmt.Sprintf("p%g", p.P)
		switch p.P {
		case 0:
			name = "least"
		case 100:
			name = "most"
		}
		fmt.Fprintf(t, "  %s\t%s %s\n", name, strconv.FormatFloat(p.Value, 'f', -1, 64), unit)
	}
	fmt.Fprintln(t)
	for _, h := range g.Thresholds {
		fmt.Fprintf(t, "  %s\tmatches %s %%\t(%s of %s measured)\n", h.Condition, wording.Significant(100*h.Share, 3), cli.Grouped(h.Calls), cli.Grouped(g.Known))
	}
	return t.Flush()
}
