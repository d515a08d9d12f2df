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
	"callwatch/handlers"
	"callwatch/handlers/backend"
	"callwatch/pipeline/eventlog"
	"callwatch/pipeline/query"
)

// scanCall is everything stored about one call.
func (a *app) scanCall(ctx context.Context, params url.Values) (backend.CallHistory, error) {
	k := call.Key{Provider: params.Get("provider"), CallID: params.Get("call")}
	page, err := query.ScanCall(ctx, a.store, k, a.cfg.Folding(), a.log)
	if errors.Is(err, backend.ErrNotFound) {
		err = &handlers.Refusal{Err: fmt.Errorf("there is no call %.100q of %.40q", k.CallID, k.Provider)}
	}
	return page, err
}

func callsCommand(s *settings) *cobra.Command {
	return commandGroup("calls", "List, find, show and erase stored calls", callListCommand(s), callFindCommand(s), callShowCommand(s), callEraseCommand(s))
}

func callShowCommand(s *settings) *cobra.Command {
	c := &cobra.Command{
		Use: "show PROVIDER CALL", Short: "Show what is stored about a call", Args: cobra.ExactArgs(2),
		Long: "Show what is known of a call, its events and the incidents that name it. " + deskHelp,
	}
	return onDesk(c, s, "call", callNamed, func(w io.Writer, o output, page *backend.CallHistory) error {
		return printOne(w, o, *page, func(w io.Writer) error { return callText(w, page) })
	})
}

func callText(w io.Writer, page *backend.CallHistory) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintf(t, "call\t%s of %s\n", printableText(page.Call.CallID), printableText(page.Call.Provider))
	facts, err := eventlog.Fields(&page.Call)
	if err != nil {
		return err
	}
	for _, f := range facts {
		if !strings.HasPrefix(f.Name, "raw.") && !slices.Contains([]string{"callId", "provider", "id", "kind", "rawId"}, f.Name) {
			fmt.Fprintf(t, "%s\t%s\n", f.Name, printableText(eventlog.Shorten(f.Value)))
		}
	}
	if err := t.Flush(); err != nil {
		return err
	}
	fmt.Fprintf(w, "\n%s\n", plural(len(page.Events), "event"))
	for _, e := range page.Events {
		fmt.Fprintf(t, "  %s\t%s\traw %s\t%s\n", e.At.UTC().Format(time.RFC3339), e.Event.Kind, printableText(e.Event.RawID), printableText(e.Event.ID))
	}
	if err := t.Flush(); err != nil {
		return err
	}
	fmt.Fprintf(w, "\n%s\n", plural(len(page.Incidents), "incident"))
	for i := range page.Incidents {
		in := &page.Incidents[i]
		fmt.Fprintf(t, "  %s\t%s\t%s\t%s\n", in.ID, in.Severity, in.State, printableText(in.Summary))
	}
	return t.Flush()
}
