package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"callwatch/call"
	"callwatch/rules"
	"callwatch/stream"
)

const rulesLsLong = `List the rules and how each is doing: calls matched, judged and unjudged, the latest match and error, open
incidents. That is told from the store: the data directory of a callwatch that is not running, or one that
shares its events, by --nats-url; of a running one, as of its last checkpoint, which is a minute old at most.
Without a store, or with --offline, only what the rules file says is listed.

-o json prints an array of {rule, mode, severity, by, tests, health}, ndjson one such object a line.`

// ruleLine is one rule in the list.
type ruleLine struct {
	Rule     string         `json:"rule"`
	Mode     rules.Mode     `json:"mode"`
	Severity rules.Severity `json:"severity"` // the highest it can have
	By       []string       `json:"by"`
	Tests    int            `json:"tests"`
	Health   *rules.Health  `json:"health,omitempty"` // absent where there is no store
}

func rulesLsCommand(s *settings) *cobra.Command {
	var offline bool
	c := &cobra.Command{Use: "ls", Short: "List rules and how they are doing", Long: rulesLsLong, Args: cobra.NoArgs}
	c.Flags().BoolVar(&offline, "offline", false, "do not look into the store")
	o := addOutput(c)
	c.RunE = func(c *cobra.Command, _ []string) error {
		cfg, err := s.load(c)
		if err != nil {
			return err
		}
		set, err := loadRules(cfg.Rules, slog.New(slog.DiscardHandler))
		if err != nil {
			return err
		}
		lines := ruleLines(set)
		if _, err := os.Stat(cfg.DataDir); cfg.NATS.URL == "" && err != nil {
			offline = true
		}
		if !offline {
			healths, err := storedHealths(c.Context(), &cfg, set)
			if err != nil {
				return err
			}
			for i := range healths {
				lines[i].Health = &healths[i]
			}
		}
		return printRules(c.OutOrStdout(), *o, lines)
	}
	return c
}

func ruleLines(set *rules.Set) []ruleLine {
	lines := make([]ruleLine, len(set.Rules))
	for i, r := range set.Rules {
		severity := r.Severity
		if len(r.Ladder) > 0 {
			severity = r.Ladder[0].Severity
		}
		lines[i] = ruleLine{Rule: r.Name, Mode: r.Mode, Severity: severity, By: r.By, Tests: len(r.Tests)}
	}
	return lines
}

// storedHealths restores the engine from its last checkpoint, or where there is
// none judges all stored events.
func storedHealths(ctx context.Context, cfg *Config, set *rules.Set) (_ []rules.Health, err error) {
	store, err := stream.Open(ctx, cfg.storing(slog.New(slog.DiscardHandler)))
	if err != nil {
		return nil, fmt.Errorf("%w (a running callwatch shares its store with --nats-listen, read here by --nats-url; --offline lists the file alone)", err)
	}
	defer func() { err = errors.Join(err, store.Close(ctx)) }()
	opt := rules.Options{Prefer: cfg.MOS}
	var engine *rules.Engine
	_, err = store.LoadCheckpoint(ctx, checkpointName, func(_ uint64, r io.Reader) error {
		data, err := io.ReadAll(r)
		if err != nil {
			return err
		}
		engine, err = rules.Restore(set, opt, data)
		return err
	})
	if err == nil {
		return engine.Healths(), nil
	}
	if !errors.Is(err, stream.ErrNotFound) {
		return nil, fmt.Errorf("read the engine's state: %w", err)
	}
	engine = rules.NewEngine(set, opt)
	err = store.StoredEvents(ctx, time.Time{}, func(m stream.Message, _ uint64) error {
		if m.Tick {
			engine.Tick(m.Seq, m.Time)
			return nil
		}
		var e call.Event
		if json.Unmarshal(m.Data, &e) == nil { // as serve passes over what cannot be read
			engine.Apply(m.Seq, m.Time, &e)
		}
		return nil
	})
	return engine.Healths(), err
}

func printRules(w io.Writer, o output, lines []ruleLine) error {
	enc := json.NewEncoder(w)
	switch o {
	case asJSON:
		enc.SetIndent("", "  ")
		return enc.Encode(lines)
	case ndjson:
		for i := range lines {
			if err := enc.Encode(&lines[i]); err != nil {
				return err
			}
		}
		return nil
	}
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "RULE\tMODE\tSEVERITY\tBY\tTESTS\tMATCHED\tJUDGED\tUNJUDGED\tLAST MATCH\tOPEN\tLAST ERROR")
	for i := range lines {
		l := &lines[i]
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%d\t%s\n", l.Rule, l.Mode, l.Severity, cmp.Or(strings.Join(l.By, ","), "-"), l.Tests, healthText(l.Health))
	}
	return table.Flush()
}

func healthText(h *rules.Health) string {
	if h == nil {
		return "-\t-\t-\t-\t-\t"
	}
	last := "never"
	if !h.LastMatch.IsZero() {
		last = h.LastMatch.Local().Format(time.DateTime)
	}
	return fmt.Sprintf("%d\t%d\t%d (%.0f %%)\t%s\t%d\t%s", h.Counts.Matched, h.Counts.Judged,
		h.Counts.Unjudged, 100*h.Counts.UnjudgedShare(), last, h.Open, printable(h.LastError))
}
