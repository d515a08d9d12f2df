package engine

import (
	"math"
	"time"

	"callwatch/rules"
	"callwatch/rules/condition"
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
	k.ended()
	g.judgeAbsence(r, k)
}

// judgeAbsence looks whether a key has been without a call for too long. Time
// outside the active hours does not count.
func (g *Engine) judgeAbsence(r *rules.Rule, k *KeyState) {
	now, active := g.st.Now, r.Active.Of(r.Severity)
	watched := later(k.Seen, k.Watched.time())
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
		began = k.Watched.time()
	}
	missed := later(watched, active.Since(now)).Add(r.Absent)
	j := judgement{truth: condition.False, value: math.NaN(), severity: r.Severity, since: began}
	j.evidence = func() rules.Evidence { return g.silence(r, k.Key, "calls", numbers.FormatDuration(now.Sub(began))) }
	switch {
	case k.Incident == nil && old:
		k.Seen, k.LookAt = time.Time{}, time.Time{}
		g.signal(r, k.Key, signal{})
		return
	case k.Incident != nil && old && k.Seen.IsZero():
		k.LookAt = time.Time{}
		g.signal(r, k.Key, signal{close: "not expected any more"})
		return
	case k.Incident != nil && old:
		k.Seen, k.LookAt = time.Time{}, time.Time{}
		g.signal(r, k.Key, signal{close: "not missed any more: no call for " + numbers.FormatDuration(rules.MaxAbsent)})
		return
	case k.Incident != nil:
		j.clear = now.Before(k.Seen.Add(r.Absent))
		if j.truth = condition.True; j.clear {
			j.truth = condition.False
		}
		k.LookAt = earlier(nonPast(k.Seen.Add(r.Absent), now), forgotten)
	case !active.Covers(now):
		k.LookAt = earlier(active.Next(now), forgotten)
	case now.Before(missed):
		k.LookAt = missed
	default:
		j.truth = condition.True
		k.LookAt = earlier(active.Next(now), forgotten)
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
