package engine

import (
	"math"
	"time"

	"callwatch/rules"
	"callwatch/rules/condition"
	"callwatch/rules/engine/lifecycle"
	"callwatch/rules/numbers"
)

// saw notes a call of a rule about absence.
func (g *Engine) saw(i int, r *rules.Rule) {
	switch concerned, unknown := g.concerns(i, r); {
	case unknown:
		g.st.Rules[i].Counts.Unjudged++
		return
	case !concerned:
		return
	}
	k := g.keyOfCall(i, g.seen)
	if k == nil {
		return
	}
	k.Seen = g.st.Now
	k.EndHolding()
	g.judgeAbsence(r, k)
}

// judgeAbsence looks whether a key has been without a call for too long. Time
// outside the active hours does not count.
func (g *Engine) judgeAbsence(r *rules.Rule, k *lifecycle.KeyState) {
	now, active := g.st.Now, r.Active.Of(r.Severity)
	watched := later(k.Seen, k.Watched.Time())
	if k.Incident == nil && now.Before(watched.Add(r.Absent)) {
		k.LookAt = watched.Add(r.Absent)
		g.leave(k)
		return
	}
	forgotten := k.Seen.Add(rules.MaxAbsent)
	if k.Expected {
		forgotten = time.Time{}
	}
	old := !k.Expected && !now.Before(forgotten)
	began := k.Seen
	if began.IsZero() {
		began = k.Watched.Time()
	}
	missed := later(watched, active.Since(now)).Add(r.Absent)
	j := lifecycle.Judgement{Truth: condition.False, Value: math.NaN(), Severity: r.Severity, Since: began}
	j.Evidence = func() rules.Evidence { return g.silence(r, k.Key, "calls", numbers.FormatDuration(now.Sub(began))) }
	switch {
	case k.Incident == nil && old:
		k.Seen, k.LookAt = time.Time{}, time.Time{}
		g.signal(r, k.Key, lifecycle.Signal{})
		return
	case k.Incident != nil && old && k.Seen.IsZero():
		k.LookAt = time.Time{}
		g.signal(r, k.Key, lifecycle.Signal{Close: "not expected any more"})
		return
	case k.Incident != nil && old:
		k.Seen, k.LookAt = time.Time{}, time.Time{}
		g.signal(r, k.Key, lifecycle.Signal{Close: "not missed any more: no call for " + numbers.FormatDuration(rules.MaxAbsent)})
		return
	case k.Incident != nil:
		j.Clear = now.Before(k.Seen.Add(r.Absent))
		if j.Truth = condition.True; j.Clear {
			j.Truth = condition.False
		}
		k.LookAt = earlier(nonPast(k.Seen.Add(r.Absent), now), forgotten)
	case !active.Covers(now):
		k.LookAt = earlier(active.Next(now), forgotten)
	case now.Before(missed):
		k.LookAt = missed
	default:
		j.Truth = condition.True
		k.LookAt = earlier(active.Next(now), forgotten)
	}
	g.signal(r, k.Key, lifecycle.Signal{Window: &j})
}

// nonPast is t where it lies ahead.
func nonPast(t, now time.Time) time.Time {
	if t.After(now) {
		return t
	}
	return time.Time{}
}
