package rules

import (
	"fmt"
	"regexp"

	"github.com/goccy/go-yaml/ast"
)

var (
	// slackChannel is a channel by name or by id.
	slackChannel = regexp.MustCompile(`^(#[\p{Ll}\p{N}\p{Lo}_-]{1,80}|[CGD][A-Z0-9]{6,20})$`)
	outputName   = regexp.MustCompile(`^[a-z][a-z0-9_-]{0,39}$`)
)

// readRoute reads where one rule's incidents go.
func (l *loader) readRoute(n ast.Node, r *Rule) {
	r.Slack, r.Outputs = nil, nil // an inherited route is replaced as a whole
	l.mapping(n, "route", keys{
		"slack":   func(n ast.Node) { r.Slack = l.channels(n) },
		"outputs": func(n ast.Node) { r.Outputs = l.outputs(n) },
	})
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

// outputs are names under `outputs` of callwatch.yaml; whether they exist there
// is checked where both are known.
func (l *loader) outputs(n ast.Node) []string {
	var out []string
	for _, s := range l.texts(n, "outputs") {
		if !outputName.MatchString(s) {
			l.add(nodeAt(n), "bad-output", fmt.Sprintf("%q is not the name of an output", s), "a name under outputs: in callwatch.yaml, in lower case")
			continue
		}
		out = append(out, s)
	}
	return out
}

// storm reads `off` or {new: 10, within: 60s}.
func (l *loader) storm(n ast.Node) *Storm {
	s := &Storm{}
	switch n.(type) {
	case *ast.MappingNode, *ast.MappingValueNode:
	default:
		_, _ = l.word(n, "storm", "off")
		return s
	}
	*s = UsualStorm()
	l.mapping(n, "storm", keys{
		"new":    func(n ast.Node) { s.New, _ = l.integer(n, "new", 1, 1000) },
		"within": func(n ast.Node) { s.Within, _ = l.duration(n, "within") },
	})
	return s
}

// readRoutes reads the list that decides for rules without a route.
func (l *loader) readRoutes(n ast.Node) {
	open := true
	env := l.alertEnv()
	l.list(n, "routes", func(n ast.Node) {
		if !l.within(n, len(l.set.Routes), maxRoutes, "routes") {
			return
		}
		var r Route
		before := len(l.problems)
		if !open {
			l.add(nodeAt(n), "dead-route", "no incident comes as far as this route", "an earlier route matches all: put it last, or give it continue: true")
		}
		l.mapping(n, "a route", keys{
			"match":    func(n ast.Node) { r.Match = l.program(n, "match", env) },
			"slack":    func(n ast.Node) { r.Slack = l.channels(n) },
			"outputs":  func(n ast.Node) { r.Outputs = l.outputs(n) },
			"storm":    func(n ast.Node) { r.Storm = l.storm(n) },
			"continue": func(n ast.Node) { s, _ := l.word(n, "continue", "true", "false"); r.Continue = s == "true" },
		})
		if len(r.Slack) == 0 && len(r.Outputs) == 0 {
			l.add(nodeAt(n), "empty-route", "a route needs a channel or an output", `add slack: "#channel" or outputs: [name]`)
		}
		// What a route with an error would match is not known.
		open = open && (r.Match != nil || r.Continue || l.problems[before:].Errors())
		l.set.Routes = append(l.set.Routes, r)
	})
}
