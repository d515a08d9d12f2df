package notifier

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"callwatch/rules"
)

// line is a named transition with the incident as it was then.
type line struct {
	name     string
	step     rules.Step
	at       time.Time
	cause    rules.Cause
	reason   string
	incident rules.Incident
	from, to int      // of step adopted: the part of the incident's list
	listed   []markup // of step listed: incidents of a storm, a line each
	skipped  bool     // concluded from the incident: its transition was not handed in
}

// stepListed lists incidents in the thread of a storm. It is no step of an
// incident.
const stepListed rules.Step = "listed"

// lineOf is the thread line that a transition asks for; false for none. An
// incident reaches a severity once and resolves once, so their names serve as
// identity: a skipped transition can be made up for, a repeated one is known.
// What may happen several times is named after its cause.
func lineOf(t *rules.Transition) (line, bool) {
	l := line{step: t.Step, at: t.At, cause: t.Cause, reason: t.Reason, incident: t.Incident}
	in := &t.Incident
	switch t.Step {
	case rules.StepEscalated:
		l.name = escalatedName(in.Severity)
		return l, !quiet(in)
	case rules.StepResolved:
		l.name = resolvedName
		return l, in.Parent == ""
	case rules.StepReminded:
		l.name = causedName(t)
		return l, !quiet(in) && in.Acknowledged == nil
	case rules.StepAcknowledged, rules.StepUnacknowledged, rules.StepUnsilenced:
		l.name = causedName(t)
		return l, !quiet(in)
	case rules.StepSilenced:
		l.name = causedName(t)
		return l, in.Parent == "" && in.Silence != nil
	default:
		return line{}, false
	}
}

// quiet says whether nothing but its end is told of the incident now.
func quiet(in *rules.Incident) bool { return in.Silence != nil || in.Parent != "" }

func escalatedName(s rules.Severity) string { return "escalated/" + string(s) }

func causedName(t *rules.Transition) string {
	return fmt.Sprintf("%s/%d.%d", t.Step, t.Cause.Seq, t.Cause.Index)
}

// wantOf is what one transition asks for in a thread.
func wantOf(t *rules.Transition) want {
	w := want{incident: t.Incident, cause: t.Cause}
	if l, ok := lineOf(t); ok {
		w.lines = []line{l}
	}
	return w
}

const adoptedPrefix = "adopted/"

// adoptedLine lists the adopted incidents that the thread does not name yet. One
// whose post ended unclear stays as it was: its name is where the list ended.
func adoptedLine(r *record, made line) (line, bool) {
	made.step, made.from, made.to = rules.StepAdopted, r.Adopted, len(made.incident.Adopted)
	for name, s := range r.Sent {
		if to, ok := adoptedTo(name); ok && s.State == attempting && to <= made.to {
			made.to = to
		}
	}
	made.name = adoptedPrefix + strconv.Itoa(made.to)
	return made, made.to > made.from
}

func adoptedTo(name string) (int, bool) {
	digits, ok := strings.CutPrefix(name, adoptedPrefix)
	to, err := strconv.Atoi(digits)
	return to, ok && err == nil
}
