// Package doctor holds callwatch doctor: it looks at everything that a configuration needs,
// and says what will not work and what to do. It may import what it looks at
// (rules, stream, notifier/slack, notifier/delivery, normalizer) and the helpers of commands; a store is
// opened by the caller.
package doctor

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

	"callwatch/call"
	"callwatch/cmd/callwatch/internal/cli"
	"callwatch/cmd/callwatch/internal/config"
	"callwatch/handlers/backend"
	"callwatch/normalizer"
	"callwatch/notifier/delivery"
	"callwatch/notifier/slack"
	"callwatch/rules/rulefmt"
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

// Size says what the store of a configuration takes where no callwatch runs on it.
type Size func(context.Context, config.Config) (backend.StoreSize, error)

// Command is callwatch doctor.
func Command(s *cli.Settings, size Size) *cobra.Command {
	var tests []string
	var account string
	c := &cobra.Command{
		Use:   "doctor",
		Short: "Check configuration, rules, store, disk, clock, addresses, providers, Slack and outputs",
		Long: "Check configuration, rules, store, disk, clock, addresses, providers, Slack and outputs, by this machine's configuration.\n" +
			"With --url or CALLWATCH_URL also whether the callwatch there is ready, and what its store takes. Exit 1 when something\n" +
			"will not work.\n\n" +
			"--test-webhook sends a signed webhook of a test call to the address that providers call, or to --url. A running callwatch\n" +
			"verifies and normalizes it, and keeps nothing: it alerts nobody and is in no figure. It is marked by the header\n" +
			"Callwatch-Test with the token of an operator or admin (CALLWATCH_TOKEN, else CALLWATCH_ADMIN_TOKEN).",
		Args: cobra.NoArgs,
	}
	cli.AddURL(c)
	c.Flags().StringSliceVar(&tests, "test-webhook", nil, "send a signed test webhook of this provider; may be repeated")
	c.Flags().StringVar(&account, "account", "", "look at the accounts of this name alone, and test with their secrets")
	o := cli.AddOutput(c)
	c.RunE = func(c *cobra.Command, _ []string) error {
		cfg, err := s.Load(c)
		if err != nil {
			return err
		}
		ctx, stop := context.WithTimeout(c.Context(), 30*time.Second)
		defer stop()
		r, given, err := s.Server(c, &cfg)
		if err != nil {
			return err
		}
		to := ""
		if !given {
			r = nil
		} else {
			to = r.URL
		}
		found := diagnose(ctx, cfg, r, size, s.Environ, cfg.Variables(s.Simulators.Settings), account)
		for _, provider := range tests {
			found = append(found, testWebhook(ctx, &cfg, s, call.Source(provider, account), to))
		}
		if err := printFindings(c, *o, found); err != nil {
			return err
		}
		if slices.ContainsFunc(found, func(f finding) bool { return f.State == stateProblem }) {
			return cli.Silent(cli.ExitProblems)
		}
		return nil
	}
	return c
}

func printFindings(c *cobra.Command, o cli.Output, found []finding) error {
	return cli.PrintAll(c.OutOrStdout(), o, found, func(w io.Writer) error {
		for _, f := range found {
			style := map[string]cli.Style{stateOK: cli.Good, stateWarning: cli.Warn, stateProblem: cli.Bad}[f.State]
			fmt.Fprintf(w, "%s %-12s %s\n", cli.Styled(w, style, fmt.Sprintf("%-8s", f.State)), f.Check, f.Text)
		}
		return nil
	})
}

// diagnose looks at the configuration, and at the running callwatch r unless it is nil.
func diagnose(ctx context.Context, cfg config.Config, r *cli.Remote, size Size, environ []string, known map[string]bool, account string) []finding {
	var found []finding
	found = append(found, diagnoseNames(environ, known)...)
	found = append(found, diagnoseRules(cfg))
	if r != nil {
		found = append(found, diagnoseServer(ctx, r)...)
	} else {
		found = append(found, diagnoseStore(ctx, cfg))
		found = append(found, diagnoseSize(ctx, cfg, size)...)
	}
	found = append(found, diagnoseProviders(cfg, account)...)
	found = append(found, diagnoseDeclared(cfg)...)
	found = append(found, diagnoseSlack(ctx, cfg)...)
	found = append(found, diagnoseOutputs(cfg)...)
	found = append(found, diagnoseReceivers(ctx, &cfg)...)
	found = append(found, diagnoseAddress(ctx, &cfg)...)
	if r == nil { // the tokens of here open the callwatch of here
		found = append(found, diagnoseAccess(&cfg))
	}
	return found
}

// diagnoseNames warns of variables that look like ours and mean nothing.
func diagnoseNames(environ []string, known map[string]bool) []finding {
	var found []finding
	for _, text := range config.UnknownVariables(environ, known) {
		found = append(found, finding{"config", stateWarning, text})
	}
	if len(found) == 0 {
		found = append(found, finding{"config", stateOK, "every CALLWATCH_ variable is known"})
	}
	return found
}

func diagnoseRules(cfg config.Config) finding {
	set, problems, err := rulefmt.LoadFile(cfg.Rules)
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

// diagnoseProviders looks at the settings of each account; of those with one name where
// it is given.
func diagnoseProviders(cfg config.Config, account string) []finding {
	var found []finding
	for _, of := range cfg.Sources() {
		if account != "" && of.Account != account || account == "" && of.Account == "" && len(cfg.Providers[of.Provider.Name]) == 0 && len(cfg.Accounts[of.Provider.Name]) > 0 {
			continue // all its settings are those of accounts
		}
		found = append(found, diagnoseAccount(&cfg, of))
	}
	if account != "" && len(found) == 0 {
		found = append(found, finding{"account", stateProblem, fmt.Sprintf("no provider has an account %q", account)})
	}
	return found
}

func diagnoseAccount(cfg *config.Config, of config.Source) finding {
	k := cfg.KeysOf(of)
	var have, lack []string
	for _, s := range of.Provider.AllSettings() {
		switch {
		case s.Use == normalizer.ForVerify && len(k[s.Name]) > 0:
			have = append(have, s.Name)
		case s.Use == normalizer.ForVerify && s.Name != normalizer.URLToken:
			lack = append(lack, of.EnvName(s.Name))
		}
	}
	token := of.EnvName(normalizer.URLToken)
	switch {
	case len(have) == 0 && len(lack) == 0:
		return finding{of.Name(), stateWarning, "off: set " + token}
	case len(have) == 0:
		return finding{of.Name(), stateWarning, "off: set " + strings.Join(lack, " or ") + ", or " + token}
	case cfg.PublicURL == "" && of.Provider.SignsURL:
		return finding{of.Name(), stateWarning, "signatures cover the URL: set " + config.Prefix + "PUBLIC_URL to the address the provider calls"}
	}
	return finding{of.Name(), stateOK, "webhooks are verified by " + strings.Join(have, ", ")}
}

func diagnoseSlack(ctx context.Context, cfg config.Config) []finding {
	workspaces := cfg.SlackWorkspaces()
	var found []finding
	switch {
	case cfg.Slack.Token == "" && cfg.Slack.WebhookURL != "":
		if err := slack.CheckIncoming(ctx, delivery.Token(cfg.Slack.WebhookURL.Reveal())); err != nil {
			found = append(found, finding{"slack", stateProblem, "the incoming webhook takes no messages: " + err.Error()})
		}
		found = append(found, finding{"slack", stateWarning, "incoming webhook only: opening and resolve as single messages, no edits, threads or buttons; set CALLWATCH_SLACK_TOKEN"})
	case len(workspaces) == 0:
		found = append(found, finding{"slack", stateWarning, "CALLWATCH_SLACK_TOKEN is not set: incidents are only logged"})
	}
	if len(workspaces) == 0 {
		return found
	}
	channels := postedTo(cfg)
	for _, w := range workspaces {
		found = append(found, diagnoseWorkspace(ctx, &cfg, &w, channels[w.Name])...)
	}
	return append(found, diagnoseClock(ctx, cfg))
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
