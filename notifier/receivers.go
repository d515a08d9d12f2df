package notifier

import (
	"slices"

	"callwatch/rules"
)

// receivers are where one transition goes.
type receivers struct {
	channels []string // of Slack
	sinks    []string // by their key
}

// receivers are those of a transition, each once. Incidents of rules in shadow
// go nowhere.
func (n *Notifier) receivers(t *rules.Transition) receivers {
	in := &t.Incident
	if in.Mode == rules.Shadow || in.Mode == rules.Off {
		return receivers{}
	}
	var to receivers
	add := func(list *[]string, name string) {
		if name != "" && !slices.Contains(*list, name) {
			*list = append(*list, name)
		}
	}
	for _, name := range in.Outputs {
		if n.sinks[outputKey(name)] == nil {
			n.log.Warn("incident not sent: no such output", "incident", in.ID, "rule", in.Rule, "output", name)
			continue
		}
		add(&to.sinks, outputKey(name))
	}
	channels := in.Slack
	if len(in.Slack) == 0 && len(in.Outputs) == 0 {
		channels = []string{n.cfg.Channel}
	}
	for _, c := range channels {
		switch {
		case n.workspace(c) != nil:
			add(&to.channels, c)
		case n.sinks[incomingKey] != nil:
			add(&to.sinks, incomingKey)
		case len(n.workspaces) > 0:
			n.log.Warn("no such Slack workspace: the incident goes to the default channel", "incident", in.ID, "rule", in.Rule, "channel", c)
			add(&to.channels, n.existing(""))
		}
	}
	if len(to.channels) == 0 && len(to.sinks) == 0 {
		n.log.Info("incident not sent: no Slack channel and no output", "incident", in.ID, "rule", in.Rule,
			"step", string(t.Step), "severity", string(in.Severity))
	}
	return to
}
