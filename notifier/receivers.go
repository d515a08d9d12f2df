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
	for _, c := range in.Slack {
		add(&to.channels, c)
	}
	if len(in.Slack) == 0 && len(in.Outputs) == 0 {
		add(&to.channels, n.cfg.Channel)
	}
	switch {
	case n.slack != nil && len(to.channels) > 0:
	case n.sinks[incomingKey] != nil && (len(in.Slack) > 0 || len(in.Outputs) == 0):
		to.channels = nil
		add(&to.sinks, incomingKey)
	default:
		to.channels = nil
	}
	if len(to.channels) == 0 && len(to.sinks) == 0 {
		n.log.Info("incident not sent: no Slack channel and no output", "incident", in.ID, "rule", in.Rule,
			"step", string(t.Step), "severity", string(in.Severity))
	}
	return to
}
