package lifecycle

import (
	"cmp"
	"fmt"
	"math"
	"time"

	"callwatch/rules"
	"callwatch/rules/condition"
	"callwatch/rules/numbers"
)

// judged decides what a judgement of a window, or of an absence, does to its key.
func (k KeyState) judged(r *rules.Rule, j *Judgement, at time.Time) (KeyState, rules.Step, string) {
	if k.Incident != nil {
		return k.rejudged(r, j, at)
	}
	switch {
	case j.Truth == condition.Unknown && !j.Open: // could not be judged: neither counts for `for` nor interrupts it
		return k, "", ""
	case j.Truth != condition.True:
		if k.PendingTill = (time.Time{}); r.Window != nil {
			k.EndHolding()
		}
		return k, "", ""
	}
	k.holds(r, j, at)
	switch {
	case k.Dismissed != "" && !j.Severity.Worse(k.Dismissed):
		k.PendingTill = time.Time{}
		return k, "", ""
	case !r.Active.Of(j.Severity).Covers(at):
		return k.heldBack(StepInactive)
	case at.Before(k.QuietTill):
		return k.heldBack(StepCooledDown)
	case k.PendingTill.IsZero():
		k.PendingTill = at.Add(r.For.Duration)
	}
	if at.Before(k.PendingTill) {
		return k, "", ""
	}
	e := j.Evidence()
	k, step, note := k.open(r, e, k.HoldsSince.Time(), at)
	k.EndHolding()
	k.HeldAt, k.ResolveAt, k.Lead = 0, time.Time{}, j.Lead
	k.Change(func(i *rules.Incident) {
		i.Counts = j.Counts
		i.Values = ValuesOf(r, j)
		i.Trend = k.Trend(k.Lead)
		i.Summary = r.Summarize(i)
	})
	return k, step, joined(j.told(r, &e), note)
}

// holds notes that the condition holds. It begins, or begins again after a gap longer
// than `for` in which nothing could be judged.
func (k *KeyState) holds(r *rules.Rule, j *Judgement, at time.Time) {
	gap := r.For.Duration > 0 && at.Sub(k.HeldAt.Time()) > r.For.Duration
	if gap {
		k.PendingTill = time.Time{}
	}
	switch {
	case !gap && k.HoldsSince != 0:
	case j.Since.IsZero():
		k.HoldsSince = InstantOf(at)
	default:
		k.HoldsSince = InstantOf(j.Since)
	}
	k.HeldAt = InstantOf(at)
}

// EndHolding forgets what is known of a condition that held and opened no incident.
func (k *KeyState) EndHolding() {
	k.PendingTill, k.HoldsSince, k.HeldBack, k.Dismissed = time.Time{}, 0, "", ""
}

// heldBack notes what keeps a condition that holds from opening an incident. It is
// named once for as long as the condition holds.
func (k KeyState) heldBack(by rules.Step) (KeyState, rules.Step, string) {
	k.PendingTill = time.Time{}
	if k.HeldBack == by {
		return k, "", ""
	}
	k.HeldBack = by
	return k, by, ""
}

// rejudged decides on an incident that is open.
func (k KeyState) rejudged(r *rules.Rule, j *Judgement, at time.Time) (KeyState, rules.Step, string) {
	before := k.Incident.Severity
	k = k.follow(r, j)
	switch {
	case j.Truth == condition.True:
		k.ResolveAt = time.Time{}
	case j.Clear && k.ResolveAt.IsZero():
		k.ResolveAt = at.Add(k.Incident.ResolveAfter)
	case j.Over() && !j.Clear:
		k.ResolveAt = time.Time{}
	}
	switch {
	case j.Clear && !k.ResolveAt.IsZero() && !at.Before(k.ResolveAt):
		if v := k.Incident.Values; v != nil && !math.IsNaN(j.Value) {
			k.Change(func(i *rules.Incident) {
				resolving := *v
				resolving.Resolving, resolving.ResolvingMeasure = new(j.Value), &j.Measure
				i.Values = &resolving
			})
		}
		return k.resolve(r, at, resolveReason(r, j, k.Incident))
	case k.Incident.Severity != before:
		k.UpdateAt = time.Time{}
		k.remindFrom(r, at)
		k.Change(func(i *rules.Incident) { i.UpdatedAt = at })
		return k, rules.StepEscalated, cmp.Or(j.Reason, held(r, reached(r, &k.Incident.Latest)))
	case k.stale():
		k = k.GatherFrom(at)
	}
	return k.passing(r, at)
}

// follow brings the incident's figures up to date.
func (k KeyState) follow(r *rules.Rule, j *Judgement) KeyState {
	v, holds := k.Incident.Values, j.Truth == condition.True
	same := v == nil || math.IsNaN(j.Value) || v.Latest == j.Value && v.Measure == j.Measure
	if same && !(holds && j.Severity.Worse(k.Incident.Severity)) {
		return k
	}
	k.Change(func(i *rules.Incident) {
		if !same {
			next := *v
			if next.Latest, next.Measure = j.Value, j.Measure; r.Window.Lead(k.Lead).Worse(j.Value, v.Worst) {
				next.Worst, next.WorstMeasure = j.Value, &j.Measure
			}
			i.Values, i.Trend = &next, k.Trend(k.Lead)
		}
		if !holds {
			return
		}
		i.Latest = j.Evidence()
		if worse(i.Latest, i.Worst) {
			i.Worst = i.Latest
		}
		if j.Severity.Worse(i.Severity) {
			i.Severity = j.Severity
		}
		i.Summary = r.Summarize(i)
	})
	return k
}

// sameFigure is how far apart, relative to their size, two values of one figure are
// that differ by nothing but the order in which the calls were added up.
const sameFigure = 1e-9

// stale reports whether the incident differs from what was told of it last: by a
// value of its leading figure, by its counts where it has none, or by what it adopted.
func (k *KeyState) stale() bool {
	now, was := k.told(), k.Told
	differ := func(a, b float64) bool { return math.Abs(a-b) > sameFigure*max(math.Abs(a), math.Abs(b)) }
	return now.Adopted != was.Adopted || now.Counts != was.Counts || differ(now.Latest, was.Latest) || differ(now.Worst, was.Worst)
}

// MarkTold notes that a transition says what the incident says now.
func (k *KeyState) MarkTold() { k.Told = k.told() }

// told is what the incident says now.
func (k *KeyState) told() Told {
	t := Told{Adopted: len(k.Incident.Adopted)}
	if v := k.Incident.Values; v != nil {
		t.Latest, t.Worst = v.Latest, v.Worst
	} else {
		t.Counts = k.Incident.Counts
	}
	return t
}

// Trend are the latest values of the figure of a lead, oldest first.
func (k *KeyState) Trend(lead int) []rules.Point {
	trend := k.Window.Trend(lead)
	if len(trend) == 0 {
		return nil
	}
	points := make([]rules.Point, len(trend))
	for i, p := range trend {
		points[i] = rules.Point{At: time.Unix(p.At, 0).UTC(), Value: p.Value}
	}
	return points
}

// ValuesOf begins to follow the leading figure; nil where it is unknown.
func ValuesOf(r *rules.Rule, j *Judgement) *rules.Values {
	if r.Window == nil || math.IsNaN(j.Value) || len(r.Window.Leads) == 0 {
		return nil
	}
	l := &r.Window.Leads[j.Lead]
	f := &r.Window.Figures.All[l.Figure]
	v := &rules.Values{Name: f.Name, Share: f.Share(), Opening: j.Value, Latest: j.Value, Worst: j.Value, Measure: j.Measure}
	v.OpeningMeasure, v.WorstMeasure = &j.Measure, &j.Measure
	v.Direction = rules.DirectionOf(l.Direction)
	return v
}

func resolveReason(r *rules.Rule, j *Judgement, in *rules.Incident) string {
	switch {
	case j.Reason != "":
		return j.Reason
	case r.Absent > 0:
		return fmt.Sprintf("calls again for %s", numbers.FormatDuration(in.ResolveAfter))
	default:
		return fmt.Sprintf("clear for %s", numbers.FormatDuration(in.ResolveAfter))
	}
}

func joined(a, b string) string {
	if a == "" || b == "" {
		return a + b
	}
	return a + "; " + b
}
