package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"callwatch/call"
	"callwatch/stream"
)

func eventsTailCommand(s *settings) *cobra.Command {
	var filter stream.Filter
	var last int
	c := &cobra.Command{
		Use:   "tail",
		Short: "Print events as they come",
		Long: "Print stored events, then those that come. A running callwatch with an embedded store is reached through\n" +
			"its --nats-listen address, given here as --nats-url; without that the data directory is opened, which only one\n" +
			"process can do at a time.",
		Args: cobra.NoArgs,
	}
	c.Flags().StringVar(&filter.Provider, "provider", "", "only this provider's")
	c.Flags().StringVar(&filter.Kind, "kind", "", "only this kind: progress, stats, ended, report")
	c.Flags().IntVarP(&last, "last", "n", 10, "stored events to begin with")
	o := addOutput(c)
	c.RunE = func(c *cobra.Command, _ []string) error {
		cfg, err := s.load(c)
		if err != nil {
			return err
		}
		ctx := c.Context()
		store, err := stream.OpenReader(ctx, cfg.Store(slog.New(slog.DiscardHandler)))
		if err != nil {
			return fmt.Errorf("%w (a running callwatch shares its events with --nats-listen, read here by --nats-url)", err)
		}
		err = store.FollowEvents(ctx, filter, last, func(m stream.Message) error {
			return printTail(c.OutOrStdout(), *o, m)
		})
		if ctx.Err() != nil {
			err = nil
		}
		closing, done := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer done()
		return errors.Join(err, store.Close(closing))
	}
	return c
}

func printTail(w io.Writer, o output, m stream.Message) error {
	if o != human {
		_, err := fmt.Fprintf(w, "%s\n", m.Data)
		return err
	}
	var e call.Event
	if err := json.Unmarshal(m.Data, &e); err != nil {
		return fmt.Errorf("read event %d: %w", m.Seq, err)
	}
	_, err := fmt.Fprintln(w, eventLine(&e))
	return err
}

// eventLine is an event in one line: when, what, which call, and the facts that
// are known of the most telling ones.
func eventLine(e *call.Event) string {
	parts := []string{e.ReceivedAt.Local().Format("15:04:05"), fmt.Sprintf("%-10s %-8s", e.Provider, e.Kind), e.CallID}
	for _, name := range []string{"status", "sipCode", "durationSec", "mos", "mosSource", "packetsLost", "packetLossPct", "jitterMs", "rttMs", "turnLatencyMs", "errorMessage"} {
		f, _ := call.Lookup(name)
		switch v := f.Value(e).(type) {
		case nil:
		case float64:
			parts = append(parts, fmt.Sprintf("%s=%.4g", name, v))
		default:
			parts = append(parts, fmt.Sprintf("%s=%v", name, printable(v)))
		}
	}
	return strings.Join(parts, " ")
}

// printable keeps control characters of a provider's text from the terminal.
func printable(v any) any {
	s, ok := v.(string)
	if !ok {
		return v
	}
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return '?'
		}
		return r
	}, s)
}
