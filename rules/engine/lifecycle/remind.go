package lifecycle

import (
	"fmt"
	"slices"
	"time"

	"callwatch/rules"
	"callwatch/rules/numbers"
)

// Flapping: a key that opens more often than this within an hour resolves later.
const (
	calmOpenings    = 3
	calmFor         = time.Hour
	minFlapping     = 15 * time.Minute
	maxResolveAfter = 4 * time.Hour
)

// settleDown notes an opening and tells how long the incident keeps firing after
// its condition ended: longer with each opening beyond the third in an hour.
func (k *KeyState) settleDown(r *rules.Rule, at time.Time) (resolveAfter time.Duration, note string) {
	recent := slices.DeleteFunc(slices.Clone(k.Openings), func(t time.Time) bool { return !t.After(at.Add(-calmFor)) })
	k.Openings, k.CalmAt = append(recent, at), at.Add(calmFor)
	n := len(k.Openings)
	if n <= calmOpenings {
		return r.ResolveAfter, ""
	}
	longer := max(2*r.ResolveAfter, minFlapping)
	for range n - calmOpenings - 1 {
		longer = min(2*longer, maxResolveAfter)
	}
	longer = max(longer, r.ResolveAfter)
	return longer, fmt.Sprintf("opened %d times within an hour: resolves %s after its end instead of %s", n, numbers.FormatDuration(longer), numbers.FormatDuration(r.ResolveAfter))
}

// remindFrom restarts the reminders.
func (k *KeyState) remindFrom(r *rules.Rule, at time.Time) {
	if k.RemindAt, k.RemindIn = (time.Time{}), 0; r.Repeat > 0 {
		k.RemindAt, k.RemindIn = at.Add(r.Repeat), r.Repeat
	}
}

// quiet says whether nobody is to be reminded of the incident now.
func (k *KeyState) quiet(r *rules.Rule, at time.Time) bool {
	in := k.Incident
	return in.Acknowledged != nil || in.Silence != nil || in.Parent != "" || !r.Active.Of(in.Severity).Covers(at)
}

// remind tells again of an incident that nobody has taken, less and less often.
func (k KeyState) remind(r *rules.Rule, at time.Time) (KeyState, rules.Step, string) {
	k.RemindIn = min(2*k.RemindIn, max(r.RepeatMax, r.Repeat))
	k.RemindAt, k.UpdateAt = at.Add(k.RemindIn), time.Time{}
	k.Change(func(i *rules.Incident) { i.UpdatedAt = at })
	return k, rules.StepReminded, fmt.Sprintf("open for %s", numbers.FormatDuration(at.Sub(k.Incident.OpenedAt)))
}
