package rules

import "slices"

// thread is what one incident's Slack thread holds, as far as the number of its
// messages depends on it.
type thread struct {
	announced bool
	adopted   int // incidents listed in it
}

// messages is how many Slack messages a transition makes: a root and its first
// reply when the incident is announced, and a line for each later step that a
// person is to see. Edits of the root are none, and neither is what a shadow, a
// silence or an adoption keeps back. Each channel the incident goes to counts.
// Where a channel is flooded, the notifier posts fewer.
func (th *thread) messages(t *Transition) int {
	in := &t.Incident
	if in.Mode != Active {
		return 0
	}
	n := 0
	quiet := in.Silence != nil || in.Parent != ""
	if !th.announced {
		if quiet || t.Step == StepResolved {
			return 0
		}
		th.announced = true
		n = 2
	}
	if t.says(quiet) {
		n++
	}
	if len(in.Adopted) > th.adopted && !quiet {
		th.adopted = len(in.Adopted)
		n++
	}
	return n * channelCount(in)
}

// says whether the step alone is worth a line in the thread.
func (t *Transition) says(quiet bool) bool {
	switch t.Step {
	case StepEscalated, StepAcknowledged, StepUnacknowledged, StepUnsilenced:
		return !quiet
	case StepReminded:
		return !quiet && t.Incident.Acknowledged == nil
	case StepSilenced, StepResolved:
		return t.Incident.Parent == ""
	default:
		return false
	}
}

// channelCount is the number of channels an incident goes to: those it is
// routed to, else the configured one, unless it goes to other outputs only.
func channelCount(in *Incident) int {
	if len(in.Slack) == 0 && len(in.Outputs) > 0 {
		return 0
	}
	names := slices.Compact(slices.Sorted(slices.Values(in.Slack)))
	return max(1, len(names))
}
