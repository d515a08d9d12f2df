package main

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"callwatch/call"
	"callwatch/cmd/callwatch/internal/cli"
	"callwatch/handlers/wording"
	"callwatch/stream"
)

func eventsTailCommand(s *cli.Settings) *cobra.Command {
	var filter stream.Filter
	var last int
	c := &cobra.Command{
		Use:   "tail",
		Short: "Print events as they come",
		Long: "Print stored events, then those that come: of the callwatch at --url or CALLWATCH_URL, or of the one that runs on the\n" +
			"data directory; where none runs, of the data directory itself, or of a NATS server (--nats-url).",
		Args: cobra.NoArgs,
	}
	c.Flags().StringVar(&filter.Provider, "provider", "", "only this provider's")
	c.Flags().StringVar(&filter.Kind, "kind", "", "only this kind: progress, stats, ended, report")
	c.Flags().IntVarP(&last, "last", "n", 10, "stored events to begin with")
	cli.AddURL(c)
	o := cli.AddOutput(c)
	c.RunE = func(c *cobra.Command, _ []string) error {
		cfg, err := s.Load(c)
		if err != nil {
			return err
		}
		if filter.Kind != "" && !slices.Contains(kinds, filter.Kind) {
			return cli.Usage(fmt.Errorf("--kind: %q is none of %s", filter.Kind, strings.Join(kinds, ", ")))
		}
		if _, known := cfg.Registry.Find(filter.Provider); filter.Provider != "" && !known {
			return cli.Usage(fmt.Errorf("--provider: %w", cli.NoProvider(cfg.Registry, filter.Provider)))
		}
		ctx := c.Context()
		r, err := s.Place(c, &cfg)
		if err != nil {
			return err
		}
		if r != nil {
			return remoteTail(ctx, r, filter, last, func(data []byte) error { return printTail(c.OutOrStdout(), *o, data) })
		}
		if err := storeThere(&cfg); err != nil {
			return err
		}
		store, err := stream.OpenReader(ctx, cfg.Store(slog.New(slog.DiscardHandler)))
		if err != nil {
			return err
		}
		err = store.FollowEvents(ctx, filter, last, func(m stream.Message) error {
			return printTail(c.OutOrStdout(), *o, m.Data)
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

var kinds = []string{string(call.Progress), string(call.Stats), string(call.Ended), string(call.Report)}

// maxTailed bounds how many stored events a tail begins with, over the API.
const maxTailed = 1000

// remoteTail hands in the JSON of the last events of a running callwatch, then of those that
// come, until ctx ends.
func remoteTail(ctx context.Context, r *cli.Remote, filter stream.Filter, last int, fn func(data []byte) error) error {
	choice := url.Values{}
	for name, value := range map[string]string{"provider": filter.Provider, "kind": filter.Kind} {
		if value != "" {
			choice.Set(name, value)
		}
	}
	query := maps.Clone(choice)
	query.Set("limit", strconv.Itoa(min(max(last, 1), maxTailed)))
	var page struct {
		Events []struct {
			Seq   uint64
			Event json.RawMessage
		}
	}
	if err := r.Ask(ctx, http.MethodGet, "/events?"+query.Encode(), nil, &page); err != nil {
		return err
	}
	for i, e := range slices.Backward(page.Events) { // newest first
		if choice.Set("after", strconv.FormatUint(e.Seq, 10)); i >= last {
			continue
		}
		if err := fn(e.Event); err != nil {
			return err
		}
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, r.URL+"/api/v1/events/stream?"+choice.Encode(), nil)
	if err != nil {
		return cli.Usage(err)
	}
	answer, err := r.Open(req)
	if err != nil {
		return err
	}
	defer func() { _ = answer.Close() }()
	lines := bufio.NewScanner(answer)
	lines.Buffer(nil, maxLine)
	for lines.Scan() {
		data, ok := bytes.CutPrefix(lines.Bytes(), []byte("data: "))
		if !ok {
			continue
		}
		var e struct{ Event json.RawMessage }
		if err := json.Unmarshal(data, &e); err != nil {
			return fmt.Errorf("read the answer of %s: %w", r.URL, err)
		}
		if err := fn(e.Event); err != nil {
			return err
		}
	}
	if ctx.Err() != nil {
		return nil
	}
	return fmt.Errorf("%s ended the stream: %w", r.URL, cmp.Or(lines.Err(), io.EOF))
}

// maxLine bounds a line of a stream, in bytes: an event of 4 MB and its place.
const maxLine = 8 << 20

func printTail(w io.Writer, o cli.Output, data []byte) error {
	if o != cli.Human {
		_, err := fmt.Fprintf(w, "%s\n", data)
		return err
	}
	var e call.Event
	if err := json.Unmarshal(data, &e); err != nil {
		return fmt.Errorf("read an event: %w", err)
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
			parts = append(parts, name+"="+wording.Significant(v, 4))
		default:
			parts = append(parts, fmt.Sprintf("%s=%v", name, cli.Printable(v)))
		}
	}
	return strings.Join(parts, " ")
}
