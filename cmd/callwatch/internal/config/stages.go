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

// Normalizers finds a provider by its name, and says how its bodies are normalized.
func (c *Config) Normalizers() func(name string) (normalizer.Provider, normalizer.Options, bool) {
	options := map[string]normalizer.Options{}
	for _, p := range c.Registry {
		o := c.Normalizing()
		o.Fetches = c.Fetches(p)
		options[p.Name] = o
	}
	return func(name string) (normalizer.Provider, normalizer.Options, bool) {
		p, ok := c.Registry.Find(name)
		return p, options[name], ok
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

// Notifier is the configuration of the notifier. set is nil where no incident is
// announced.
func (c *Config) Notifier(set *rules.Set) notifier.Config {
	messages := c.SlackMessages()
	n := notifier.Config{
		Channel: c.Slack.Channel, Rate: c.Slack.Rate, Storm: rules.UsualStorm(), Outputs: map[string]notifier.Output{},
	}
	switch {
	case messages.Token != "":
		n.Slack = slack.New(messages)
	case c.Slack.WebhookURL != "":
		n.Incoming = slack.NewIncoming(notifier.Token(c.Slack.WebhookURL.Reveal()), notifier.DefaultTimeout, c.Slack.Rate, messages)
	}
	for name, o := range c.Outputs {
		if o.Alertmanager != "" {
			n.Outputs[name] = outputs.NewAlertmanager(notifier.Token(o.Alertmanager.Reveal()), notifier.DefaultTimeout, slack.NewPlain(messages))
			continue
		}
		n.Outputs[name] = outputs.NewWebhook(notifier.Token(o.Webhook.Reveal()), notifier.Token(o.Secret.Reveal()), notifier.DefaultTimeout, c.MaskOutputs)
	}
	if set != nil {
		n.Storms = set.Storms()
	}
	return n
}

// SlackMessages is what messages in Slack depend on.
func (c *Config) SlackMessages() slack.Config {
	return slack.Config{
		Token: notifier.Token(c.Slack.Token.Reveal()), APIURL: c.Slack.APIURL, ShowNumbers: c.Slack.ShowNumbers,
		Buttons: c.Slack.Buttons(), ConsoleURL: c.ConsoleURL, Title: c.ProviderTitle,
	}
}

// Workspace asks Slack for the address of the workspace.
func (c *Config) Workspace(ctx context.Context) (string, error) {
	if c.Slack.Token == "" {
		return "", notifier.ErrNotConfigured
	}
	account, err := slack.New(c.SlackMessages()).Check(ctx, false)
	return account.URL, err
}

// Buttons says whether clicks can reach us.
func (c *Slack) Buttons() bool {
	return c.Token != "" && (c.SigningSecret != "" || c.AppToken != "")
}
