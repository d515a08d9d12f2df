package backtest

import (
	"slices"

	"callwatch/rules"
)

// thread is the part of an incident's Slack thread that decides how many messages
// a further transition adds.
type thread struct {
	announced bool
	adopted   int // incidents listed in it
}

// messages returns the number of Slack messages that a transition causes: a root
// message and its first reply when the incident is announced, and a reply for each
// later step that says something new. Edits of the root message do not count, and
// nothing does that shadow mode, a silence or an adoption holds back. Each channel
// of the incident counts. In a storm the notifier posts fewer.
func (th *thread) messages(t *rules.Transition) int {
	in := &t.Incident
	if in.Mode != rules.Active {
		return 0
	}
	n := 0
	quiet := in.Silence != nil || in.Parent != ""
	if !th.announced {
		if quiet || t.Step == rules.StepResolved {
			return 0
		}
		th.announced = true
		n = 2
	}
	if replies(t, quiet) {
		n++
	}
	if len(in.Adopted) > th.adopted && !quiet {
		th.adopted = len(in.Adopted)
		n++
	}
	return n * channelCount(in)
}

// replies reports whether the notifier replies in the thread to this step.
func replies(t *rules.Transition, quiet bool) bool {
	switch t.Step {
	case rules.StepEscalated, rules.StepAcknowledged, rules.StepUnacknowledged, rules.StepUnsilenced, rules.StepAssigned, rules.StepNoted:
		return !quiet
	case rules.StepReminded:
		return !quiet && t.Incident.Acknowledged == nil
	case rules.StepSilenced, rules.StepResolved:
		return t.Incident.Parent == ""
	default:
		return false
	}
}

// channelCount returns the number of Slack channels of an incident: those of its
// route, or the configured one, unless it goes to other outputs only.
func channelCount(in *rules.Incident) int {
	if len(in.Slack) == 0 && len(in.Outputs) > 0 {
		return 0
	}
	names := slices.Compact(slices.Sorted(slices.Values(in.Slack)))
	return max(1, len(names))
}
