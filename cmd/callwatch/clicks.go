package main

import (
	"context"
	"net/http"
	"time"

	"callwatch/notifier"
)

// clicks answers the buttons in Slack; nil where no way for clicks is configured.
func (a *app) clicks() *notifier.Clicks {
	slack := a.cfg.Slack
	if !slack.buttons() {
		return nil
	}
	c := &notifier.Clicks{
		Secret: notifier.Token(slack.SigningSecret.Reveal()), Act: a.act, Now: time.Now, Log: a.log,
		Web: &http.Client{Timeout: 2 * time.Second},
	}
	if groups := splitList(Secret(slack.Groups)); len(groups) > 0 {
		c.Allow = a.notifier.AllowGroups(groups)
	}
	return c
}

// buttons says whether clicks can reach us.
func (c *SlackConfig) buttons() bool {
	return c.Token != "" && (c.SigningSecret != "" || c.AppToken != "")
}

// act carries out what somebody clicked.
func (a *app) act(_ context.Context, action notifier.Action) error {
	a.log.Warn("Slack action has no effect: incidents cannot be marked yet", "incident", action.Incident,
		"action", string(action.Kind), "for", action.For, "by", action.By.Name)
	return nil
}

// listen takes clicks by Socket Mode.
func (a *app) listen(ctx context.Context) error {
	return a.clicks().Listen(ctx, notifier.Token(a.cfg.Slack.AppToken.Reveal()), a.cfg.Slack.APIURL)
}
