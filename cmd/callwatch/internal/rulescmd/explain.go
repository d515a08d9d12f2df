package rulescmd

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"callwatch/call"
	"callwatch/cmd/callwatch/internal/cli"
	"callwatch/cmd/callwatch/internal/config"
	"callwatch/handlers/api"
	"callwatch/normalizer"
	"callwatch/pipeline/eventlog"
	"callwatch/pipeline/query"
	"callwatch/rules"
	"callwatch/rules/engine"
	"callwatch/rules/ruletest"
	"callwatch/stream"
)

const rulesExplainLong = `Tell for one call what every rule makes of it: the verdict, every sub-expression with its value, and what
held an alert back.

The argument is a file (or - for standard input) with an event, an array of events or one event a line as
"events normalize" and "events tail -o ndjson" print them; with --provider, a raw body of that provider; or a
stored call: its id, or PROVIDER/ID. The callwatch at --url or CALLWATCH_URL, or the one that runs on the data
directory, explains a stored call by the rules in force there. Where none runs, the store is read here, or that
at --nats-url, and rules are those of --rules, or the configured ones.

Rules over windows are explained with the figures that the window had when the call was judged: of all
events of the file up to then, or of those stored before.

-o json prints an array of {call, rules}, ndjson one such object a line: call is the call as known at the end,
and each of rules is
  rule      its name
  verdict   matched, not-matched, unjudged or not-concerned
  severity  of a match
  missing   unknown fields that an unjudged outcome depends on
  heldBack  [{by, text}]: on, where, except, settle, grace, min_calls, ratio, partial, window, new, absent, for,
            active, cooldown, silence, adopts, mode
  parts     [{name, truth, tree}]: where, "except NAME", "of the call" (what a window asks of it), when,
            "severity LEVEL", resolve; tree is {expr, macro, truth, value, error, children}; truth is true,
            false or unknown, an unknown value is absent
  at, by, incident, slack, error`

func rulesExplainCommand(s *cli.Settings) *cobra.Command {
	var provider, account, only string
	c := &cobra.Command{
		Use:   "explain CALL|FILE|-",
		Short: "Tell why a call did or did not alert",
		Long:  rulesExplainLong,
		Args:  cobra.ExactArgs(1),
	}
	c.Flags().StringVar(&account, "account", "", "with --provider and a call id: "+cli.AccountHelp)
	c.Flags().StringVar(&provider, "provider", "", "the input is a raw body of this provider; with a call id: whose call it is")
	c.Flags().StringVar(&only, "rule", "", "only this rule")
	cli.AddURL(c)
	o := cli.AddOutput(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		cfg, err := s.Load(c)
		if err != nil {
			return err
		}
		if _, known := cfg.Registry.Find(provider); provider != "" && !known {
			return cli.Usage(fmt.Errorf("--provider: %w", cli.NoProvider(cfg.Registry, provider)))
		}
		if account != "" && provider == "" {
			return cli.Usage(errors.New("--account: give --provider as well"))
		}
		source := call.Source(provider, account)
		if r, err := explainingServer(c, s, &cfg, args[0]); err != nil {
			return err
		} else if r != nil {
			return explainRemote(c, r, cfg.Registry, *o, args[0], source, only)
		}
		set, err := compiled(cfg.Rules)
		if err != nil {
			return err
		}
		options := engine.Options{Prefer: cfg.MOS, Rate: cfg.Folding().Rate}
		t := ruletest.NewTrace(set, options)
		if only != "" && !t.Only(only) {
			return cli.Usage(fmt.Errorf("--rule: there is no rule %q in %s", only, cfg.Rules))
		}
		if args[0] != "-" {
			if _, err := os.Stat(args[0]); errors.Is(err, os.ErrNotExist) {
				calls, err := storedCalls(c.Context(), &cfg, set, options, args[0], source)
				if err != nil {
					return err
				}
				return printCalls(c.OutOrStdout(), *o, onlyRule(calls, only))
			}
		}
		arrivals, err := explained(c, &cfg, args[0], provider)
		if err != nil {
			return err
		}
		for i := range arrivals {
			if err := c.Context().Err(); err != nil {
				return err
			}
			t.Apply(arrivals[i].At, &arrivals[i].Event)
		}
		return printCalls(c.OutOrStdout(), *o, t.Calls())
	}
	return c
}

// explained finds the events that the argument means.
func explained(c *cobra.Command, cfg *config.Config, arg, provider string) ([]query.Arrival, error) {
	body, err := cli.ReadInput(c.InOrStdin(), arg)
	if err != nil {
		return nil, cli.Usage(err)
	}
	if provider == "" {
		if found, err := ReadMoments(c.Context(), arg, body); err == nil && len(found) > 0 {
			return found, nil
		}
	}
	var events []call.Event
	if provider != "" {
		events, err = normalizeFile(cfg, provider, arg, body, time.Now().UTC())
	} else if events, err = decodeEvents(body); err != nil {
		err = fmt.Errorf("%w (a raw body needs --provider)", err)
	}
	if err != nil {
		return nil, cli.Problems(fmt.Errorf("%s: %w", arg, err))
	}
	out := make([]query.Arrival, len(events))
	for i := range events {
		out[i] = query.Arrival{At: storedAt(&events[i]), Event: events[i]}
	}
	return out, nil
}

// ReadMoments reads events as backtest does: the same times, ids and order. A
// single event over several lines is not among what it reads.
func ReadMoments(ctx context.Context, name string, body []byte) ([]query.Arrival, error) {
	var found []query.Arrival
	file := eventlog.File{Name: name, In: bytes.NewReader(body), Log: slog.New(slog.DiscardHandler), Raw: true, Progress: func(int64) {}}
	err := file.Each(ctx, func(m eventlog.Moment) error {
		if m.Event != nil {
			found = append(found, query.Arrival{At: m.At, Event: *m.Event})
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

// explainingServer is the running callwatch that explains what the argument means; nil
// where it is a file, or the store is read here.
func explainingServer(c *cobra.Command, s *cli.Settings, cfg *config.Config, arg string) (*cli.Remote, error) {
	if !c.Flag("url").Changed {
		if _, err := os.Stat(arg); arg == "-" || err == nil {
			return nil, nil //nolint:nilnil // here
		}
	}
	r, err := s.Place(c, cfg)
	if err == nil && r != nil && c.Flag("rules").Changed {
		err = cli.Usage(errors.New("--rules: a running callwatch explains stored calls by the rules in force there; callwatch backtest tries other ones"))
	}
	return r, err
}

// providerOf finds whose call an id is.
func providerOf(ctx context.Context, r *cli.Remote, id string) (string, error) {
	var page api.CallList
	if err := r.Ask(ctx, http.MethodGet, "/calls?"+url.Values{"q": {id}, "limit": {"10"}}.Encode(), nil, &page); err != nil {
		return "", err
	}
	found := map[string]bool{}
	for i := range page.Calls {
		if page.Calls[i].Call.CallID == id || slices.Contains(page.Calls[i].Call.Aliases, id) {
			found[page.Calls[i].Call.Source()] = true
		}
	}
	switch names := slices.Sorted(maps.Keys(found)); len(names) {
	case 0:
		return "", cli.Problems(fmt.Errorf("%s is neither a file nor a call that %s knows", id, r.URL))
	case 1:
		return names[0], nil
	default:
		return "", cli.Usage(fmt.Errorf("%s is a call of %s: give --provider", id, strings.Join(names, " and of ")))
	}
}

// explainRemote asks a running callwatch.
func explainRemote(c *cobra.Command, r *cli.Remote, providers normalizer.Registry, o cli.Output, id, provider, only string) (err error) {
	if before, after, found := strings.Cut(id, "/"); provider == "" && found {
		name, _ := call.ParseSource(before)
		if _, known := providers.Find(name); known {
			provider, id = before, after
		}
	}
	if provider == "" {
		if provider, err = providerOf(c.Context(), r, id); err != nil {
			return err
		}
	}
	var x rules.CallExplanation
	path := callAddress(provider, id, "/explain")
	if err := r.Ask(c.Context(), http.MethodGet, path, nil, &x); err != nil {
		return err
	}
	calls := onlyRule([]rules.CallExplanation{x}, only)
	if only != "" && len(calls[0].Rules) == 0 {
		return cli.Usage(fmt.Errorf("--rule: no rule %q is in force at %s", only, r.URL))
	}
	return printCalls(c.OutOrStdout(), o, calls)
}

// callAddress is the path below a call of the API; the provider may be provider@account.
func callAddress(source, id, below string) string {
	provider, account := call.ParseSource(source)
	path := "/calls/" + url.PathEscape(provider) + "/" + url.PathEscape(id) + below
	if account != "" {
		path += "?account=" + url.QueryEscape(account)
	}
	return path
}

// onlyRule keeps one rule of the explanations; all where only is "".
func onlyRule(calls []rules.CallExplanation, only string) []rules.CallExplanation {
	for i := range calls {
		calls[i].Rules = slices.DeleteFunc(calls[i].Rules, func(x rules.Explanation) bool { return only != "" && x.Rule != only })
	}
	return calls
}

// storedCalls explains a call of the store; several where providers use the same id.
func storedCalls(ctx context.Context, cfg *config.Config, set *rules.Set, options engine.Options, id, provider string) (calls []rules.CallExplanation, err error) {
	if _, err := os.Stat(cfg.DataDir); cfg.NATS.URL == "" && err != nil {
		return nil, cli.Usage(fmt.Errorf("%s is no file, and there is no store at %s to look for such a call: name one with --url, --data-dir or --nats-url", id, cfg.DataDir))
	}
	store, err := stream.OpenReader(ctx, cfg.Store(slog.New(slog.DiscardHandler)))
	if err != nil {
		return nil, fmt.Errorf("%s is no file; look for such a call in the store: %w", id, err)
	}
	defer func() { err = errors.Join(err, store.Close(ctx)) }()
	of, account := call.ParseSource(provider)
	messages, err := eventlog.OfCall(ctx, store, call.Key{Provider: of, Account: account, CallID: id})
	if err != nil {
		return nil, err
	}
	own := map[call.Key][]query.Arrival{}
	var keys []call.Key
	for i := range messages {
		x := query.Arrival{At: messages[i].CountsAt()}
		if err := json.Unmarshal(messages[i].Data, &x.Event); err != nil {
			return nil, fmt.Errorf("read event %d: %w", messages[i].Seq, err)
		}
		k := x.Event.Key()
		if own[k] == nil {
			keys = append(keys, k)
		}
		own[k] = append(own[k], x)
	}
	if len(keys) == 0 {
		return nil, cli.Problems(fmt.Errorf("%s is neither a file nor a call in the store", id))
	}
	replay := query.Replay{Store: store, Set: set, Options: options}
	for _, k := range keys {
		x, err := replay.Explain(ctx, k, own[k])
		if err != nil {
			return nil, err
		}
		calls = append(calls, x)
	}
	return calls, nil
}

func printCalls(w io.Writer, o cli.Output, calls []rules.CallExplanation) error {
	return cli.PrintAll(w, o, calls, func(w io.Writer) error {
		for i := range calls {
			if i > 0 {
				fmt.Fprintln(w)
			}
			printCall(w, "", &calls[i])
		}
		return nil
	})
}
