package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"callwatch/cmd/callwatch/internal/config"
	"callwatch/normalizer"
	"callwatch/notifier/slack"
	"callwatch/rules"
	"callwatch/stream"
)

// finding is one line of what the doctor says.
type finding struct {
	Check string `json:"check"`
	State string `json:"state"` // ok, warning, problem
	Text  string `json:"text"`
}

const (
	stateOK      = "ok"
	stateWarning = "warning"
	stateProblem = "problem"
)

func doctorCommand(s *settings) *cobra.Command {
	c := &cobra.Command{
		Use:   "doctor",
		Short: "Check configuration, rules, store, clock, providers and Slack",
		Long:  "Check configuration, rules, store, clock, providers and Slack. Exit 1 when something will not work.",
		Args:  cobra.NoArgs,
	}
	o := addOutput(c)
	c.RunE = func(c *cobra.Command, _ []string) error {
		cfg, err := s.load(c)
		if err != nil {
			return err
		}
		ctx, stop := context.WithTimeout(c.Context(), 30*time.Second)
		defer stop()
		found := diagnose(ctx, cfg, s.environ, config.Variables(s.providers, s.simulators.Settings))
		if err := printFindings(c, *o, found); err != nil {
			return err
		}
		if slices.ContainsFunc(found, func(f finding) bool { return f.State == stateProblem }) {
			return silent(exitProblems)
		}
		return nil
	}
	return c
}

func printFindings(c *cobra.Command, o output, found []finding) error {
	return printAll(c.OutOrStdout(), o, found, func(w io.Writer) error {
		for _, f := range found {
			fmt.Fprintf(w, "%-8s %-12s %s\n", f.State, f.Check, f.Text)
		}
		return nil
	})
}

func diagnose(ctx context.Context, cfg config.Config, environ []string, known map[string]bool) []finding {
	var found []finding
	found = append(found, diagnoseNames(environ, known)...)
	found = append(found, diagnoseRules(cfg))
	found = append(found, diagnoseStore(ctx, cfg))
	found = append(found, diagnoseSize(ctx, cfg)...)
	found = append(found, diagnoseProviders(cfg)...)
	found = append(found, diagnoseSlack(ctx, cfg)...)
	found = append(found, diagnoseOutputs(cfg)...)
	return found
}

// diagnoseNames warns of variables that look like ours and mean nothing.
func diagnoseNames(environ []string, known map[string]bool) []finding {
	var found []finding
	for _, v := range environ {
		name, _, _ := strings.Cut(v, "=")
		if strings.HasPrefix(name, config.Prefix) && !known[strings.TrimSuffix(name, "_FILE")] {
			found = append(found, finding{"config", stateWarning, name + " is set, but there is no such setting"})
		}
	}
	if len(found) == 0 {
		found = append(found, finding{"config", stateOK, "every CALLWATCH_ variable is known"})
	}
	return found
}

func diagnoseRules(cfg config.Config) finding {
	set, problems, err := rules.LoadFile(cfg.Rules)
	switch {
	case err != nil && cfg.Rules == config.DefaultRules:
		return finding{"rules", stateOK, "no rules.yaml here: the shipped rules are used"}
	case err != nil:
		return finding{"rules", stateProblem, err.Error()}
	case problems.Errors():
		return finding{"rules", stateProblem, fmt.Sprintf("%s has problems; see callwatch rules check", cfg.Rules)}
	case len(problems) > 0:
		return finding{"rules", stateWarning, fmt.Sprintf("%s: %d rules, %d warnings; see callwatch rules check", cfg.Rules, len(set.Rules), len(problems))}
	}
	return finding{"rules", stateOK, fmt.Sprintf("%s: %d rules", cfg.Rules, len(set.Rules))}
}

// diagnoseStore writes beside the store, not into it: a running callwatch holds
// it.
func diagnoseStore(ctx context.Context, cfg config.Config) finding {
	if cfg.NATS.URL == "" {
		return diagnoseDataDir(cfg.DataDir)
	}
	store, err := stream.Open(ctx, cfg.Store(slog.New(slog.DiscardHandler)))
	if err != nil {
		return finding{"store", stateProblem, err.Error()}
	}
	defer func() { _ = store.Close(ctx) }()
	h := store.Health(ctx)
	switch {
	case !h.OK:
		return finding{"store", stateProblem, strings.Join(h.Causes, "; ")}
	case h.Durability == stream.Unproven:
		return finding{"store", stateWarning, "external NATS answers; whether it syncs each write to disk cannot be told"}
	}
	return finding{"store", stateOK, "external NATS answers, durability " + string(h.Durability)}
}

func diagnoseDataDir(dir string) finding {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return finding{"store", stateProblem, err.Error()}
	}
	name := filepath.Join(dir, ".doctor")
	begun := time.Now()
	f, err := os.Create(name)
	if err != nil {
		return finding{"store", stateProblem, err.Error()}
	}
	defer func() { _ = errors.Join(f.Close(), os.Remove(name)) }()
	if err := errors.Join(writeOne(f), f.Sync()); err != nil {
		return finding{"store", stateProblem, err.Error()}
	}
	return finding{"store", stateOK, fmt.Sprintf("%s can be written, a synced write takes %s", dir, time.Since(begun).Round(10*time.Microsecond))}
}

func writeOne(f *os.File) error {
	_, err := f.WriteString("callwatch doctor\n")
	return err
}

func diagnoseProviders(cfg config.Config) []finding {
	var found []finding
	needURL := cfg.PublicURL == ""
	for _, p := range cfg.Registry {
		k := cfg.Keys(p)
		var have, lack []string
		for _, s := range p.AllSettings() {
			switch {
			case s.Use == normalizer.ForVerify && len(k[s.Name]) > 0:
				have = append(have, s.Name)
			case s.Use == normalizer.ForVerify && s.Name != normalizer.URLToken:
				lack = append(lack, p.EnvName(s.Name))
			}
		}
		switch {
		case len(have) == 0 && len(lack) == 0:
			found = append(found, finding{p.Name, stateWarning, "off: set " + p.EnvName(normalizer.URLToken)})
		case len(have) == 0:
			found = append(found, finding{p.Name, stateWarning, "off: set " + strings.Join(lack, " or ") + ", or " + p.EnvName(normalizer.URLToken)})
		case needURL && p.SignsURL:
			found = append(found, finding{p.Name, stateWarning, "signatures cover the URL: set " + config.Prefix + "PUBLIC_URL to the address the provider calls"})
		default:
			found = append(found, finding{p.Name, stateOK, "webhooks are verified by " + strings.Join(have, ", ")})
		}
	}
	return found
}

func diagnoseSlack(ctx context.Context, cfg config.Config) []finding {
	switch {
	case cfg.Slack.Token == "" && cfg.Slack.WebhookURL != "":
		return []finding{{"slack", stateWarning, "incoming webhook only: opening and resolve as single messages, no edits, threads or buttons; set CALLWATCH_SLACK_TOKEN"}}
	case cfg.Slack.Token == "":
		return []finding{{"slack", stateWarning, "CALLWATCH_SLACK_TOKEN is not set: incidents are only logged"}}
	}
	account, err := slack.New(cfg.SlackMessages()).Check(ctx, cfg.Slack.Groups != "")
	switch {
	case err != nil:
		return []finding{{"slack", stateProblem, err.Error()}, diagnoseClock(ctx, cfg)}
	case len(account.Missing) > 0:
		return []finding{{"slack", stateProblem, "the token lacks the scopes " + strings.Join(account.Missing, ", ")}, diagnoseClock(ctx, cfg)}
	}
	found := []finding{{"slack", stateOK, fmt.Sprintf("token of %s in %s, posting to %s", account.User, account.Team, cfg.Slack.Channel)}}
	return append(append(found, diagnoseChannels(ctx, cfg)...), diagnoseButtons(cfg), diagnoseClock(ctx, cfg))
}

// diagnoseClock compares our clock with that of Slack's answers: signatures are
// dated, and most providers allow five minutes.
func diagnoseClock(ctx context.Context, cfg config.Config) finding {
	req, err := http.NewRequestWithContext(ctx, http.MethodHead, cfg.Slack.APIURL, nil)
	if err != nil {
		return finding{"clock", stateWarning, "cannot be compared: " + err.Error()}
	}
	client := &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{DialContext: (&net.Dialer{Timeout: 3 * time.Second}).DialContext}}
	res, err := client.Do(req)
	if err != nil {
		return finding{"clock", stateWarning, "cannot be compared: Slack does not answer"}
	}
	defer func() { _ = res.Body.Close() }()
	theirs, err := http.ParseTime(res.Header.Get("Date"))
	if err != nil {
		return finding{"clock", stateWarning, "cannot be compared: Slack's answer has no date"}
	}
	off := time.Since(theirs).Abs()
	if off > time.Minute {
		return finding{"clock", stateProblem, fmt.Sprintf("is %s off: signed webhooks will be refused", off.Round(time.Second))}
	}
	return finding{"clock", stateOK, "agrees with Slack's within a minute"}
}
