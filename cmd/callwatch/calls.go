package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/url"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"callwatch/call"
	"callwatch/handlers/backend"
	"callwatch/pipeline/eventlog"
	"callwatch/rules"
	"callwatch/stream"
)

// callKey is the call that the parameters name.
func callKey(params url.Values) (call.Key, error) {
	k := call.Key{Provider: params.Get("provider"), CallID: params.Get("call")}
	if k.Provider == "" || k.CallID == "" {
		return k, refuse("a call is named by its provider and its id")
	}
	return k, nil
}

// callPage is everything stored about one call.
func (a *app) callPage(ctx context.Context, params url.Values) (backend.CallHistory, error) {
	var page backend.CallHistory
	k, err := callKey(params)
	if err != nil {
		return page, err
	}
	messages, err := eventlog.OfCall(ctx, a.store, k.Provider, k.CallID)
	if err != nil {
		return page, fmt.Errorf("read the call: %w", err)
	}
	if len(messages) == 0 {
		return page, refuse("there is no call %.100q of %.40q", k.CallID, k.Provider)
	}
	var fold call.Call
	for i := range messages {
		e := backend.StoredEvent{Seq: messages[i].Seq, At: messages[i].CountsAt()}
		if err := json.Unmarshal(messages[i].Data, &e.Event); err != nil {
			a.log.Error("stored event cannot be read", "seq", e.Seq, "err", err)
			continue
		}
		fold.FoldWith(&e.Event, a.cfg.folding())
		page.Events = append(page.Events, e)
	}
	page.Call = fold.Event
	page.Incidents, err = a.incidentsOf(ctx, k)
	return page, err
}

// incidentsOf are the incidents that name a call, newest first, as they are in
// the last transition of their rule and key.
func (a *app) incidentsOf(ctx context.Context, k call.Key) ([]rules.Incident, error) {
	found := []rules.Incident{}
	err := eachIncident(ctx, a.store, func(in *rules.Incident) {
		if in.Names(k) {
			found = slices.DeleteFunc(found, func(had rules.Incident) bool { return had.ID == in.ID })
			found = append(found, *in)
		}
	})
	slices.SortFunc(found, func(a, b rules.Incident) int { return b.OpenedAt.Compare(a.OpenedAt) })
	return found, err
}

// eachIncident hands in the incident of every stored transition, oldest first.
func eachIncident(ctx context.Context, store *stream.Store, fn func(*rules.Incident)) error {
	return store.StoredTransitions(ctx, func(t stream.Transition) error {
		var stored rules.Transition
		if json.Unmarshal(t.Data, &stored) == nil {
			fn(&stored.Incident)
		}
		return nil
	})
}

func callsCommand(s *settings) *cobra.Command {
	c := &cobra.Command{Use: "calls", Short: "Show and erase stored calls", Args: cobra.NoArgs, RunE: func(c *cobra.Command, _ []string) error { return c.Help() }}
	c.AddCommand(callShowCommand(s), callEraseCommand(s))
	return c
}

func callShowCommand(s *settings) *cobra.Command {
	c := &cobra.Command{
		Use: "show PROVIDER CALL", Short: "Show what is stored about a call", Args: cobra.ExactArgs(2),
		Long: "Show what is known of a call, its events and the incidents that name it. " + deskHelp,
	}
	o, open := addOutput(c), addDesk(c, s)
	c.RunE = func(c *cobra.Command, args []string) error {
		d, err := open(c)
		if err != nil {
			return err
		}
		var page backend.CallHistory
		if err := d.do(c.Context(), "call", url.Values{"provider": args[:1], "call": args[1:]}, nil, &page, nil); err != nil {
			return err
		}
		return printOne(c.OutOrStdout(), *o, page, func(w io.Writer) error { return callText(w, &page) })
	}
	return c
}

func callText(w io.Writer, page *backend.CallHistory) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintf(t, "call\t%s of %s\n", printableText(page.Call.CallID), printableText(page.Call.Provider))
	facts, err := flatEvent(&page.Call)
	if err != nil {
		return err
	}
	for _, f := range facts {
		if !strings.HasPrefix(f.name, "raw.") && !slices.Contains([]string{"callId", "provider", "id", "kind", "rawId"}, f.name) {
			fmt.Fprintf(t, "%s\t%s\n", f.name, printableText(shorten(f.value)))
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
