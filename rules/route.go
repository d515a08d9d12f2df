package rules

import (
	"slices"
	"strings"
	"time"

	"callwatch/call"
	"callwatch/rules/condition"
)

// AlertEnv is the environment of conditions on incidents: the fields of the call
// that opened it, and what LoadExtra is given in factsOf. With the names of rules
// others are refused.
func AlertEnv(env condition.Env, rules ...string) condition.Env {
	return env.With(
		call.Field{Name: "rule", Type: call.Text, Enum: rules},
		call.Field{Name: "severity", Type: call.Text, Enum: SeverityNames()},
		call.Field{Name: "owner", Type: call.Text},
		call.Field{Name: "incident", Type: call.Text},
	)
}

// Receivers are where an incident is announced, channels of Slack and other
// outputs: the rule's own route, else the first of the file's routes that
// matches, and those after it while they say so.
func (s *Set) Receivers(r *Rule, in *Incident) (slack, outputs []string) {
	if len(r.Slack) > 0 || len(r.Outputs) > 0 {
		return r.Slack, r.Outputs
	}
	facts := factsOf(in)
	for _, route := range s.Routes {
		if route.Match != nil && route.Match.Eval(facts).Truth != condition.True {
			continue
		}
		slack, outputs = append(slack, route.Slack...), append(outputs, route.Outputs...)
		if !route.Continue {
			break
		}
	}
	return slack, outputs
}

// Mentions are whom an incident calls, by its severity: ids of users (U...) and groups
// (S...) of Slack, here, channel, or a text that is shown as it is.
type Mentions map[Severity][]string

// Mentions are whom an incident calls: those of the rule, else of the routes that it takes.
func (s *Set) Mentions(r *Rule, in *Incident) []string {
	if r.Mention != nil || len(r.Slack) > 0 || len(r.Outputs) > 0 {
		return r.Mention[in.Severity]
	}
	var names []string
	facts := factsOf(in)
	for _, route := range s.Routes {
		if route.Match != nil && route.Match.Eval(facts).Truth != condition.True {
			continue
		}
		for _, name := range route.Mention[in.Severity] {
			if !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
		if !route.Continue {
			break
		}
	}
	return names
}

// UsualStorm is what holds for channels of which no route says otherwise.
func UsualStorm() Storm { return Storm{New: 10, Within: time.Minute} }

// Storm is when new incidents in a channel are told together: as the last route says
// that names the channel and has one, else as usual.
func (s *Set) Storm(channel string) Storm {
	for _, r := range slices.Backward(s.Routes) {
		if r.Storm != nil && slices.Contains(r.Slack, channel) {
			return *r.Storm
		}
	}
	return UsualStorm()
}

// OutputNames are the outputs that the file names, each once, sorted.
func (s *Set) OutputNames() []string {
	var names []string
	for _, r := range s.Rules {
		names = append(names, r.Outputs...)
	}
	for _, r := range s.Routes {
		names = append(names, r.Outputs...)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// SplitChannel is the workspace that a channel is in, "" for the usual one, and the
// channel's name or id there: "emea/#voice" is #voice in emea.
func SplitChannel(name string) (workspace, channel string) {
	if workspace, channel, ok := strings.Cut(name, "/"); ok {
		return workspace, channel
	}
	return "", name
}

// Channels are the channels of Slack that the file names, each once, sorted.
func (s *Set) Channels() []string {
	var names []string
	for _, r := range s.Rules {
		names = append(names, r.Slack...)
	}
	for _, r := range s.Routes {
		names = append(names, r.Slack...)
	}
	slices.Sort(names)
	return slices.Compact(names)
}
