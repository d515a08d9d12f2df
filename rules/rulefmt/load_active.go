package rulefmt

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"

	"callwatch/rules"
	"callwatch/rules/schedule"
	"callwatch/yamlfile/spelling"
)

// active reads when a rule may open incidents: hours, a list of them, always, or one of
// these for each severity.
func (l *loader) active(n ast.Node, zone *time.Location) rules.ActiveTimes {
	if !namesSeverity(n) {
		return rules.ActiveTimes{All: l.schedule(n, "active", zone)}
	}
	a := rules.ActiveTimes{Levels: map[rules.Severity]schedule.Schedule{}}
	known := keys{}
	for _, s := range rules.Severities() {
		known[string(s)] = func(n ast.Node) { a.Levels[s] = l.schedule(n, "active "+string(s), zone) }
	}
	l.Mapping(n, "active by severity", known)
	return a
}

// namesSeverity says whether a key is a severity, or nearer to one than to a key of hours.
func namesSeverity(n ast.Node) bool {
	m, _ := n.(*ast.MappingNode)
	known := append(rules.SeverityNames(), "hours", "days", "tz", "holidays")
	return m != nil && slices.ContainsFunc(m.Values, func(v *ast.MappingValueNode) bool {
		return slices.Contains(rules.SeverityNames(), spelling.Nearest(v.Key.GetToken().Value, known))
	})
}

// Always is active without hours.
const Always = "always"

// schedule reads hours, a list of them, or always.
func (l *loader) schedule(n ast.Node, what string, zone *time.Location) schedule.Schedule {
	switch n := n.(type) {
	case *ast.SequenceNode:
		var s schedule.Schedule
		if len(n.Values) == 0 {
			l.Add(nodeAt(n), "empty-list", what+" is empty", `hours such as {hours: "08:00-18:00", days: mon-fri}, or always`)
		}
		for i, e := range n.Values {
			if !l.Within(n, i, maxRanges, "ranges of hours") {
				break
			}
			s = append(s, l.ranges(e, zone)...)
		}
		return s
	case *ast.MappingNode, *ast.MappingValueNode:
		return l.ranges(n, zone)
	default:
		_, _ = l.Word(n, what, Always)
		return nil
	}
}

// maxRanges bounds the hours of one schedule.
const maxRanges = 50

// hourKeys are the keys of hours: what they read is in the hours that made returns.
func (l *loader) hourKeys(zone *time.Location) (known keys, made func() schedule.Schedule) {
	h := schedule.Hours{To: schedule.DayMinutes, Days: schedule.EveryDay(), Zone: time.UTC}
	if zone != nil {
		h.Zone = zone
	}
	var spans schedule.Schedule
	known = keys{
		"hours": func(n ast.Node) { spans = l.spans(n) },
		"days":  func(n ast.Node) { h.Days = l.days(n) },
		"tz": func(n ast.Node) {
			if zone := l.zone(n); zone != nil {
				h.Zone = zone
			}
		},
		"holidays": func(n ast.Node) { h.Off = l.holidays(n) },
	}
	return known, func() schedule.Schedule {
		if len(spans) == 0 {
			return schedule.Schedule{h}
		}
		for i := range spans {
			from, to := spans[i].From, spans[i].To
			spans[i] = h
			spans[i].From, spans[i].To = from, to
		}
		return spans
	}
}

// ranges reads hours of some days.
func (l *loader) ranges(n ast.Node, zone *time.Location) schedule.Schedule {
	known, made := l.hourKeys(zone)
	l.Mapping(n, "active", known)
	return made()
}

// spans reads one or several spans of the day.
func (l *loader) spans(n ast.Node) schedule.Schedule {
	list, ok := n.(*ast.SequenceNode)
	if !ok {
		return l.daySpan(n, nil)
	}
	var s schedule.Schedule
	if len(list.Values) == 0 {
		l.Add(nodeAt(n), "empty-list", "hours is empty: the rule would never be active", `in quotes, such as "07:00-22:00"`)
	}
	for i, e := range list.Values {
		if !l.Within(n, i, maxRanges, "ranges of hours") {
			break
		}
		s = l.daySpan(e, s)
	}
	return s
}

func (l *loader) daySpan(n ast.Node, to schedule.Schedule) schedule.Schedule {
	var h schedule.Hours
	if l.hours(n, &h); h.From == h.To {
		return to
	}
	return append(to, h)
}

// zone reads the name of a time zone; nil after a problem.
func (l *loader) zone(n ast.Node) *time.Location {
	name, ok := l.Text(n, "tz")
	if !ok {
		return nil
	}
	zone := zoneNamed(name)
	if zone == nil {
		l.Add(nodeAt(n), "unknown-zone", fmt.Sprintf("there is no time zone %q", name), "by name, such as Europe/Berlin, America/New_York or UTC")
	}
	return zone
}

func zoneNamed(name string) *time.Location {
	zone, err := time.LoadLocation(name)
	if err != nil || name == "Local" || name == "" {
		return nil
	}
	return zone
}

// inZone reads the tz of a rule, or of the defaults, before its other keys: what they
// mean depends on it, wherever it is.
func (l *loader) inZone(n ast.Node, r *rules.Rule) {
	if m, ok := n.(*ast.MappingNode); ok {
		for _, v := range m.Values {
			if name, text := v.Value.(*ast.StringNode); text && v.Key.GetToken().Value == "tz" {
				r.Zone = zoneNamed(name.Value)
			}
		}
	}
	l.env.Zone = r.Zone
}

var dayHours = regexp.MustCompile(`^\s*(\d\d?):(\d\d)\s*-\s*(\d\d?):(\d\d)\s*$`)

func (l *loader) hours(n ast.Node, h *schedule.Hours) {
	s, ok := l.Text(n, "hours")
	if !ok {
		return
	}
	minutes := [2]int{}
	m := dayHours.FindStringSubmatch(s)
	for i := range minutes {
		if m == nil {
			break
		}
		hour, _ := strconv.Atoi(m[1+2*i])
		minute, _ := strconv.Atoi(m[2+2*i])
		if minutes[i] = 60*hour + minute; hour > 24 || minute > 59 || minutes[i] > schedule.DayMinutes {
			m = nil
		}
	}
	if m == nil || minutes[0] == minutes[1] || minutes[0] == schedule.DayMinutes {
		l.Add(nodeAt(n), "bad-hours", fmt.Sprintf("%q are no hours of a day", s), `in quotes, such as "07:00-22:00"; "22:00-06:00" goes over midnight`)
		return
	}
	h.From, h.To = minutes[0], minutes[1]
}

// days reads mon-fri, a list of days, or both: mon-thu, sat.
func (l *loader) days(n ast.Node) [schedule.WeekDays]bool {
	var days [schedule.WeekDays]bool
	names := []string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"}
	texts, before := l.Texts(n, "days"), len(l.Problems)
	if len(texts) == 0 && before == len(l.Problems) {
		l.Add(nodeAt(n), "empty-list", "days is empty: the rule would never be active", "mode: off switches a rule off; days are mon, tue, ... or mon-fri")
		return schedule.EveryDay()
	}
	for _, s := range texts {
		for part := range strings.SplitSeq(s, ",") {
			first, last, span := strings.Cut(strings.ToLower(strings.TrimSpace(part)), "-")
			if !span {
				last = first
			}
			from, to := slices.Index(names, strings.TrimSpace(first)), slices.Index(names, strings.TrimSpace(last))
			if from < 0 || to < 0 {
				l.Add(nodeAt(n), "bad-days", fmt.Sprintf("%q are no days of the week", s), "mon, tue, wed, thu, fri, sat, sun; such as mon-fri or [mon, wed]")
				return schedule.EveryDay()
			}
			for d := from; ; d = (d + 1) % schedule.WeekDays {
				days[d] = true
				if d == to {
					break
				}
			}
		}
	}
	return days
}

// holidays reads dates and calendars: [2026-12-25, holidays.ics].
func (l *loader) holidays(n ast.Node) *schedule.Holidays {
	h := schedule.NewHolidays()
	nodes := []ast.Node{n}
	if list, ok := n.(*ast.SequenceNode); ok {
		nodes = list.Values
	}
	if len(nodes) == 0 {
		l.Add(nodeAt(n), "empty-list", "holidays is empty", "dates such as 2026-12-25, or a calendar such as holidays.ics")
	}
	for _, e := range nodes {
		s, ok := l.Text(e, "holidays")
		if !ok {
			continue
		}
		if at, err := time.Parse(time.DateOnly, s); err == nil {
			ok = h.Add(at, false)
		} else if !strings.Contains(s, ".") || strings.Trim(s, "0123456789./") == "" {
			l.Add(nodeAt(e), "bad-time", fmt.Sprintf("%q is no date", s), "dates such as 2026-12-25, or a calendar such as holidays.ics")
			continue
		} else if text, found := l.companion(e, s, ".ics"); found {
			if err := h.ReadCalendar(text); err != nil {
				l.Add(nodeAt(e), "bad-calendar", fmt.Sprintf("%s: %v", s, err), "an iCalendar file (RFC 5545) whose events are holidays")
			}
		}
		if !ok {
			l.Add(nodeAt(n), "too-large", fmt.Sprintf("there are more than %d holidays", schedule.MaxHolidays), "")
			break
		}
	}
	return h
}
