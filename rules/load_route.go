package rules

import (
	"fmt"
	"regexp"

	"github.com/goccy/go-yaml/ast"
)

// slackChannel is a channel by name or by id.
var slackChannel = regexp.MustCompile(`^(#[\p{Ll}\p{N}\p{Lo}_-]{1,80}|[CGD][A-Z0-9]{6,20})$`)

// route is where one rule's incidents go.
func (l *loader) route(n ast.Node) []string {
	var slack []string
	l.mapping(n, "route", keys{"slack": func(n ast.Node) { slack = l.channels(n) }})
	return slack
}

func (l *loader) channels(n ast.Node) []string {
	var out []string
	for _, s := range l.texts(n, "slack") {
		if !slackChannel.MatchString(s) {
			l.add(nodeAt(n), "bad-channel", fmt.Sprintf("%q is not a Slack channel", s), `a name in quotes, such as "#voice-oncall" (without quotes YAML reads # as a comment), or an id such as C0123456789`)
			continue
		}
		out = append(out, s)
	}
	return out
}

// readRoutes reads the list that decides for rules without a route.
func (l *loader) readRoutes(n ast.Node) {
	open := true
	l.list(n, "routes", func(n ast.Node) {
		var r Route
		if !open {
			l.add(nodeAt(n), "dead-route", "no incident comes as far as this route", "an earlier route matches all: put it last, or give it continue: true")
		}
		l.mapping(n, "a route", keys{
			"match":    func(n ast.Node) { r.Match = l.program(n, "match", alertEnv(l.env)) },
			"slack":    func(n ast.Node) { r.Slack = l.channels(n) },
			"continue": func(n ast.Node) { s, _ := l.word(n, "continue", "true", "false"); r.Continue = s == "true" },
		})
		if len(r.Slack) == 0 {
			l.add(nodeAt(n), "empty-route", "a route needs a channel", `add slack: "#channel"`)
		}
		open = open && (r.Match != nil || r.Continue)
		l.set.Routes = append(l.set.Routes, r)
	})
}
