package lifecycle

import (
	"cmp"
	"math"
	"slices"
	"time"

	"callwatch/call"
	"callwatch/rules"
	"callwatch/rules/condition"
	"callwatch/rules/numbers"
	"callwatch/rules/window"
)

const (
	maxTop   = 10
	maxTally = 64 // values followed while an incident is open
)

// topFields are where the calls to blame may have something in common.
func topFields() []string {
	return []string{"direction", "region", "codec", "transport", "connectionId", "campaignId", "agentId", "toCountry", "hangupClass", "sipCode"}
}

// Count counts one measured call by the values of its fields.
func (k *KeyState) Count(r *rules.Rule, e *call.Event, met bool) {
	k.Tallied++
	for _, name := range topFields() {
		if slices.Contains(r.By, name) {
			continue
		}
		f, _ := call.Lookup(name)
		value := f.Format(e)
		if value == "" {
			continue
		}
		i := slices.IndexFunc(k.Tally, func(s rules.Share) bool { return s.Field == name && s.Value == value })
		if i < 0 {
			if len(k.Tally) >= maxTally {
				continue
			}
			i = len(k.Tally)
			k.Tally = append(k.Tally, rules.Share{Field: name, Value: value})
		}
		k.Tally[i].Judged++
		if met {
			k.Tally[i].Matched++
		}
	}
}

// Top are the values with the most matching calls.
func (k *KeyState) Top() []rules.Share {
	top := slices.DeleteFunc(slices.Clone(k.Tally), func(s rules.Share) bool { return s.Matched == 0 })
	slices.SortStableFunc(top, func(a, b rules.Share) int {
		return cmp.Or(b.Matched-a.Matched, cmp.Compare(a.Judged, b.Judged), cmp.Compare(a.Field, b.Field), cmp.Compare(a.Value, b.Value))
	})
	return slices.Clip(top[:min(len(top), maxTop)])
}

// AddCall counts a further call of an open incident, or a further leg of a session
// that it counted before.
func (k *KeyState) AddCall(r *rules.Rule, e *call.Event, facts *condition.Facts, readings []window.Reading, added *window.Added, at time.Time) {
	l := r.Window.Lead(k.Lead)
	p := Contribution(l, readings)
	if p.Measured {
		k.Count(r, e, p.Met)
	}
	k.Change(func(i *rules.Incident) {
		if added.Was != nil {
			AddContribution(&i.Counts, Contribution(l, added.Was), -1)
		}
		AddContribution(&i.Counts, Contribution(l, added.Is), 1)
		i.Top, i.TopOf = k.Top(), k.Tallied
		if p.Met {
			i.Samples = Sample(r, i.Samples, Blame(r, l, e, facts, at))
		}
	})
	*k = k.GatherFrom(at)
}

// Contribution is what a lead makes of a call; without one, every call counts the same.
func Contribution(l *window.Lead, readings []window.Reading) window.Contribution {
	if l == nil {
		return window.Contribution{Measured: true, Judged: true, Met: true}
	}
	return l.Contribution(readings)
}

// Blame is one call as evidence for what a lead says of all.
func Blame(r *rules.Rule, l *window.Lead, e *call.Event, facts *condition.Facts, at time.Time) rules.Evidence {
	ev := rules.Evidence{At: at, Call: e.Clone()}
	ev.Call.Raw, ev.Call.Intervals, ev.Call.Turns, ev.Call.Counters = nil, nil, nil, nil
	if l == nil || l.Arg < 0 {
		return ev
	}
	if p := l.Holds; p != nil {
		ev.Conditions, ev.Margin = p.Explain(facts), min(p.Margin(facts), math.MaxFloat64)
		return ev
	}
	arg := r.Window.Figures.Args[l.Arg]
	v, known, _ := arg.Number(facts)
	if !known {
		return ev
	}
	c := rules.Condition{Expr: arg.Text, Text: arg.Text + " (" + numbers.Format(v) + ")", Truth: condition.True, Value: &v}
	if l.Limits() {
		limit := " " + l.Limit.Op + " " + numbers.Format(l.Limit.Number)
		c.Expr, c.Text = c.Expr+limit, c.Text+limit
		if !l.Limit.Holds(v) {
			c.Truth = condition.False
		}
	}
	ev.Margin = float64(l.Direction) * v
	ev.Conditions = []rules.Condition{c}
	return ev
}

// AddContribution counts n calls by what each contributes to the leading figure.
func AddContribution(c *rules.Counts, p window.Contribution, n int) {
	switch {
	case !p.Judged:
		c.Unjudged += n
		if p.Measured {
			c.Partial += n
		}
	case p.Met:
		c.Matched += n
		c.Judged += n
	default:
		c.Judged += n
	}
}
