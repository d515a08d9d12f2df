package main

import (
	"context"
	"fmt"
	"maps"
	"net/url"
	"slices"

	"callwatch/notifier"
	outputs "callwatch/notifier/output"
	"callwatch/notifier/slack"
	"callwatch/rules"
)

// OutputConfig is a receiver beside Slack: a webhook or an Alertmanager.
type OutputConfig struct {
	Webhook      Secret `yaml:"webhook" doc:"address to post to"`
	Secret       Secret `yaml:"secret" doc:"signs what is posted to the webhook, per Standard Webhooks"`
	Alertmanager Secret `yaml:"alertmanager" doc:"address of an Alertmanager, instead of a webhook"`
}

// checkOutputs refuses outputs that can never work.
func (c *Config) checkOutputs() []error {
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(c.Outputs)) {
		o := c.Outputs[name]
		switch {
		case (o.Webhook == "") == (o.Alertmanager == ""):
			errs = append(errs, fmt.Errorf("outputs.%s: needs either webhook or alertmanager", name))
		case o.Alertmanager != "" && o.Secret != "":
			errs = append(errs, fmt.Errorf("outputs.%s: Alertmanager takes no signature", name))
		case !isWebAddress(o.Webhook + o.Alertmanager):
			errs = append(errs, fmt.Errorf("outputs.%s: not a web address", name))
		}
	}
	if c.Slack.WebhookURL != "" && !isWebAddress(c.Slack.WebhookURL) {
		errs = append(errs, fmt.Errorf("%sSLACK_WEBHOOK_URL: not a web address", envPrefix))
	}
	if c.ConsoleURL != "" && !isWebAddress(Secret(c.ConsoleURL)) {
		errs = append(errs, fmt.Errorf("%sCONSOLE_URL: not a web address", envPrefix))
	}
	return errs
}

func isWebAddress(s Secret) bool {
	u, err := url.Parse(s.Reveal())
	return err == nil && (u.Scheme == "https" || u.Scheme == "http") && u.Host != ""
}

// unknownOutputs are those that rules name and nobody configured.
func (c *Config) unknownOutputs(set *rules.Set) []string {
	return slices.DeleteFunc(set.OutputNames(), func(name string) bool { _, ok := c.Outputs[name]; return ok })
}

// notifying is the configuration of the notifier. set is nil where no incident is
// announced.
func (c *Config) notifying(set *rules.Set) notifier.Config {
	messages := c.slackMessages()
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

// slackMessages is what messages in Slack depend on.
func (c *Config) slackMessages() slack.Config {
	return slack.Config{
		Token: notifier.Token(c.Slack.Token.Reveal()), APIURL: c.Slack.APIURL, ShowNumbers: c.Slack.ShowNumbers,
		Buttons: c.Slack.buttons(), ConsoleURL: c.ConsoleURL, Title: c.providerTitle,
	}
}

// slackWorkspace asks Slack for the address of the workspace.
func (c *Config) slackWorkspace(ctx context.Context) (string, error) {
	if c.Slack.Token == "" {
		return "", notifier.ErrNotConfigured
	}
	account, err := slack.New(c.slackMessages()).Check(ctx, false)
	return account.URL, err
}
