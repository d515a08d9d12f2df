package config

import (
	"cmp"
	"context"
	"log/slog"
	"path/filepath"
	"slices"
	"time"

	"callwatch/call"
	"callwatch/normalizer"
	"callwatch/notifier"
	"callwatch/notifier/delivery"
	outputs "callwatch/notifier/output"
	"callwatch/notifier/slack"
	"callwatch/rules"
	"callwatch/stream"
)

// Store is the configuration of the store.
func (c *Config) Store(log *slog.Logger) stream.Config {
	return stream.Config{
		Dir: c.DataDir, Listen: c.NATS.Listen, ListenUser: c.NATS.ListenUser, ListenPassword: c.NATS.ListenPassword.Reveal(),
		Durability: stream.Durability(c.Durability), MaxStore: int64(c.Retention.Disk) * 1_000_000,
		Retention: stream.Retention{Raw: c.Retention.Raw, Events: c.Retention.Events, Alerts: c.Retention.Incidents, DeadLetters: c.Retention.DeadLetters},
		URL:       c.NATS.URL, CredsFile: c.NATS.Creds, CAFile: c.NATS.CA, CertFile: c.NATS.Cert, KeyFile: c.NATS.Key, Replicas: c.NATS.Replicas, Log: log,
	}
}

// ModelFile is the file of the read model.
func (c *Config) ModelFile() string {
	return cmp.Or(c.ReadModel.File, filepath.Join(c.DataDir, "readmodel.db"))
}

// Longest is how long anything is kept; 0 is for ever.
func (r *Retention) Longest() time.Duration {
	if r.Raw == 0 || r.Events == 0 || r.Incidents == 0 || r.DeadLetters == 0 {
		return 0
	}
	return max(r.Raw, r.Events, r.Incidents, r.DeadLetters)
}

// Normalizing is the configuration of the normalizers.
func (c *Config) Normalizing() normalizer.Options {
	return normalizer.Options{Prefer: c.MOS, Codecs: c.codecs}
}

// Folding is the configuration of the fold.
func (c *Config) Folding() call.Folding {
	return call.Folding{Prefer: c.MOS, Rate: normalizer.Rater(c.Normalizing())}
}

// Normalizers finds a provider by its name, and says how the bodies of an account are
// normalized. Bodies are stored of accounts that the settings no longer have.
func (c *Config) Normalizers() func(name, account string) (normalizer.Provider, normalizer.Options, bool) {
	fetches := map[string]map[string]bool{}
	for _, of := range c.Sources() {
		if fetches[of.Provider.Name] == nil {
			fetches[of.Provider.Name] = map[string]bool{}
		}
		fetches[of.Provider.Name][of.Account] = c.Fetches(of)
	}
	usual := c.Normalizing()
	return func(name, account string) (normalizer.Provider, normalizer.Options, bool) {
		p, ok := c.Registry.Find(name)
		o := usual
		o.Fetches = fetches[name][account]
		return p, o, ok
	}
}

// ProviderTitle is the name of a provider as people read it.
func (c *Config) ProviderTitle(name string) string {
	if p, ok := c.Registry.Find(name); ok && p.Title != "" {
		return p.Title
	}
	return name
}

// UnknownOutputs are the outputs that rules name and nobody configured.
func (c *Config) UnknownOutputs(set *rules.Set) []string {
	return slices.DeleteFunc(set.OutputNames(), func(name string) bool { _, ok := c.Outputs[name]; return ok })
}

// Notifier is the configuration of the notifier, without storms.
func (c *Config) Notifier() notifier.Config {
	messages := c.slackMessages(&Workspace{})
	n := notifier.Config{
		Channel: c.Slack.Channel, Rate: c.Slack.Rate, Outputs: map[string]notifier.Output{},
		Workspaces: map[string]notifier.Messenger{},
	}
	for _, w := range c.SlackWorkspaces() {
		n.Workspaces[w.Name] = c.SlackClient(&w)
	}
	if c.Slack.Token == "" && c.Slack.WebhookURL != "" {
		n.Incoming = slack.NewIncoming(delivery.Token(c.Slack.WebhookURL.Reveal()), delivery.DefaultTimeout, c.Slack.Rate, messages)
	}
	for name, o := range c.Outputs {
		if o.Alertmanager != "" {
			n.Outputs[name] = outputs.NewAlertmanager(delivery.Token(o.Alertmanager.Reveal()), delivery.DefaultTimeout, slack.NewPlain(messages))
			continue
		}
		n.Outputs[name] = outputs.NewWebhook(delivery.Token(o.Webhook.Reveal()), delivery.Token(o.Secret.Reveal()), delivery.DefaultTimeout, c.MaskOutputs)
	}
	return n
}

// slackMessages is what messages in a workspace depend on.
func (c *Config) slackMessages(w *Workspace) slack.Config {
	return slack.Config{
		Token: delivery.Token(w.Token.Reveal()), APIURL: w.APIURL, ShowNumbers: c.Slack.ShowNumbers,
		Buttons: w.Buttons(), ConsoleURL: c.ConsoleURL, Title: c.ProviderTitle,
	}
}

// WorkspaceURL asks Slack for the address of a workspace.
func (c *Config) WorkspaceURL(ctx context.Context, name string) (string, error) {
	w, ok := c.SlackWorkspace(name)
	if !ok {
		return "", notifier.ErrNotConfigured
	}
	account, err := c.SlackClient(&w).Check(ctx, false)
	return account.URL, err
}
