package doctor

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"callwatch/cmd/callwatch/internal/config"
	"callwatch/handlers"
	"callwatch/rules"
	"callwatch/rules/rulefmt"
)

// postedTo are the channels that are configured or routed to, by workspace.
func postedTo(cfg config.Config) map[string][]string {
	all := []string{cfg.Slack.Channel}
	if set, problems, err := rulefmt.LoadFile(cfg.Rules); err == nil && !problems.Errors() {
		all = append(all, set.Channels()...)
	}
	slices.Sort(all)
	channels := map[string][]string{}
	for _, c := range slices.Compact(all) {
		if workspace, channel := rules.SplitChannel(c); channel != "" {
			channels[workspace] = append(channels[workspace], channel)
		}
	}
	return channels
}

// diagnoseWorkspace looks whether a workspace takes our messages in the channels, and
// whether clicks come from it.
func diagnoseWorkspace(ctx context.Context, cfg *config.Config, w *config.Workspace, channels []string) []finding {
	client, name := cfg.SlackClient(w), w.Label()
	account, err := client.Check(ctx, w.Groups != "")
	switch {
	case err != nil:
		return []finding{{name, stateProblem, err.Error()}}
	case len(account.Missing) > 0:
		return []finding{{name, stateProblem, "the token lacks the scopes " + strings.Join(account.Missing, ", ")}}
	}
	where := "no channel"
	if len(channels) > 0 {
		where = strings.Join(channels, ", ")
	}
	found := []finding{{name, stateOK, fmt.Sprintf("token of %s in %s, posting to %s", account.User, account.Team, where)}}
	for _, c := range channels {
		if err := client.CheckChannel(ctx, c); err != nil {
			hint := ""
			if strings.Contains(err.Error(), "not_in_channel") {
				hint = ": invite the app with /invite"
			}
			found = append(found, finding{name, stateProblem, fmt.Sprintf("channel %s takes no messages: %s%s", c, err, hint)})
		}
	}
	return append(found, diagnoseButtons(w))
}

func diagnoseButtons(w *config.Workspace) finding {
	switch {
	case !w.Buttons() && w.Name != "":
		return finding{w.Label(), stateWarning, "no buttons: set app_token (Socket Mode) or signing_secret of the workspace"}
	case !w.Buttons():
		return finding{w.Label(), stateWarning, "no buttons: set CALLWATCH_SLACK_APP_TOKEN (Socket Mode) or CALLWATCH_SLACK_SIGNING_SECRET"}
	case w.AppToken != "":
		return finding{w.Label(), stateOK, "buttons by Socket Mode"}
	default:
		return finding{w.Label(), stateOK, "buttons by POST " + handlers.InteractionsPath(w.Name) + ", signed"}
	}
}

// diagnoseOutputs compares the outputs and workspaces that are configured with those that
// rules name.
func diagnoseOutputs(cfg config.Config) []finding {
	set, problems, err := rulefmt.LoadFile(cfg.Rules)
	if err != nil || problems.Errors() {
		return nil
	}
	var found []finding
	for _, name := range cfg.UnknownOutputs(set) {
		found = append(found, finding{"outputs", stateProblem, fmt.Sprintf("the rules name %s, which is not under outputs in callwatch.yaml", name)})
	}
	for _, channel := range cfg.UnknownChannels(set) {
		found = append(found, finding{"slack", stateProblem, fmt.Sprintf("the rules name %s, whose workspace is not under slack.workspaces in callwatch.yaml", channel)})
	}
	return found
}
