// Package lifecycle decides what a call, a judgement of a window or the passing of time does
// to the incident of one key of a rule, and counts what a rule did. It is pure: it knows no
// other keys and no clock. It may import call, rules, its packages below rules and rules/engine/parts.
package lifecycle

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

// Signal is what can happen to the state of one key.
type Signal struct {
	Match   *rules.Evidence // a call matched
	Since   time.Time       // and when its condition began to hold; zero: now
	Again   bool            // and had been judged good before
	Good    *rules.Evidence // a call was judged good
	Judged  bool            // a call was judged that neither matched nor is good
	Unknown bool            // a call could not be judged
	Window  *Judgement      // a window or an absence was judged
	Close   string          // the incident ends, whatever its condition: why
	By      string          // who ends it; "" for callwatch itself
}

// Step decides what a signal, or the passing of time when the signal is empty,
// does to one key. It is pure: the same state, signal and time give the same
// state and the same transition; "" is none.
func (k KeyState) Step(r *rules.Rule, in Signal, at time.Time) (KeyState, rules.Step, string) {
	switch {
	case in.Close != "" && k.Incident != nil:
		return k.closed(r, in, at)
	case in.Window != nil:
		return k.judged(r, in.Window, at)
	case in.Match != nil && k.Incident != nil:
		return k.join(r, in, at)
	case in.Match != nil && !r.Active.Of(in.Match.Severity).Covers(at):
		return k, StepInactive, ""
	case in.Match != nil && at.Before(k.QuietTill):
		return k, StepCooledDown, ""
	case in.Match != nil:
		return k.open(r, *in.Match, in.Since, at)
	case k.Incident == nil:
		return k, "", ""
	case in.Good != nil:
		k.Change(func(i *rules.Incident) { i.Counts.Judged++ })
		k.LastGood = in.Good
		return k.GatherFrom(at), "", ""
	case in.Judged:
		k.Change(func(i *rules.Incident) { i.Counts.Judged++ })
		return k.GatherFrom(at), "", ""
	case in.Unknown:
		k.Change(func(i *rules.Incident) { i.Counts.Unjudged++ })
		return k.GatherFrom(at), "", ""
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
		k.Change(func(i *rules.Incident) { i.UpdatedAt = at })
		return k, rules.StepUpdated, progress(r, k.Incident)
	}
	return k, "", ""
}

// progress is the reason of an update.
func progress(r *rules.Rule, in *rules.Incident) string {
	if v := in.Values; v != nil {
		return fmt.Sprintf("%s is %s", v.Name, numbers.Format(v.Latest))
	}
	if !r.OfCalls() { // it opened because there were none
		return fmt.Sprintf("%d calls since it opened", in.Counts.Judged+in.Counts.Unjudged)
	}
	return fmt.Sprintf("%d calls matched", in.Counts.Matched)
}

// Change replaces the incident by a changed copy: transitions hold the earlier
// ones.
func (k *KeyState) Change(f func(*rules.Incident)) {
	in := *k.Incident
	f(&in)
	k.Incident = &in
}

// GatherFrom is the key with an update due once the changes from now on have gathered.
func (k KeyState) GatherFrom(at time.Time) KeyState {
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
	if resolveAfter > r.ResolveAfter {
		k.Incident.Flapping = &rules.Flapping{Openings: len(k.Openings), Usual: r.ResolveAfter}
	}
	if w := r.Window; w != nil && w.Resolve != nil {
		k.Incident.ResolveWhen = w.Resolve.String()
	}
	if !since.IsZero() && since.Before(at) {
		k.Incident.Since = since
	}
	k.Incident.ID = incidentID(k.Incident)
	k.Incident.Samples = Sample(r, nil, e)
	k.Incident.Summary = r.Summarize(k.Incident)
	k.ResolveAt, k.UpdateAt, k.LastGood = at.Add(resolveAfter), time.Time{}, nil
	k.remindFrom(r, at)
	return k, rules.StepOpened, note
}

// join takes a further match into the open incident.
func (k KeyState) join(r *rules.Rule, in Signal, at time.Time) (KeyState, rules.Step, string) {
	e, before := *in.Match, k.Incident.Severity
	k.Change(func(i *rules.Incident) {
		i.Counts.Matched++
		if !in.Again {
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
		i.Samples = Sample(r, i.Samples, e)
	})
	k.ResolveAt = at.Add(k.Incident.ResolveAfter)
	if k.Incident.Severity != before {
		k.UpdateAt = time.Time{}
		k.remindFrom(r, at)
		return k, rules.StepEscalated, held(r, reached(r, &e))
	}
	return k.GatherFrom(at), "", ""
}

func (k KeyState) resolve(r *rules.Rule, at time.Time, reason string) (KeyState, rules.Step, string) {
	k.Change(func(i *rules.Incident) {
		i.State, i.ResolvedAt, i.UpdatedAt, i.Ended = rules.Resolved, at, at, reason
		i.Resolving = k.LastGood
	})
	k.ResolveAt, k.UpdateAt, k.RemindAt, k.LastGood, k.Tally, k.Tallied = time.Time{}, time.Time{}, time.Time{}, nil, nil, 0
	k.QuietTill = at.Add(r.Cooldown)
	return k, rules.StepResolved, reason
}

// closed ends an incident whatever its condition. That of a window or an absence may
// go on to hold: it opens no other incident until it has ended or holds at a higher
// severity.
func (k KeyState) closed(r *rules.Rule, in Signal, at time.Time) (KeyState, rules.Step, string) {
	if in.By == "" {
		k.Change(func(i *rules.Incident) { i.Closed = true })
		return k.resolve(r, at, in.Close)
	}
	k.Change(func(i *rules.Incident) { i.ResolvedBy = &rules.Actor{By: in.By, At: at} })
	if !r.OfCalls() {
		k.Dismissed = k.Incident.Severity
	}
	return k.resolve(r, at, in.Close)
}

// worse orders evidence: severity first, then how far beyond the limits.
func worse(a, b rules.Evidence) bool { return compareEvidence(a, b) < 0 }

func compareEvidence(a, b rules.Evidence) int {
	return cmp.Or(b.Severity.Rank()-a.Severity.Rank(), cmp.Compare(b.Margin, a.Margin))
}

// Sample keeps the worst calls, at most as many as the rule wants.
func Sample(r *rules.Rule, have []rules.Evidence, e rules.Evidence) []rules.Evidence {
	all := append(slices.Clone(have), e)
	slices.SortStableFunc(all, compareEvidence)
	return all[:min(len(all), r.Samples)]
}

// What kept an incident from opening: steps that are counted and not stored.
const (
	StepCooledDown rules.Step = "cooled-down"    // a cooldown
	StepInactive   rules.Step = "outside-active" // the rule's active hours
)

// CountHeldBack counts a step that was not stored.
func CountHeldBack(h *rules.HeldBack, step rules.Step) {
	switch step {
	case StepInactive:
		h.ActiveHours++
	case StepCooledDown:
		h.Cooldown++
	}
}
