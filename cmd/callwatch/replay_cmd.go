package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"callwatch/cmd/callwatch/internal/cli"
	"callwatch/pipeline/maintenance"
)

const replayLong = `Run stored bodies through the present normalizer and show, field by field, how their events differ from those that are
stored, and which incidents the rules would open in addition or no longer.

With --apply the differing events are corrected: backtest, rules suggest, rules explain and calls show read the
corrected ones from then on, each at the time of the one it replaces. The rules that run do not see corrections:
incidents stay as they are, and nothing is announced. The old events stay stored until their retention ends.`

func replayCommand(s *cli.Settings) *cobra.Command {
	var since, until, provider, from string
	var dryRun, apply bool
	var rate float64
	c := &cobra.Command{
		Use: "replay", Short: "Show or correct what the present normalizer makes of stored bodies", Long: replayLong + "\n\n" + workHelp,
		Example: "  callwatch replay --since 7d\n  callwatch replay --since 7d --provider " + s.Providers.Names()[0] + " --apply",
		Args:    cobra.NoArgs,
	}
	f := c.Flags()
	f.StringVar(&since, "since", "", "leave out what was stored before: a time, a date, or how long ago (7d, 12h)")
	f.StringVar(&until, "until", "", "leave out what was received from then on")
	f.StringVar(&provider, "provider", "", "only this provider's")
	f.StringVar(&from, "from", "raw", "what to start from: raw")
	f.BoolVar(&dryRun, "dry-run", false, "only show (default)")
	f.BoolVar(&apply, "apply", false, "correct the stored events")
	f.Float64Var(&rate, "rate", 0, "corrections a second; 0: as fast as they are stored")
	request := func([]string) (url.Values, error) {
		switch {
		case since == "":
			return nil, cli.Usage(errors.New("--since is needed: a time, a date, or how long ago (7d, 12h)"))
		case from != "raw":
			return nil, cli.Usage(fmt.Errorf("--from: %q is not raw", from))
		case apply && dryRun:
			return nil, cli.Usage(errors.New("--apply and --dry-run: give one of them"))
		}
		return url.Values{
			"since": {since}, "until": {until}, "provider": {provider},
			"apply": {strconv.FormatBool(apply)}, "rate": {strconv.FormatFloat(rate, 'g', -1, 64)},
		}, nil
	}
	return workCommand(c, s, "replay", request, printReplay)
}

func printReplay(w io.Writer, o cli.Output, r *maintenance.ReplayReport) error {
	return cli.PrintReport(w, o, r, r.Fields, func(w io.Writer) error { return replayText(w, r) })
}

func replayText(w io.Writer, r *maintenance.ReplayReport) error {
	fmt.Fprintf(w, "%s: %d as stored, %d changed, %d new, %d without an event now, %d that cannot be normalized any more\n",
		cli.Plural(r.Bodies, "record"), r.Same, r.Changed, r.Added, r.Emptied, r.Failed)
	for _, f := range r.Fields {
		fmt.Fprintf(w, "\n%s: differs in %s\n", cli.PrintableText(f.Field), cli.Plural(f.Events, "event"))
		for _, x := range f.Examples {
			fmt.Fprintf(w, "  raw %s, call %s: %s -> %s\n", x.RawID, cli.PrintableText(x.CallID),
				cli.PrintableText(cmp.Or(x.Old, "unknown")), cli.PrintableText(cmp.Or(x.New, "unknown")))
		}
	}
	if i := r.Incidents; i != nil {
		fmt.Fprintf(w, "\nincidents by the rules of now: %d before, %d after\n", i.Before, i.After)
		incidentLines(w, "+", i.Added)
		incidentLines(w, "-", i.Gone)
		if i.Omitted > 0 {
			fmt.Fprintf(w, "  and %d more\n", i.Omitted)
		}
	}
	switch {
	case len(r.Fields)+r.Added == 0:
	case r.DryRun:
		fmt.Fprintln(w, "\nnothing was changed; --apply corrects the stored events")
	default:
		fmt.Fprintf(w, "\n%s corrected; nothing was announced\n", strings.TrimSpace(cli.Plural(r.Applied, "record")))
	}
	return nil
}

func incidentLines(w io.Writer, sign string, list []maintenance.IncidentRef) {
	for _, in := range list {
		fmt.Fprintf(w, "  %s %s %s %s [%s] %s\n", sign, cli.Clock(in.OpenedAt), in.Severity, in.Rule, cli.PrintableText(in.Key), cli.PrintableText(in.Summary))
	}
}
