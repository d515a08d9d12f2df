package main

import (
	"context"
	"fmt"
	"time"

	"callwatch/cmd/callwatch/internal/config"
	"callwatch/handlers/slackpreview"
	"callwatch/notifier/delivery"
	"callwatch/notifier/slack/clicks"
	"callwatch/pipeline/stage"
	"callwatch/rules"
	"callwatch/rules/engine"
)

// clicks answers the buttons in a workspace of Slack.
func (a *app) clicks(w *config.Workspace) *clicks.Handler {
	c := &clicks.Handler{
		Secret: delivery.Token(w.SigningSecret.Reveal()), Act: a.click, Now: time.Now, Log: a.log,
		Web: delivery.HTTPClient(2 * time.Second),
	}
	if groups := config.Secret(w.Groups).List(); len(groups) > 0 {
		c.Allow = a.cfg.SlackClient(w).AllowGroups(groups, time.Now)
	}
	return c
}

// actWait is how long a click waits to see its effect: Slack waits three seconds
// for the answer.
const actWait = 1500 * time.Millisecond

// click carries out what a person clicked. It is stored when click returns, and a
// click that Slack delivers again changes nothing.
func (a *app) click(ctx context.Context, click clicks.Action) error {
	action := rules.Action{By: click.By.Name, Incident: click.Incident}
	switch click.Kind {
	case clicks.Ack:
		action.Do = rules.Acknowledge
	case clicks.Unack:
		action.Do = rules.Unacknowledge
	case clicks.Assign:
		action.Do, action.To = rules.Assign, click.By.Name
	case clicks.Resolve:
		action.Do = rules.Resolve
	case clicks.Silence:
		in, ok := a.openIncident(click.Incident)
		if !ok {
			return fmt.Errorf("silence %s: the incident is not open", click.Incident)
		}
		action = rules.Action{Do: rules.AddSilence, By: click.By.Name, Silence: &rules.Silence{
			ID: "slack-" + click.ID, Match: rules.MatchFor(&in), Until: click.At.Add(click.For), By: click.By.Name,
			Comment: "silenced in Slack",
		}}
	default:
		return fmt.Errorf("there is no action %q", click.Kind)
	}
	ctx, stop := context.WithTimeout(ctx, actWait)
	defer stop()
	_, err := a.act(ctx, action)
	return err
}

func (a *app) openIncident(id string) (in rules.Incident, ok bool) {
	a.judge.Look(func(g *engine.Engine) {
		for _, open := range g.Incidents() {
			if open.ID == id {
				in, ok = open, true
			}
		}
	})
	return in, ok
}

// listen takes clicks in a workspace by Socket Mode.
func (a *app) listen(w *config.Workspace) stage.Func {
	clicks := a.clicks(w)
	return func(ctx context.Context) error {
		return clicks.Listen(ctx, delivery.Token(w.AppToken.Reveal()), w.APIURL)
	}
}

// press passes on a click on the page of the fake Slack.
func (a *app) press(ctx context.Context, p slackpreview.Press) error {
	return a.slack.Press(ctx, "http://"+a.server.Addr().String()+"/slack/interactions", p)
}
