package config

import (
	"slices"
	"strings"
	"testing"

	"callwatch/normalizer"
	"callwatch/rules/rulefmt"
)

func TestWorkspaces(t *testing.T) {
	t.Parallel()
	c, err := readAccounts(t, `
slack:
  token: xoxb-usual
  channel: "#voice"
  workspaces:
    emea: {token: xoxb-emea, signing_secret: secret-of-emea, groups: "S1,S2"}
    us-gov: {api_url: "https://slack-gov.com/api/"}
`, "CALLWATCH_SLACK__US_GOV__TOKEN=xoxb-gov", "CALLWATCH_SLACK__US_GOV__APP_TOKEN=xapp-gov", "CALLWATCH_SLACK__APAC__TOKEN=of nobody")
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, w := range c.SlackWorkspaces() {
		got = append(got, strings.Join([]string{w.Label(), w.Token.Reveal(), w.SigningSecret.Reveal(), w.AppToken.Reveal(), w.Groups, w.APIURL}, " "))
	}
	want := []string{
		"slack xoxb-usual    https://slack.com/api/",
		"slack/emea xoxb-emea secret-of-emea  S1,S2 https://slack.com/api/",
		"slack/us-gov xoxb-gov  xapp-gov  https://slack-gov.com/api/",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	known := c.Variables(func(string) []normalizer.Setting { return nil })
	if !known["CALLWATCH_SLACK__US_GOV__APP_TOKEN"] || known["CALLWATCH_SLACK__APAC__TOKEN"] {
		t.Error("the variables of the workspaces that are there are known, and no others")
	}
	set, problems := rulefmt.Load("rules.yaml", []byte(`{rules: [{name: bad, when: mos < 3, route: {slack: ["#voice", "emea/#voice", "apac/#voice", "apac/C0123456789"]}}]}`))
	if problems.Errors() {
		t.Fatal(problems)
	}
	if got := c.UnknownChannels(set); !slices.Equal(got, []string{"apac/#voice", "apac/C0123456789"}) {
		t.Errorf("unknown channels %q", got)
	}
	if n := c.Notifier(); len(n.Workspaces) != 3 || n.Workspaces[""] == nil || n.Workspaces["us-gov"] == nil {
		t.Errorf("the notifier has the workspaces %v", n.Workspaces)
	}
}

func TestWorkspacesRefused(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ text, want string }{
		"upper case":          {`{token: t, channel: "#a", workspaces: {EMEA: {token: x}}}`, "no name of a workspace"},
		"slash":               {`{token: t, channel: "#a", workspaces: {a/b: {token: x}}}`, "no name of a workspace"},
		"long":                {`{token: t, channel: "#a", workspaces: {` + strings.Repeat("a", 33) + `: {token: x}}}`, "no name of a workspace"},
		"no token":            {`{token: t, channel: "#a", workspaces: {emea: {groups: S1}}}`, "slack.workspaces.emea: has no token"},
		"unknown setting":     {`{token: t, channel: "#a", workspaces: {emea: {tokn: x}}}`, `slack.workspaces.emea has no setting "tokn"`},
		"address":             {`{token: t, channel: "#a", workspaces: {emea: {token: x, api_url: slack}}}`, "not a web address"},
		"no channel":          {`{workspaces: {emea: {token: x}}}`, "no channel for incidents without a route"},
		"channel without one": {`{channel: "#a", workspaces: {emea: {token: x}}}`, "such as emea/#a"},
		"channel in none":     {`{token: t, channel: "apac/#a", workspaces: {emea: {token: x}}}`, `there is no workspace "apac"`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := readAccounts(t, "slack: "+test.text+"\n")
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %q", err, test.want)
			}
		})
	}
	for _, text := range []string{`{channel: "emea/#a", workspaces: {emea: {token: x}}}`, `{channel: "#a"}`, `{}`, `{workspaces: {}}`} {
		if _, err := readAccounts(t, "slack: "+text+"\n"); err != nil {
			t.Errorf("%s: %v", text, err)
		}
	}
	c, err := readAccounts(t, `slack: {token: t, channel: "#a", workspaces: {emea: {token: xoxb-..., signing_secret: replace-me}}}`)
	if err != nil {
		t.Fatal(err)
	}
	if all := c.ServingFaults().Error(); !strings.Contains(all, "slack.workspaces.emea.token") || !strings.Contains(all, "slack.workspaces.emea.signing_secret") {
		t.Errorf("samples: %s", all)
	}
}
