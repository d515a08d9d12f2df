package engine

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"callwatch/rules"
	"callwatch/rules/numbers"
)

// gather is how long counts of an open incident gather before they are told.
const gather = 30 * time.Second

// signal is what can happen to the state of one key.
type signal struct {
	match   *rules.Evidence // a call matched
	since   time.Time       // and when its condition began to hold; zero: now
	again   bool            // and had been judged good before
	good    *rules.Evidence // a call was judged good
	unknown bool            // a call could not be judged
	window  *judgement      // a window or an absence was judged
	close   string          // the incident ends, whatever its condition: why
	by      string          // who ends it; "" for callwatch itself
}

// step decides what a signal, or the passing of time when the signal is empty,
// does to one key. It is pure: the same state, signal and time give the same
// state and the same transition; "" is none.
func (k KeyState) step(r *rules.Rule, in signal, at time.Time) (KeyState, rules.Step, string) {
	switch {
	case in.close != "" && k.Incident != nil:
		return k.closed(r, in, at)
	case in.window != nil:
		return k.judged(r, in.window, at)
	case in.match != nil && k.Incident != nil:
		return k.join(r, in, at)
	case in.match != nil && !r.Active.Of(in.match.Severity).Covers(at):
		return k, stepInactive, ""
	case in.match != nil && at.Before(k.QuietTill):
		return k, stepCooledDown, ""
	case in.match != nil:
		return k.open(r, *in.match, in.since, at)
	case k.Incident == nil:
		return k, "", ""
	case in.good != nil:
		k.change(func(i *rules.Incident) { i.Counts.Judged++ })
		k.LastGood = in.good
		return k.gatherFrom(at), "", ""
	case in.unknown:
		k.change(func(i *rules.Incident) { i.Counts.Unjudged++ })
		return k.gatherFrom(at), "", ""
	case !k.ResolveAt.IsZero() && !at.Before(k.ResolveAt) && r.OfCalls():
		return k.resolve(r, at, fmt.Sprintf("no further match for %s", numbers.FormatDuration(k.Incident.ResolveAfter)))
	}
	return k.passing(r, at)
}

// passing is what time alone does to an open incident.
func (k KeyState) passing(r *rules.Rule, at time.Time) (KeyState, rules.Step, string) {
	reminds := !k.RemindAt.IsZero() && !at.Before(k.RemindAt)
	if reminds && k.quiet(r, at) {
		k.RemindAt, reminds = at.Add(k.RemindIn), false
	}
	switch {
	case reminds:
		return k.remind(r, at)
	case !k.UpdateAt.IsZero() && !at.Before(k.UpdateAt):
		if k.UpdateAt = (time.Time{}); !k.stale() {
			return k, "", "" // it is again as it was told
		}
		k.change(func(i *rules.Incident) { i.UpdatedAt = at })
		return k, rules.StepUpdated, progress(k.Incident)
	}
	return k, "", ""
}

// progress is the reason of an update.
func progress(in *rules.Incident) string {
	if v := in.Values; v != nil {
		return fmt.Sprintf("%s is %s", v.Name, numbers.Format(v.Latest))
	}
	return fmt.Sprintf("%d calls matched", in.Counts.Matched)
}

// change replaces the incident by a changed copy: transitions hold the earlier
// ones.
func (k *KeyState) change(f func(*rules.Incident)) {
	in := *k.Incident
	f(&in)
	k.Incident = &in
}

func (k KeyState) gatherFrom(at time.Time) KeyState {
	if k.UpdateAt.IsZero() {
		k.UpdateAt = at.Add(gather)
	}
	return k
}

// open begins an incident; since is when its condition began to hold, zero for now.
func (k KeyState) open(r *rules.Rule, e rules.Evidence, since, at time.Time) (KeyState, rules.Step, string) {
	resolveAfter, note := k.settleDown(r, at)
	k.Incident = &rules.Incident{
		Rule: r.Name, By: r.KeyLabels(k.Key), State: rules.Firing, Severity: e.Severity, Mode: r.Mode,
		OpenedAt: at, UpdatedAt: at,
		Runbook: r.Runbook, Owner: r.Owner, Labels: r.Labels, Show: r.Show,
		Counts:  rules.Counts{Matched: 1, Judged: 1},
		Opening: e, Latest: e, Worst: e,
		ResolveAfter: resolveAfter,
	}
	if !since.IsZero() && since.Before(at) {
		k.Incident.Since = since
	}
	k.Incident.ID = incidentID(k.Incident)
	k.Incident.Samples = sample(r, nil, e)
	k.Incident.Summary = r.Summarize(k.Incident)
	k.ResolveAt, k.UpdateAt, k.LastGood = at.Add(resolveAfter), time.Time{}, nil
	k.remindFrom(r, at)
	return k, rules.StepOpened, note
}

// join takes a further match into the open incident.
func (k KeyState) join(r *rules.Rule, in signal, at time.Time) (KeyState, rules.Step, string) {
	e, before := *in.match, k.Incident.Severity
	k.change(func(i *rules.Incident) {
		i.Counts.Matched++
		if !in.again {
			i.Counts.Judged++
		}
		i.Counts.Judged = max(i.Counts.Judged, i.Counts.Matched)
		i.UpdatedAt, i.Latest = at, e
		if e.Severity.Worse(i.Severity) {
			i.Severity = e.Severity
		}
		if worse(e, i.Worst) {
			i.Worst = e
			i.Summary = r.Summarize(i)
		}
		i.Samples = sample(r, i.Samples, e)
	})
	k.ResolveAt = at.Add(k.Incident.ResolveAfter)
	if k.Incident.Severity != before {
		k.UpdateAt = time.Time{}
		k.remindFrom(r, at)
		return k, rules.StepEscalated, fmt.Sprintf("from %s to %s", before, k.Incident.Severity)
	}
	return k.gatherFrom(at), "", ""
}

func (k KeyState) resolve(r *rules.Rule, at time.Time, reason string) (KeyState, rules.Step, string) {
	k.change(func(i *rules.Incident) {
		i.State, i.ResolvedAt, i.UpdatedAt = rules.Resolved, at, at
		i.Resolving = k.LastGood
	})
	k.ResolveAt, k.UpdateAt, k.RemindAt, k.LastGood, k.Tally, k.Tallied = time.Time{}, time.Time{}, time.Time{}, nil, nil, 0
	k.QuietTill = at.Add(r.Cooldown)
	return k, rules.StepResolved, reason
}

// closed ends an incident whatever its condition. That of a window or an absence may
// go on to hold: it opens no other incident until it has ended or holds at a higher
// severity.
func (k KeyState) closed(r *rules.Rule, in signal, at time.Time) (KeyState, rules.Step, string) {
	if in.by != "" {
		k.change(func(i *rules.Incident) { i.ResolvedBy = &rules.Actor{By: in.by, At: at} })
		if !r.OfCalls() {
			k.Dismissed = k.Incident.Severity
		}
	}
	return k.resolve(r, at, in.close)
}

// worse orders evidence: severity first, then how far beyond the limits.
func worse(a, b rules.Evidence) bool { return compareEvidence(a, b) < 0 }

func compareEvidence(a, b rules.Evidence) int {
	return cmp.Or(b.Severity.Rank()-a.Severity.Rank(), cmp.Compare(b.Margin, a.Margin))
}

// sample keeps the worst calls, at most as many as the rule wants.
func sample(r *rules.Rule, have []rules.Evidence, e rules.Evidence) []rules.Evidence {
	all := append(slices.Clone(have), e)
	slices.SortStableFunc(all, compareEvidence)
	return all[:min(len(all), r.Samples)]
}

// What kept an incident from opening: steps that are counted and not stored.
const (
	stepCooledDown rules.Step = "cooled-down"    // a cooldown
	stepInactive   rules.Step = "outside-active" // the rule's active hours
)

// countHeldBack counts a step that was not stored.
func countHeldBack(h *rules.HeldBack, step rules.Step) {
	switch step {
	case stepInactive:
		h.ActiveHours++
	case stepCooledDown:
		h.Cooldown++
	}
}
