package config

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"callwatch/notifier/slack"
	"callwatch/rules"
)

// maxWorkspaces bounds the workspaces beside the usual one.
const maxWorkspaces = 50

// Workspace is what is set of one Slack workspace.
type Workspace struct {
	Name string `yaml:"-"` // "" for the usual one

	Token         Secret `env:"TOKEN" yaml:"token" doc:"bot token"`
	SigningSecret Secret `env:"SIGNING_SECRET" yaml:"signing_secret" doc:"buttons by HTTP: point Slack's interactivity at /slack/interactions/NAME"`
	AppToken      Secret `env:"APP_TOKEN" yaml:"app_token" doc:"buttons by Socket Mode, where Slack cannot reach us"`
	Groups        string `env:"GROUPS" yaml:"groups" doc:"ids of the user groups that may press buttons, comma-separated; everybody where there is none"`
	APIURL        string `env:"API_URL" yaml:"api_url" doc:"another Slack than slack.api_url, such as https://slack-gov.com/api/"`
}

// Buttons says whether clicks can reach us.
func (w *Workspace) Buttons() bool {
	return w.Token != "" && (w.SigningSecret != "" || w.AppToken != "")
}

// Label is how people are told of the workspace.
func (w *Workspace) Label() string { return strings.TrimSuffix("slack/"+w.Name, "/") }

// SlackWorkspaces are the workspaces that there is a token for, the usual one first.
func (c *Config) SlackWorkspaces() []Workspace {
	var all []Workspace
	if s := &c.Slack; s.Token != "" {
		all = append(all, Workspace{"", s.Token, s.SigningSecret, s.AppToken, s.Groups, s.APIURL})
	}
	for _, name := range slices.Sorted(maps.Keys(c.Slack.Workspaces)) {
		w := c.Slack.Workspaces[name]
		if w.Name = name; w.APIURL == "" {
			w.APIURL = c.Slack.APIURL
		}
		if w.Token != "" {
			all = append(all, w)
		}
	}
	return all
}

// SlackWorkspace is one of SlackWorkspaces; false where there is none of that name.
func (c *Config) SlackWorkspace(name string) (Workspace, bool) {
	all := c.SlackWorkspaces()
	i := slices.IndexFunc(all, func(w Workspace) bool { return w.Name == name })
	if i < 0 {
		return Workspace{}, false
	}
	return all[i], true
}

// SlackClient is what posts to a workspace.
func (c *Config) SlackClient(w *Workspace) *slack.Client { return slack.New(c.slackMessages(w)) }

// UnknownChannels are the channels that rules name in workspaces that nobody configured.
func (c *Config) UnknownChannels(set *rules.Set) []string {
	return slices.DeleteFunc(set.Channels(), func(channel string) bool {
		name, _ := rules.SplitChannel(channel)
		_, ok := c.SlackWorkspace(name)
		return ok || name == ""
	})
}

// visitWorkspaces calls f for each setting of a workspace that the environment can give.
func (c *Config) visitWorkspaces(f func(setting)) {
	for name, w := range c.Slack.Workspaces {
		if !accountName.MatchString(name) {
			continue
		}
		env := "SLACK__" + strings.ToUpper(strings.ReplaceAll(name, "-", "_")) + "__"
		visitSettings(reflect.ValueOf(&w).Elem(), []string{"slack", "workspaces", name}, env, f)
		c.Slack.Workspaces[name] = w
	}
}

// checkWorkspaces refuses workspaces that can never work.
func (c *Config) checkWorkspaces() Faults {
	var all Faults
	const at = "slack.workspaces"
	if n := len(c.Slack.Workspaces); n > maxWorkspaces {
		all = append(all, c.fault(at, fmt.Sprintf("%d workspaces, more than %d", n, maxWorkspaces), ""))
	}
	for _, name := range slices.Sorted(maps.Keys(c.Slack.Workspaces)) {
		w, path := c.Slack.Workspaces[name], at+"."+name
		if len(name) > maxAccount || !accountName.MatchString(name) {
			what := fmt.Sprintf("%.40q is no name of a workspace: it has lower case letters, digits and single hyphens between them, at most %d", name, maxAccount)
			all = append(all, c.unknown(path, what, ""))
			continue
		}
		if w.Token == "" {
			all = append(all, c.fault(path, "has no token", ""))
		}
		if w.APIURL != "" && !IsAddress(w.APIURL) {
			all = append(all, c.fault(path+".api_url", fmt.Sprintf("%q is not a web address", w.APIURL), ""))
		}
	}
	return all
}

// checkChannel finds a default channel that nothing can be posted to.
func (c *Config) checkChannel() Faults {
	name, _ := rules.SplitChannel(c.Slack.Channel)
	_, known := c.SlackWorkspace(name)
	all := c.SlackWorkspaces()
	refuse := func(text string) Faults { return Faults{c.fault("slack.channel", text, "")} }
	switch {
	case c.Slack.Channel == "" && c.Slack.Token != "":
		return refuse("missing: CALLWATCH_SLACK_TOKEN is set, but no channel to post to")
	case c.Slack.Channel == "" && len(all) > 0:
		return refuse("missing: there are workspaces, but no channel for incidents without a route")
	case name != "" && !known:
		return refuse(fmt.Sprintf("there is no workspace %q under slack.workspaces", name))
	case !known && len(all) > 0:
		return refuse(fmt.Sprintf("there is no token for it: set CALLWATCH_SLACK_TOKEN, or name a channel in a workspace, such as %s/%s", all[0].Name, c.Slack.Channel))
	}
	return nil
}
