package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"time"

	"github.com/spf13/cobra"

	"callwatch/call"
	"callwatch/normalizer/registry"
	"callwatch/pipeline/eventlog"
	"callwatch/pipeline/rulefile"
	"callwatch/rules"
	"callwatch/stream"
)

const rulesExplainLong = `Tell for one call what every rule makes of it: the verdict, every sub-expression with its value, and what
held an alert back.

The argument is a file (or - for standard input) with an event, an array of events or one event a line as
"events normalize" and "events tail -o ndjson" print them; with --provider, a raw body of that provider; or the
id of a call in the store: the data directory of a callwatch that is not running, or one that shares its
events, by --nats-url. Rules are those of --rules, or the configured ones.

-o json prints an array of {call, rules}, ndjson one such object a line: call is the call as known at the end,
and each of rules is
  rule      its name
  verdict   matched, not-matched, unjudged or not-concerned
  severity  of a match
  missing   unknown fields that an unjudged outcome depends on
  heldBack  [{by, text}]: on, where, except, settle, min_calls, absent, for, active, cooldown, silence, adopts, mode
  parts     [{name, truth, tree}]: where, "except NAME", "of the call" (what a window asks of it), when,
            "severity LEVEL", resolve; tree is {expr, macro, truth, value, error, children}; truth is true,
            false or unknown, an unknown value is absent
  at, by, incident, slack, error`

func rulesExplainCommand(s *settings) *cobra.Command {
	var provider, only string
	c := &cobra.Command{
		Use:   "explain CALL|FILE|-",
		Short: "Tell why a call did or did not alert",
		Long:  rulesExplainLong,
		Args:  cobra.ExactArgs(1),
	}
	c.Flags().StringVar(&provider, "provider", "", "the input is a raw body of this provider; with a call id: whose call it is")
	c.Flags().StringVar(&only, "rule", "", "only this rule")
	o := addOutput(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		cfg, err := s.load(c)
		if err != nil {
			return err
		}
		if _, known := registry.Find(provider); provider != "" && !known {
			return usage(fmt.Errorf("--provider: %q is none of %v", provider, providerNames()))
		}
		_, set, _, err := rulefile.Load(cfg.Rules, shippedRules(cfg.Rules))
		if err != nil {
			return usage(err)
		}
		arrivals, err := explained(c, &cfg, args[0], provider)
		if err != nil {
			return err
		}
		t := rules.NewTrace(set, rules.Options{Prefer: cfg.MOS, Rate: cfg.folding().Rate})
		if only != "" && !t.Only(only) {
			return usage(fmt.Errorf("--rule: there is no rule %q in %s", only, cfg.Rules))
		}
		for i := range arrivals {
			t.Apply(arrivals[i].at, &arrivals[i].event)
		}
		return printCalls(c.OutOrStdout(), *o, t.Calls())
	}
	return c
}

// arrival is an event and when it was stored.
type arrival struct {
	at    time.Time
	event call.Event
}

// explained finds the events that the argument means.
func explained(c *cobra.Command, cfg *Config, arg, provider string) ([]arrival, error) {
	if arg != "-" {
		if _, err := os.Stat(arg); errors.Is(err, os.ErrNotExist) {
			return storedCall(c.Context(), cfg, arg, provider)
		}
	}
	body, err := readInput(c.InOrStdin(), arg)
	if err != nil {
		return nil, usage(err)
	}
	if provider == "" {
		if found, err := readMoments(c.Context(), arg, body); err == nil && len(found) > 0 {
			return found, nil
		}
	}
	var events []call.Event
	if provider != "" {
		events, err = cfg.normalizeFile(provider, arg, body, time.Now().UTC())
	} else if events, err = decodeEvents(body); err != nil {
		err = fmt.Errorf("%w (a raw body needs --provider)", err)
	}
	if err != nil {
		return nil, problems(fmt.Errorf("%s: %w", arg, err))
	}
	out := make([]arrival, len(events))
	for i := range events {
		out[i] = arrival{storedAt(&events[i]), events[i]}
	}
	return out, nil
}

// readMoments reads events as backtest does: the same times, ids and order. A
// single event over several lines is not among what it reads.
func readMoments(ctx context.Context, name string, body []byte) ([]arrival, error) {
	var found []arrival
	file := eventlog.File{Name: name, In: bytes.NewReader(body), Log: slog.New(slog.DiscardHandler), Raw: true, Progress: func(int64) {}}
	err := file.Each(ctx, func(m eventlog.Moment) error {
		if m.Event != nil {
			found = append(found, arrival{m.At, *m.Event})
		}
		return nil
	})
	return found, err
}

// storedAt is when an event from outside the store would have been stored.
func storedAt(e *call.Event) time.Time {
	if !e.ReceivedAt.IsZero() {
		return e.ReceivedAt
	}
	return e.OccurredAt
}

// decodeEvents reads an event, an array of events, or one event after the other.
func decodeEvents(body []byte) ([]call.Event, error) {
	var events []call.Event
	if t := bytes.TrimSpace(body); len(t) > 0 && t[0] == '[' {
		if err := json.Unmarshal(t, &events); err != nil {
			return nil, fmt.Errorf("read events: %w", err)
		}
	} else {
		dec := json.NewDecoder(bytes.NewReader(body))
		for {
			var e call.Event
			err := dec.Decode(&e)
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				return nil, fmt.Errorf("read event %d: %w", len(events)+1, err)
			}
			events = append(events, e)
		}
	}
	for i := range events {
		e := &events[i]
		if e.Provider == "" || e.CallID == "" || e.Kind == "" {
			return nil, fmt.Errorf("event %d has no provider, kind and callId: it is no normalized event", i+1)
		}
		if e.ID == "" {
			e.ID = fmt.Sprintf("event-%d", i+1)
		}
	}
	if len(events) == 0 {
		return nil, errors.New("there is no event")
	}
	return events, nil
}

// storedCall reads all events of one call from the store.
func storedCall(ctx context.Context, cfg *Config, id, provider string) ([]arrival, error) {
	if _, err := os.Stat(cfg.DataDir); cfg.NATS.URL == "" && err != nil {
		return nil, usage(fmt.Errorf("%s is no file, and there is no store at %s to look for such a call: name one with --data-dir or --nats-url", id, cfg.DataDir))
	}
	store, err := stream.OpenReader(ctx, cfg.storing(slog.New(slog.DiscardHandler)))
	if err != nil {
		return nil, fmt.Errorf("%s is no file; look for such a call in the store: %w (a running callwatch shares its events with --nats-listen, read here by --nats-url)", id, err)
	}
	var found []arrival
	messages, err := eventlog.OfCall(ctx, store, provider, id)
	for i := range messages {
		x := arrival{at: messages[i].CountsAt()}
		if err = json.Unmarshal(messages[i].Data, &x.event); err != nil {
			err = fmt.Errorf("read event %d: %w", messages[i].Seq, err)
			break
		}
		found = append(found, x)
	}
	if err = errors.Join(err, store.Close(ctx)); err != nil {
		return nil, err
	}
	if len(found) == 0 {
		return nil, problems(fmt.Errorf("%s is neither a file nor a call in the store", id))
	}
	return found, nil
}

func printCalls(w io.Writer, o output, calls []rules.CallExplanation) error {
	return printAll(w, o, calls, func(w io.Writer) error {
		for i := range calls {
			if i > 0 {
				fmt.Fprintln(w)
			}
			printCall(w, "", &calls[i])
		}
		return nil
	})
}
