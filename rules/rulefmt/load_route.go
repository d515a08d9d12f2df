package rulefmt

import (
	"fmt"
	"regexp"

	"github.com/goccy/go-yaml/ast"

	"callwatch/rules"
)

// OutputPattern is what names of outputs are like.
const OutputPattern = `^[a-z][a-z0-9_-]{0,39}$`

var (
	// slackChannel is a channel by name or by id, after the name of its workspace.
	slackChannel = regexp.MustCompile(`^([a-z0-9-]{1,32}/)?(#[\p{Ll}\p{N}\p{Lo}_-]{1,80}|[CGD][A-Z0-9]{6,20})$`)
	outputName   = regexp.MustCompile(OutputPattern)
)

// readRoute reads where one rule's incidents go.
func (l *loader) readRoute(n ast.Node, r *rules.Rule) {
	r.Slack, r.Outputs, r.Mention = nil, nil, nil // an inherited route is replaced as a whole
	l.Mapping(n, "route", keys{
		"slack":   func(n ast.Node) { r.Slack = l.channels(n) },
		"outputs": func(n ast.Node) { r.Outputs = l.outputs(n) },
		"mention": func(n ast.Node) { r.Mention = l.mentions(n) },
	})
}

const (
	maxMentions = 10
	maxMention  = 80 // bytes
)

// mentions reads who is called: for all severities alike, or for each.
func (l *loader) mentions(n ast.Node) rules.Mentions {
	m := rules.Mentions{}
	if _, levels := n.(*ast.MappingNode); !levels {
		names := l.mentioned(n)
		for _, s := range rules.Severities() {
			m[s] = names
		}
		return m
	}
	known := keys{}
	for _, s := range rules.Severities() {
		known[string(s)] = func(n ast.Node) { m[s] = l.mentioned(n) }
	}
	l.Mapping(n, "mention", known)
	return m
}

func (l *loader) mentioned(n ast.Node) []string {
	names := l.Texts(n, "mention")
	if len(names) > maxMentions {
		l.Add(nodeAt(n), "bad-mention", fmt.Sprintf("an incident calls %d at most", maxMentions), "a group of Slack (S...) has many members")
	}
	for _, s := range names {
		if s == "" || !rules.PlainText(s, maxMention) {
			l.Add(nodeAt(n), "bad-mention", fmt.Sprintf("%.40q can be no mention", s), "the id of a user (U0123ABCD) or group (S0123ABCD) of Slack, here, channel, or a text of one line")
		}
	}
	return names
}

func (l *loader) channels(n ast.Node) []string {
	var out []string
	for _, s := range l.Texts(n, "slack") {
		if !slackChannel.MatchString(s) {
			l.Add(nodeAt(n), "bad-channel", fmt.Sprintf("%q is not a Slack channel", s), `a name in quotes, such as "#voice-oncall" (without quotes YAML reads # as a comment), or an id such as C0123456789; in a workspace of callwatch.yaml "emea/#voice-oncall"`)
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
	for _, s := range l.Texts(n, "outputs") {
		if !outputName.MatchString(s) {
			l.Add(nodeAt(n), "bad-output", fmt.Sprintf("%q is not the name of an output", s), "a name under outputs: in callwatch.yaml, in lower case")
			continue
		}
		out = append(out, s)
	}
	return out
}

// storm reads `off` or {new: 10, within: 60s}.
func (l *loader) storm(n ast.Node) *rules.Storm {
	s := &rules.Storm{}
	switch n.(type) {
	case *ast.MappingNode, *ast.MappingValueNode:
	default:
		_, _ = l.Word(n, "storm", "off")
		return s
	}
	*s = rules.UsualStorm()
	l.Mapping(n, "storm", keys{
		"new":    func(n ast.Node) { s.New, _ = l.Integer(n, "new", 1, 1000) },
		"within": func(n ast.Node) { s.Within, _ = l.Duration(n, "within") },
	})
	return s
}

// readRoutes reads the list that decides for rules without a route.
func (l *loader) readRoutes(n ast.Node) {
	env := l.alertEnv()
	l.List(n, "routes", func(n ast.Node) {
		if !l.Within(n, len(l.set.Routes), maxRoutes, "routes") {
			return
		}
		var r rules.Route
		before := len(l.Problems)
		if l.caught {
			l.Add(nodeAt(n), "dead-route", "no incident comes as far as this route", "an earlier route matches all: put it last, or give it continue: true")
		}
		l.Mapping(n, "a route", keys{
			"match":    func(n ast.Node) { r.Match = l.program(n, "match", env) },
			"slack":    func(n ast.Node) { r.Slack = l.channels(n) },
			"outputs":  func(n ast.Node) { r.Outputs = l.outputs(n) },
			"mention":  func(n ast.Node) { r.Mention = l.mentions(n) },
			"storm":    func(n ast.Node) { r.Storm = l.storm(n) },
			"continue": func(n ast.Node) { s, _ := l.Word(n, "continue", "true", "false"); r.Continue = s == "true" },
		})
		if len(r.Slack) == 0 && len(r.Outputs) == 0 {
			l.Add(nodeAt(n), "empty-route", "a route needs a channel or an output", `add slack: "#channel" or outputs: [name]`)
		}
		// What a route with an error would match is not known.
		l.caught = l.caught || r.Match == nil && !r.Continue && !l.Problems[before:].Errors()
		l.set.Routes = append(l.set.Routes, r)
	})
}
