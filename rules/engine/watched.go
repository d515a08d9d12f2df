package engine

import (
	"time"

	"callwatch/rules"
	"callwatch/rules/condition"
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
		case r.Absent > 0 && k.awaited() && away > r.Absent/longAway:
			k.Watched = instantOf(at)
		case r.Absent > 0 && k.awaited():
			k.Watched = instantOf(later(k.Seen, k.Watched.time()).Add(away))
		case k.Window != nil && r.Window.Calls == 0:
			k.Watched, k.Missed = instantOf(at), instantOf(at)
			k.Window.Unwatched(&r.Window.Spec, from, at)
		}
	}
}

// awaited reports whether calls of the key are waited for.
func (k *KeyState) awaited() bool { return !k.Seen.IsZero() || k.Expected }

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
				k.Watched, k.LookAt = instantOf(g.st.Now), g.st.Now.Add(r.Absent)
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

// beforeWhole reports whether the window before that of the key is all that is known of
// it: while callwatch was away it may have had more calls.
func (k *KeyState) beforeWhole(w *rules.Window, now time.Time) bool {
	return k.Missed == 0 || !now.Before(k.Missed.time().Add(2*w.Over))
}

// wholeFrom is when the key's window will have been watched for a whole `over`.
func (k *KeyState) wholeFrom(w *rules.Window) time.Time { return k.Watched.time().Add(w.Over) }

// whole reports whether the key's window holds all the calls it is about.
func (k *KeyState) whole(w *rules.Window, now time.Time) bool {
	if w.Calls > 0 {
		return k.Window.Full(&w.Spec)
	}
	return !now.Before(k.wholeFrom(w))
}

// instant is a time in nanoseconds since 1970, 0 for none: a third of a time.Time,
// of which every key has several.
type instant int64

func instantOf(t time.Time) instant {
	if t.IsZero() {
		return 0
	}
	return instant(t.UnixNano())
}

func (i instant) time() time.Time {
	if i == 0 {
		return time.Time{}
	}
	return time.Unix(0, int64(i)).UTC()
}
