package main

import (
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"callwatch/pipeline/eventlog"
	"callwatch/rules/backtest"
)

func rulesSuggestCommand(s *settings) *cobra.Command {
	var from sourceFlags
	var by []string
	c := &cobra.Command{
		Use:   "suggest FIELD",
		Short: "Show how a field is spread over past calls, and what thresholds would match",
		Long: "Show how the final values of a field are spread over past calls, and what share of the calls that report it\n" +
			"each of some thresholds would match.\n\n" + sourceHelp,
		Example: "  callwatch rules suggest mos --by provider\n  callwatch rules suggest packetLossPct --events calls.ndjson.gz",
		Args:    cobra.ExactArgs(1),
	}
	from.add(c, s.providers)
	c.Flags().StringSliceVar(&by, "by", nil, "fields to group calls by, such as provider")
	o := addOutput(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		cfg, err := s.load(c)
		if err != nil {
			return err
		}
		suggest, err := backtest.NewSuggest(args[0], by, cfg.MOS)
		if err != nil {
			return usage(err)
		}
		src, err := newSource(c, &from, &cfg, time.Now())
		if err != nil {
			return err
		}
		src.raw, src.anyOrder = false, true
		err = src.each(c.Context(), func(m eventlog.Moment) error {
			if m.Event != nil {
				suggest.Event(m.Event)
			}
			return nil
		})
		if err != nil {
			return err
		}
		return printSuggestion(c.OutOrStdout(), *o, suggest.Report())
	}
	return c
}

func printSuggestion(w io.Writer, o output, r backtest.Suggestion) error {
	return printReport(w, o, r, r.Groups, func(w io.Writer) error {
		fmt.Fprintf(w, "%s of %s calls\n", r.Field, grouped(r.Calls))
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
	fmt.Fprintf(w, "%s of %s measured\n", grouped(g.Known), plural(g.Calls, "call"))
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
		fmt.Fprintf(t, "  %s\t%g %s\n", name, p.Value, unit)
	}
	fmt.Fprintln(t)
	for _, h := range g.Thresholds {
		fmt.Fprintf(t, "  %s\tmatches %.3g %%\t(%s of %s measured)\n", h.Condition, 100*h.Share, grouped(h.Calls), grouped(g.Known))
	}
	return t.Flush()
}
