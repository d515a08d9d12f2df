package config

import (
	"fmt"
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
		errs = append(errs, fmt.Errorf("%sSLACK_WEBHOOK_URL: not a web address", Prefix))
	}
	if c.ConsoleURL != "" && !isWebAddress(Secret(c.ConsoleURL)) {
		errs = append(errs, fmt.Errorf("%sCONSOLE_URL: not a web address", Prefix))
	}
	return errs
}

func isWebAddress(s Secret) bool {
	u, err := url.Parse(s.Reveal())
	return err == nil && (u.Scheme == "https" || u.Scheme == "http") && u.Host != ""
}
