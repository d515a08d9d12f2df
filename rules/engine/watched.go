package engine

import (
	"time"

	"callwatch/rules"
	"callwatch/rules/condition"
	"callwatch/rules/engine/lifecycle"
	"callwatch/rules/window"
)

// Absence, and a window with too few calls, say something only about time in which
// callwatch was there to see the calls: a whole `absent` or `over` of it. Time
// passes in the stream without that while callwatch is stopped.

const (
	// shortAway is how long callwatch may be away without anybody noticing.
	shortAway = 20 * time.Second
	// longAway is the part of an `absent` that callwatch may be away without
	// starting it again: shorter times are left out of it.
	longAway = 10
)

// resume tells the keys that wait for calls that nobody watched since the last
// input.
func (g *Engine) resume(at time.Time) {
	from := g.st.Now
	away := at.Sub(from)
	if from.IsZero() || away <= shortAway {
		return
	}
	for _, k := range g.st.Keys {
		i := g.indexed[k.Rule]
		switch r := g.set.Rules[i]; {
		case r.Absent > 0 && k.Awaited() && away > r.Absent/longAway:
			k.Watched = lifecycle.InstantOf(at)
		case r.Absent > 0 && k.Awaited():
			k.Watched = lifecycle.InstantOf(later(k.Seen, k.Watched.Time()).Add(away))
		case k.Window != nil && r.Window.Calls == 0:
			k.Watched, k.Missed = lifecycle.InstantOf(at), lifecycle.InstantOf(at)
			k.Window.Unwatched(&r.Window.Spec, from, at)
		}
	}
}

// expect begins to wait for the keys that rules name, at the first input with a set:
// before it nobody waited.
func (g *Engine) expect() {
	for i, r := range g.set.Rules {
		if g.rests(i) {
			continue
		}
		for _, key := range r.Expect {
			k := g.key(i, key)
			if k == nil || k.Expected {
				continue
			}
			k.Expected = true
			if k.Seen.IsZero() {
				k.Watched, k.LookAt = lifecycle.InstantOf(g.st.Now), g.st.Now.Add(r.Absent)
			}
			g.await(k)
		}
	}
}

// findEmpty notes the rules whose condition holds on a window without a call, such
// as calls < 5: their keys are kept when they have no call left.
func (g *Engine) findEmpty() {
	g.empty = make([]bool, len(g.set.Rules))
	for i, r := range g.set.Rules {
		if r.Window == nil || r.When == nil || r.Window.NoData == rules.NoDataResolve {
			continue
		}
		health := *g.st.Rules[i]
		g.measureWindow(r.Window, window.New(&r.Window.Spec, time.Unix(0, 0)))
		g.empty[i] = g.evalWindow(i, r, r.When).Truth == condition.True
		*g.st.Rules[i] = health
	}
}

// holdsWithMore reports whether the rule's condition, which is true of the figures
// that are loaded, is true as well with any number of further calls: a window that
// was not watched for long enough may have had some.
func (g *Engine) holdsWithMore(i int, r *rules.Rule) bool {
	g.windows.LoadFurther(g.measured.Bounds, r.Window.Figures.Further(g.measured.Bounds))
	defer g.windows.LoadFigures(g.measured.Bounds)
	return g.evalWindow(i, r, r.When).Truth == condition.True
}
