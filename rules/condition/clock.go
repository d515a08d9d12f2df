package condition

import (
	"time"

	"callwatch/call"

	"github.com/expr-lang/expr/file"
)

// weekdays are the values of weekday, in the order of time.Weekday.
func weekdays() []string { return []string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"} }

// clock is hour or weekday; nil for another name, and where no single event has a
// time: the names of Env.With are about incidents.
func (c *compiler) clock(name string, at file.Location) *node {
	n := &node{key: name, loc: at}
	switch {
	case !c.names.clock:
		return nil
	case name == "hour":
		n.op, n.typ = opHour, typ{kind: number, whole: true}
		n.field = &call.Field{Name: name, Type: call.Integer, Min: new(0.0), Max: new(23.0)}
	case name == "weekday":
		n.op, n.typ = opWeekday, typ{kind: text}
		n.field = &call.Field{Name: name, Type: call.Text, Enum: weekdays()}
	default:
		return nil
	}
	if c.ofWindow() {
		return c.fail(at, CodeOneCall, name+" is of one call; the window has many", "e.g. rate(mos < (hour in 8..17 ? 3.8 : 3.5)), or put it into where")
	}
	return c.made(n)
}

// ofClock says whether n reads the time of day or the day of the week.
func (n *node) ofClock() bool { return n.op == opHour || n.op == opWeekday }

// time is what hour and weekday are read of: when the call ended, else when the
// event happened, by the clock of the rule's zone.
func (n *node) time(f *frame) value {
	e := f.facts.event
	if e == nil {
		return value{}
	}
	at := e.EndedAt
	for _, other := range []time.Time{e.OccurredAt, e.ReceivedAt} {
		if at.IsZero() {
			at = other
		}
	}
	if at.IsZero() {
		return value{}
	}
	if at = at.UTC(); f.zone != nil {
		at = at.In(f.zone)
	}
	if n.op == opHour {
		return ofNumber(float64(at.Hour()))
	}
	return ofText(weekdays()[at.Weekday()])
}

// Zone names the time zone that the argument depends on; "" where it does not.
func (a *Argument) Zone() string {
	if a.zone == nil || !a.root.contains((*node).ofClock) {
		return ""
	}
	return a.zone.String()
}

// clockNames are what clock reads, beside the fields.
func (n *names) clockNames() []string {
	if !n.clock {
		return nil
	}
	return []string{"hour", "weekday"}
}
