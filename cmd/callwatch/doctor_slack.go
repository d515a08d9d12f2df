package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"callwatch/cmd/callwatch/internal/config"
	"callwatch/notifier/slack"
	"callwatch/rules"
)

// diagnoseChannels looks whether each channel that is configured or routed to
// takes our messages.
func diagnoseChannels(ctx context.Context, cfg config.Config) []finding {
	channels := []string{cfg.Slack.Channel}
	if set, problems, err := rules.LoadFile(cfg.Rules); err == nil && !problems.Errors() {
		channels = append(channels, set.Channels()...)
	}
	slices.Sort(channels)
	client := slack.New(cfg.SlackMessages())
	var found []finding
	for _, c := range slices.Compact(channels) {
		if c == "" {
			continue
		}
		if err := client.CheckChannel(ctx, c); err != nil {
			hint := ""
			if strings.Contains(err.Error(), "not_in_channel") {
				hint = ": invite the app with /invite"
			}
			found = append(found, finding{"slack", stateProblem, fmt.Sprintf("channel %s takes no messages: %s%s", c, err, hint)})
		}
	}
	return found
}

func diagnoseButtons(cfg config.Config) finding {
	switch {
	case !cfg.Slack.Buttons():
		return finding{"slack", stateWarning, "no buttons: set CALLWATCH_SLACK_APP_TOKEN (Socket Mode) or CALLWATCH_SLACK_SIGNING_SECRET"}
	case cfg.Slack.AppToken != "":
		return finding{"slack", stateOK, "buttons by Socket Mode"}
	default:
		return finding{"slack", stateOK, "buttons by POST /slack/interactions, signed"}
	}
}

// diagnoseOutputs compares the outputs that are configured with those that rules
// name.
func diagnoseOutputs(cfg config.Config) []finding {
	set, problems, err := rules.LoadFile(cfg.Rules)
	if err != nil || problems.Errors() {
		return nil
	}
	var found []finding
	for _, name := range cfg.UnknownOutputs(set) {
		found = append(found, finding{"outputs", stateProblem, fmt.Sprintf("the rules name %s, which is not under outputs in callwatch.yaml", name)})
	}
	return found
}
