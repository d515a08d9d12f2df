package notifier

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"
	"time"

	"callwatch/rules"
)

// Line is a named transition with the incident as it was then.
type Line struct {
	Name     string
	Step     rules.Step
	At       time.Time
	Cause    rules.Cause
	Reason   string
	Incident rules.Incident
	From, To int      // of step adopted: the part of the incident's list
	Listed   []string // of step listed: incidents of a storm, a line each
	skipped  bool     // concluded from the incident: its transition was not handed in
}

// StepListed lists incidents in the thread of a storm. It is no step of an
// incident.
const StepListed rules.Step = "listed"

// lineOf is the thread line that a transition asks for; false for none. An
// incident reaches a severity once and resolves once, so their names serve as
// identity: a skipped transition can be made up for, a repeated one is known.
// What may happen several times is named after its cause.
func lineOf(t *rules.Transition) (Line, bool) {
	l := Line{Step: t.Step, At: t.At, Cause: t.Cause, Reason: t.Reason, Incident: t.Incident}
	in := &t.Incident
	switch t.Step {
	case rules.StepEscalated:
		l.Name = escalatedName(in.Severity)
		return l, !Quiet(in)
	case rules.StepResolved:
		l.Name = resolvedName
		return l, in.Parent == ""
	case rules.StepReminded:
		l.Name = CausedName(t)
		return l, !Quiet(in) && in.Acknowledged == nil
	case rules.StepAcknowledged, rules.StepUnacknowledged, rules.StepUnsilenced, rules.StepAssigned, rules.StepNoted:
		l.Name = CausedName(t)
		return l, !Quiet(in)
	case rules.StepSilenced:
		l.Name = CausedName(t)
		return l, in.Parent == "" && in.Silence != nil
	default:
		return Line{}, false
	}
}

// Quiet says whether nothing but its end is told of the incident now.
func Quiet(in *rules.Incident) bool { return in.Silence != nil || in.Parent != "" }

func escalatedName(s rules.Severity) string { return "escalated/" + string(s) }

func CausedName(t *rules.Transition) string {
	return fmt.Sprintf("%s/%d.%d", t.Step, t.Cause.Seq, t.Cause.Index)
}

// wantOf is what one transition asks for in a thread.
func wantOf(t *rules.Transition) Want {
	w := Want{Incident: t.Incident, Cause: t.Cause}
	if l, ok := lineOf(t); ok {
		w.Lines = []Line{l}
	}
	return w
}

const adoptedPrefix = "adopted/"

// adoptedLine lists the adopted incidents that the thread does not name yet. One
// whose post ended unclear stays as it was: its name is where the list ended.
func adoptedLine(r *Record, made Line) (Line, bool) {
	made.Step, made.From, made.To = rules.StepAdopted, r.Adopted, len(made.Incident.Adopted)
	for name, s := range r.Sent {
		if to, ok := adoptedTo(name); ok && s.State == attempting && to <= made.To {
			made.To = to
		}
	}
	made.Name = adoptedPrefix + strconv.Itoa(made.To)
	return made, made.To > made.From
}

func adoptedTo(name string) (int, bool) {
	digits, ok := strings.CutPrefix(name, adoptedPrefix)
	to, err := strconv.Atoi(digits)
	return to, ok && err == nil
}

// OpeningSeverity returns the severity that the incident opened with.
func OpeningSeverity(in *rules.Incident) rules.Severity {
	return cmp.Or(in.Opening.Severity, in.Severity)
}
