package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strconv"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"callwatch/cmd/callwatch/internal/cli"
	"callwatch/cmd/callwatch/internal/config"
	"callwatch/handlers/api"
	"callwatch/handlers/backend"
	"callwatch/handlers/wording"
)

func storeCommand(s *cli.Settings) *cobra.Command {
	return cli.CommandGroup("store", "Show what the store takes, remove what is not kept, back it up",
		storeSizeCommand(s), storePruneCommand(s), storeBackupCommand(s), storeRestoreCommand(s))
}

func storeSizeCommand(s *cli.Settings) *cobra.Command {
	c := &cobra.Command{
		Use: "size", Short: "Show what each stream takes, the limit, the growth and the days left", Args: cobra.NoArgs,
		Long: "Show what each stream and the whole data directory take, the limit, the growth per day and the days until the limit\n" +
			"is reached. " + workHelp,
	}
	o, open := cli.AddOutput(c), addWorkplace(c, s)
	c.RunE = func(c *cobra.Command, _ []string) error {
		d, err := open(c)
		if err != nil {
			return err
		}
		var size backend.StoreSize
		if d.remote != nil {
			err = d.remote.Ask(c.Context(), http.MethodGet, "/store", nil, &size)
		} else {
			err = d.do(c.Context(), "store-size", nil, nil, &size, cli.NewProgress(c.ErrOrStderr()))
		}
		if err != nil {
			return err
		}
		return cli.PrintOne(c.OutOrStdout(), *o, size, func(w io.Writer) error { return printStoreSize(w, &size) })
	}
	return c
}

// storeSize is what the store of a configuration takes where no callwatch runs on it.
func storeSize(ctx context.Context, cfg config.Config) (size backend.StoreSize, err error) {
	d := &workplace{cfg: cfg, log: slog.New(slog.DiscardHandler)}
	err = d.do(ctx, "store-size", nil, nil, &size, cli.NewProgress(io.Discard))
	return size, err
}

func printStoreSize(w io.Writer, size *backend.StoreSize) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "STREAM\tMESSAGES\tSIZE\tPER DAY\tOLDEST\tKEPT FOR")
	for _, s := range size.Streams {
		oldest, keep, perDay := "-", "-", "-"
		if !s.Oldest.IsZero() {
			oldest = cli.LocalTime(s.Oldest)
		}
		if s.Keep > 0 {
			keep = cli.Days(time.Duration(s.Keep) * time.Second)
		}
		if s.PerDay > 0 {
			perDay = wording.Bytes(s.PerDay)
		}
		fmt.Fprintf(t, "%s\t%d\t%s\t%s\t%s\t%s\n", cli.PrintableText(s.Name), s.Messages, wording.Bytes(s.Bytes), perDay, oldest, keep)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	if size.Directory > 0 {
		fmt.Fprintf(w, "\ndata directory: %s\n", wording.Bytes(size.Directory))
	}
	_, err := fmt.Fprintln(w, "store: "+cli.UsageText(&size.StoreUsage))
	return err
}

func storePruneCommand(s *cli.Settings) *cobra.Command {
	var dryRun bool
	var by string
	c := &cobra.Command{
		Use: "prune", Short: "Remove now what retention no longer keeps", Args: cobra.NoArgs,
		Long: "Remove now what retention no longer keeps, instead of within the next half minute: webhooks older than\n" +
			"CALLWATCH_RETENTION_RAW, and the oldest webhooks and events where the store is at its limit. What was not processed\n" +
			"yet stays. Events, incidents and dead letters are removed at their age by the store itself. " + workHelp,
	}
	c.Flags().BoolVar(&dryRun, "dry-run", false, "only say what would be removed; the sizes are estimates")
	c.Flags().StringVar(&by, "by", "", "who asks for it (default: the user)")
	o, open := cli.AddOutput(c), addWorkplace(c, s)
	c.RunE = func(c *cobra.Command, _ []string) error {
		d, err := open(c)
		if err != nil {
			return err
		}
		var done backend.Pruned
		if err := d.prune(c.Context(), api.Prune{DryRun: dryRun, By: cmp.Or(by, s.Person())}, &done, cli.NewProgress(c.ErrOrStderr())); err != nil {
			return err
		}
		return cli.PrintOne(c.OutOrStdout(), *o, done, func(w io.Writer) error { return printPruned(w, &done) })
	}
	return c
}

func (d *workplace) prune(ctx context.Context, p api.Prune, done *backend.Pruned, bar *cli.Progress) error {
	if d.remote != nil {
		return d.remote.Ask(ctx, http.MethodPost, "/store/prune", p, done)
	}
	return d.do(ctx, "store-prune", url.Values{"dry-run": {strconv.FormatBool(p.DryRun)}}, nil, done, bar)
}

func printPruned(w io.Writer, done *backend.Pruned) error {
	verb, about := "removed from", ""
	if done.DryRun {
		verb, about = "would be removed from", "about "
	}
	if len(done.Streams) == 0 {
		_, err := fmt.Fprintln(w, "nothing to remove")
		return err
	}
	for _, s := range done.Streams {
		if _, err := fmt.Fprintf(w, "%s %s %s: %s%s\n", cli.Plural(int(s.Messages), "message"), verb, cli.PrintableText(s.Name), about, wording.Bytes(s.Bytes)); err != nil {
			return err
		}
	}
	return nil
}
