package rules

import (
	"time"

	"callwatch/rules/schedule"
)

// ActiveTimes are when a rule may open incidents, by their severity.
type ActiveTimes struct {
	All    schedule.Schedule              // of a severity that Levels does not name
	Levels map[Severity]schedule.Schedule // nil: all are alike
}

// Of is when incidents of a severity may open.
func (a *ActiveTimes) Of(s Severity) schedule.Schedule {
	if level, ok := a.Levels[s]; ok {
		return level
	}
	return a.All
}

// Next is when the hours of some severity begin after t; zero where none do.
func (a *ActiveTimes) Next(t time.Time) time.Time {
	next := a.All.Next(t)
	for _, s := range Severities() {
		if level, ok := a.Levels[s]; ok {
			if at := level.Next(t); next.IsZero() || !at.IsZero() && at.Before(next) {
				next = at
			}
		}
	}
	return next
}
