package engine

import (
	"math"
	"time"

	"callwatch/rules"
	"callwatch/rules/condition"
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
	k.ended()
	g.judgeAbsence(r, k)
}

// judgeAbsence looks whether a key has been without a call for too long. Time
// outside the active hours does not count.
func (g *Engine) judgeAbsence(r *rules.Rule, k *KeyState) {
	now := g.st.Now
	watched := later(k.Seen, k.Watched.time())
	if k.Incident == nil && now.Before(watched.Add(r.Absent)) {
		k.LookAt = watched.Add(r.Absent)
		g.leave(k)
		return
	}
	missed := later(watched, r.Active.Since(now)).Add(r.Absent)
	j := judgement{truth: condition.False, value: math.NaN(), severity: r.Severity, since: k.Seen}
	j.evidence = func() rules.Evidence { return g.silence(r, k.Key, "calls", rules.FormatDuration(now.Sub(k.Seen))) }
	switch {
	case k.Seen.IsZero() || k.Incident == nil && !now.Before(k.Seen.Add(rules.MaxAbsent)):
		k.Seen, k.LookAt = time.Time{}, time.Time{}
		g.signal(r, k.Key, signal{})
		return
	case k.Incident != nil && !now.Before(k.Seen.Add(rules.MaxAbsent)):
		k.Seen, k.LookAt = time.Time{}, time.Time{}
		g.signal(r, k.Key, signal{close: "not missed any more: no call for " + rules.FormatDuration(rules.MaxAbsent)})
		return
	case k.Incident != nil:
		j.clear = now.Before(k.Seen.Add(r.Absent))
		if j.truth = condition.True; j.clear {
			j.truth = condition.False
		}
		k.LookAt = earlier(nonPast(k.Seen.Add(r.Absent), now), k.Seen.Add(rules.MaxAbsent))
	case !r.Active.Covers(now):
		k.LookAt = earlier(r.Active.Next(now), k.Seen.Add(rules.MaxAbsent))
	case now.Before(missed):
		k.LookAt = missed
	default:
		j.truth = condition.True
		k.LookAt = earlier(r.Active.Next(now), k.Seen.Add(rules.MaxAbsent))
	}
	g.signal(r, k.Key, signal{window: &j})
}

// nonPast is t where it lies ahead.
func nonPast(t, now time.Time) time.Time {
	if t.After(now) {
		return t
	}
	return time.Time{}
}
