package config

import (
	"maps"
	"net/url"
	"slices"
)

// Output is a receiver beside Slack: a webhook or an Alertmanager.
type Output struct {
	Webhook      Secret `yaml:"webhook" doc:"address to post to"`
	Secret       Secret `yaml:"secret" doc:"signs what is posted to the webhook, per Standard Webhooks"`
	Alertmanager Secret `yaml:"alertmanager" doc:"address of an Alertmanager, instead of a webhook"`
}

// checkOutputs refuses outputs that can never work.
func (c *Config) checkOutputs() Faults {
	var all Faults
	add := func(path, text string) { all = append(all, c.fault(path, text, "")) }
	for _, name := range slices.Sorted(maps.Keys(c.Outputs)) {
		o, at := c.Outputs[name], "outputs."+name
		switch {
		case (o.Webhook == "") == (o.Alertmanager == ""):
			add(at, "needs either webhook or alertmanager")
		case o.Alertmanager != "" && o.Secret != "":
			add(at, "Alertmanager takes no signature: remove secret")
		case !isWebAddress(o.Webhook + o.Alertmanager):
			add(at, "not a web address")
		}
	}
	if c.Slack.WebhookURL != "" && !isWebAddress(c.Slack.WebhookURL) {
		add("slack.webhook_url", "not a web address")
	}
	if c.ConsoleURL != "" && !isWebAddress(Secret(c.ConsoleURL)) {
		add("console_url", "not a web address, such as https://callwatch.example.com")
	}
	return all
}

func isWebAddress(s Secret) bool { return IsAddress(s.Reveal()) }

// IsAddress reports whether a text is an http or https address with a host.
func IsAddress(s string) bool {
	u, err := url.Parse(s)
	return err == nil && (u.Scheme == "https" || u.Scheme == "http") && u.Host != ""
}
