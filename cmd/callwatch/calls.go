package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"callwatch/call"
	"callwatch/cmd/callwatch/internal/cli"
	"callwatch/handlers"
	"callwatch/handlers/backend"
	"callwatch/pipeline/eventlog"
	"callwatch/pipeline/query"
)

// scanCall is everything stored about one call.
func (a *app) scanCall(ctx context.Context, params url.Values) (backend.CallHistory, error) {
	k := call.Key{Provider: params.Get("provider"), Account: params.Get("account"), CallID: params.Get("call")}
	page, err := query.ScanCall(ctx, a.store, k, a.cfg.Folding(), a.log)
	if errors.Is(err, backend.ErrNotFound) {
		err = fmt.Errorf("there is no call %.100q of %.80q", k.CallID, k.Source())
		if _, known := a.cfg.Registry.Find(k.Provider); !known {
			err = fmt.Errorf("%w: %w", err, cli.NoProvider(a.cfg.Registry, k.Provider))
		}
		err = &handlers.Refusal{Err: err}
	}
	return page, err
}

func callsCommand(s *cli.Settings) *cobra.Command {
	return cli.CommandGroup("calls", "List, find, show and erase stored calls", callListCommand(s), callFindCommand(s), callShowCommand(s), callEraseCommand(s))
}

func callShowCommand(s *cli.Settings) *cobra.Command {
	c := &cobra.Command{
		Use: "show PROVIDER CALL", Short: "Show what is stored about a call", Args: cobra.ExactArgs(2),
		Long: "Show what is known of a call, its events and the incidents that name it. " + workHelp,
	}
	account := c.Flags().String("account", "", cli.AccountHelp)
	named := func(args []string) (url.Values, error) {
		return url.Values{"provider": args[:1], "account": {*account}, "call": args[1:]}, nil
	}
	return workCommand(c, s, "call", named, func(w io.Writer, o cli.Output, page *backend.CallHistory) error {
		return cli.PrintOne(w, o, *page, func(w io.Writer) error { return callText(w, page) })
	})
}

func callText(w io.Writer, page *backend.CallHistory) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintf(t, "call\t%s of %s\n", cli.PrintableText(page.Call.CallID), cli.PrintableText(page.Call.Source()))
	facts, err := eventlog.Fields(&page.Call)
	if err != nil {
		return err
	}
	for _, f := range facts {
		if !strings.HasPrefix(f.Name, "raw.") && !slices.Contains([]string{"callId", "provider", "account", "id", "kind", "rawId"}, f.Name) {
			fmt.Fprintf(t, "%s\t%s\n", f.Name, cli.PrintableText(eventlog.Shorten(f.Value)))
		}
	}
	if err := t.Flush(); err != nil {
		return err
	}
	fmt.Fprintf(w, "\n%s\n", cli.Plural(len(page.Events), "event"))
	for _, e := range page.Events {
		fmt.Fprintf(t, "  %s\t%s\traw %s\t%s\n", e.At.UTC().Format(time.RFC3339), e.Event.Kind, cli.PrintableText(e.Event.RawID), cli.PrintableText(e.Event.ID))
	}
	if err := t.Flush(); err != nil {
		return err
	}
	fmt.Fprintf(w, "\n%s\n", cli.Plural(len(page.Incidents), "incident"))
	for i := range page.Incidents {
		in := &page.Incidents[i]
		fmt.Fprintf(t, "  %s\t%s\t%s\t%s\n", in.ID, in.Severity, in.State, cli.PrintableText(in.Summary))
	}
	return t.Flush()
}
