package main

import (
	"fmt"
	"maps"
	"net/url"
	"slices"

	"callwatch/notifier"
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

// announcing is the configuration of the notifier. set is nil where no incident
// is announced.
func (c *Config) announcing(set *rules.Set) notifier.Config {
	n := notifier.Config{
		Token: notifier.Token(c.Slack.Token.Reveal()), WebhookURL: notifier.Token(c.Slack.WebhookURL.Reveal()),
		APIURL: c.Slack.APIURL, Channel: c.Slack.Channel, Rate: c.Slack.Rate, ShowNumbers: c.Slack.ShowNumbers, MaskOutputs: c.MaskOutputs,
		Buttons: c.Slack.buttons(), ConsoleURL: c.ConsoleURL, Title: providerTitle,
		Storm: rules.UsualStorm(), Outputs: map[string]notifier.Output{},
	}
	for name, o := range c.Outputs {
		n.Outputs[name] = notifier.Output{
			Webhook: notifier.Token(o.Webhook.Reveal()), Secret: notifier.Token(o.Secret.Reveal()), Alertmanager: notifier.Token(o.Alertmanager.Reveal()),
		}
	}
	if set != nil {
		n.Storms = set.Storms()
	}
	return n
}
