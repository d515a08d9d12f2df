// Package engine evaluates rules: it turns events and the passing of time into
// transitions of incidents, and saves and restores its state. It is a pure fold,
// (state, input) -> (state, transitions): it does no input or output and reads no
// clock. It may import call, rules, its packages below rules and its own packages.
package engine

import (
	"fmt"
	"time"

	"callwatch/call"
	"callwatch/rules"
	"callwatch/rules/condition"
	"callwatch/rules/engine/calls"
	"callwatch/rules/engine/checkpoint"
	"callwatch/rules/engine/lifecycle"
	"callwatch/rules/engine/past"
	"callwatch/rules/window"
)

// Options of an engine.
type Options struct {
	Prefer call.Prefer // which MOS a call shows; empty is the provider's
	// Rate rates intervals that several events of a call brought; nil keeps the
	// rating of each event. See call.Folding.
	Rate func(*call.Event) call.Score

	// EndedFor and OpenFor are how long a call is kept after its latest event,
	// once it has ended and before: later events start it again.
	EndedFor, OpenFor time.Duration

	// PastFor is how long the engine remembers, of calls that are no longer kept,
	// which rules they matched and in which windows they were counted: as long as
	// events are stored. 0 is 30 days.
	PastFor time.Duration

	// Matched is told of each match as it happens, also of those that a cooldown
	// keeps from opening an incident; nil for nobody. It must not keep e.Call.
	Matched func(r *rules.Rule, e *rules.Evidence)

	// Clock tells how much time the calling thread has used, to find rules that are too slow; nil:
	// they are not looked for. It has no influence on what the engine does.
	Clock func() time.Duration

	// Counted is told of each call that a rule over a window has counted or left
	// out, right after; nil for nobody. It must not keep cs.
	Counted func(rule int, cs *calls.State)
}

const (
	defaultEndedFor = time.Hour
	defaultOpenFor  = 24 * time.Hour
)

// Engine folds events and ticks into incidents. It does no input or output and
// never looks at a clock: live running, restart, replay and tests are the same
// fold over the same events. It is not safe for concurrent use.
type Engine struct {
	from    string       // digest of the rules file it was restored with; "" after the first input
	awaited []call.Field // fields that rules read and no event has had

	set     *rules.Set
	opt     Options
	st      state
	due     deadlines
	expiry  calls.Expiry
	facts   condition.Facts
	seen    *call.Event    // what facts were loaded from
	event   *call.Event    // the one that is applied
	carried [][]call.Field // of each rule with "N of M": see carriesSample
	out     []rules.Transition
	indexed map[string]int      // place of each rule in the set
	orphans []checkpoint.Orphan // open incidents of rules that are no more

	expecting bool // the keys that rules expect are waited for
	settling  settling
	live      []int             // keys of each rule
	empty     []bool            // rules whose condition holds on a window without a call
	windows   condition.Facts   // figures of the window being judged
	measured  window.Evaluation // of the window being judged: behind windows
	readings  []window.Reading
	scratch   []byte
	sampled   condition.Facts // samples of a window
	watch     stopwatch
}

// New returns an engine that has seen no event.
func New(set *rules.Set, o Options) *Engine {
	if o.Prefer == "" {
		o.Prefer = call.PreferProvider
	}
	if o.EndedFor == 0 {
		o.EndedFor = defaultEndedFor
	}
	if o.OpenFor == 0 {
		o.OpenFor = defaultOpenFor
	}
	if o.PastFor == 0 {
		o.PastFor = past.DefaultFor
	}
	g := &Engine{
		set: set, opt: o, indexed: map[string]int{},
		st:     state{Calls: calls.New(call.Folding{Prefer: o.Prefer, Rate: o.Rate}), Keys: map[ruleKey]*lifecycle.KeyState{}},
		expiry: calls.Expiry{EndedFor: o.EndedFor, OpenFor: o.OpenFor},
		watch:  stopwatch{clock: o.Clock},
	}
	for i, r := range set.Rules {
		g.indexed[r.Name] = i
		g.st.Rules = append(g.st.Rules, &lifecycle.RuleState{})
	}
	g.awaitFields()
	g.settling, g.live = settlingOf(set), make([]int, len(set.Rules))
	g.findEmpty()
	g.carried = carriedFields(set)
	return g
}

// Seq is the place in the event stream of the last event or tick applied.
func (g *Engine) Seq() uint64 { return g.st.Seq }

// Apply folds one event, stored at a place and time of the event stream, and
// returns the transitions it made happen. An event at or before Seq changes
// nothing, and neither does one whose id was seen before.
func (g *Engine) Apply(seq uint64, at time.Time, e *call.Event) []rules.Transition {
	return g.ApplyText(seq, at, e, nil)
}

// ApplyText is Apply of an event that call.ReadEvent reads from a text, which is kept and must
// not change: the facts of the call need not be written as JSON to keep them.
func (g *Engine) ApplyText(seq uint64, at time.Time, e *call.Event, text []byte) []rules.Transition {
	if !g.begin(seq, at) {
		return nil
	}
	if g.st.Seen.Add(e.ID) {
		return g.out
	}
	g.noteFields(e)
	cs, begun := g.callOf(e.Key())
	over := cs.Over
	changed := g.st.Calls.Fold(cs, e, text, g.st.Now)
	var short []int
	if cs.Over = isOver(&cs.Call.Event); !over && cs.Over {
		short = cs.EndHolds()
	}
	if begun || !over && cs.Over {
		g.expiry.Wait(cs)
	}
	g.judgeAll(cs, e, changed)
	g.settleShort(short, cs)
	g.noticeEnd(cs)
	return g.out
}

// judgeAll lets every rule that the event wakes look at the call. A rule with
// "N of M" sees what the event itself says over what is known of the call, also of
// an event that says the same again: see carriesSample.
func (g *Engine) judgeAll(cs *calls.State, e *call.Event, changed bool) {
	g.event = e
	g.watch.begin()
	defer g.watch.end()
	for _, samples := range []bool{false, true} {
		if !changed && !samples {
			continue
		}
		loaded := false
		for i, r := range g.set.Rules {
			wakes := r.Wakes(e.Kind)
			if g.rests(i) || cs.Outcomes[i] == calls.Matched || r.For.Need > 0 != samples || !wakes && !cs.Holding(i) {
				continue
			}
			if !loaded {
				g.seen = &cs.Call.Event
				if samples {
					g.seen = cs.Call.With(e)
				}
				g.facts.Load(g.seen)
				loaded = true
			}
			if wakes {
				g.judge(i, r, cs)
			} else {
				g.keepHold(i, r, cs)
			}
			g.watch.lap(i)
		}
	}
}

// Tick lets stream time pass without an event.
func (g *Engine) Tick(seq uint64, at time.Time) []rules.Transition {
	if !g.begin(seq, at) {
		return nil
	}
	return g.out
}

// NextDeadline is when time alone will change something next; zero for never.
// The caller makes sure that a tick follows then.
func (g *Engine) NextDeadline() time.Time {
	_, settles := g.settling.next()
	return earlier(g.due.next(), settles)
}

// begin moves stream time on and lets everything happen that was due by then.
func (g *Engine) begin(seq uint64, at time.Time) bool {
	if seq <= g.st.Seq {
		return false
	}
	g.st.Seq, g.out = seq, nil
	at = at.UTC().Round(0)
	g.settleRestored(at)
	first := !g.expecting
	for {
		if q, due := g.settling.next(); q != nil && !due.After(at) && !g.due.before(due) {
			g.st.Now = later(g.st.Now, due)
			g.settleNext(q)
			g.st.Calls.Evict()
			continue
		}
		d, ok := g.due.pop(at)
		if !ok {
			break
		}
		g.st.Now = later(g.st.Now, d.at)
		g.expired(d)
		g.cover(g.st.Keys[ruleKey{d.rule, d.key}], "")
	}
	g.st.Now = later(g.st.Now, at)
	if g.expecting = true; first {
		g.expect()
	}
	g.forget()
	g.st.Calls.Evict()
	return true
}

// expired handles a deadline: a condition has held long enough, or an incident
// is to be told or closed. A deadline that was moved finds nothing to do.
func (g *Engine) expired(d deadline) {
	i, known := g.indexed[d.rule]
	if !known || g.rests(i) {
		return
	}
	r := g.set.Rules[i]
	if d.call != (call.Key{}) {
		g.heldUntil(i, r, d)
		return
	}
	k := g.st.Keys[ruleKey{d.rule, d.key}]
	if k == nil {
		return
	}
	if k.Queued.Equal(d.at) {
		k.Queued = time.Time{}
	}
	if !k.Due(d.at.Add(-time.Nanosecond)).Equal(d.at) {
		// It was moved: a restored engine, which does not have the entry, must do the same.
		g.await(k)
		return
	}
	switch {
	case r.Window != nil:
		g.judgeWindow(i, r, k)
	case r.Absent > 0:
		g.judgeAbsence(r, k)
	default:
		g.signal(r, d.key, lifecycle.Signal{})
	}
}

// rests reports whether a rule is not evaluated: it is off, or disabled.
func (g *Engine) rests(i int) bool {
	return g.set.Rules[i].Mode == rules.Off || g.st.Rules[i].Disabled
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// callOf is the call an event is about, begun where it is not kept.
func (g *Engine) callOf(k call.Key) (cs *calls.State, begun bool) {
	if cs := g.call(k); cs != nil {
		return cs, false
	}
	cs = &calls.State{Key: k, Call: &call.Call{}, Outcomes: make([]calls.Outcome, len(g.set.Rules))}
	if old := g.st.Calls.Get(k); old != nil { // expired, but not removed yet
		copy(cs.Outcomes, old.Outcomes)
		return cs, true
	}
	for i, o := range []byte(g.st.Past.Of(k, g.st.Now, g.opt.PastFor)) {
		if i < len(cs.Outcomes) && calls.Outcome(o) <= calls.Counted {
			cs.Outcomes[i] = calls.Outcome(o)
		}
	}
	return cs, true
}

// call returns a call that has not expired, with its facts; nil if there is none.
func (g *Engine) call(k call.Key) *calls.State {
	if !g.Has(k) {
		return nil
	}
	return g.st.Calls.Load(g.st.Calls.Get(k))
}

// forget drops calls that have had no event for long enough.
func (g *Engine) forget() {
	for _, cs := range g.expiry.Due(g.st.Now) {
		switch {
		case g.st.Calls.Get(cs.Key) != cs: // removed since
		case g.expiry.Gone(cs, g.st.Now):
			g.st.Past.Keep(cs.Key, asBytes(cs.Outcomes), g.st.Now, g.opt.PastFor)
			g.st.Calls.Remove(cs)
		default:
			g.expiry.Wait(cs)
		}
	}
}

func asBytes(outcomes []calls.Outcome) []byte {
	text := make([]byte, len(outcomes))
	for i, o := range outcomes {
		text[i] = byte(o)
	}
	return text
}

func isOver(e *call.Event) bool {
	return e.Final || e.Kind == call.Ended || e.Kind == call.Report
}

// Incidents are the open incidents, oldest first.
func (g *Engine) Incidents() []rules.Incident {
	var open []rules.Incident
	for _, k := range g.st.Keys {
		if k.Incident != nil {
			open = append(open, *k.Incident)
		}
	}
	sortIncidents(open)
	return open
}

// Has reports whether a call is known that has not expired.
func (g *Engine) Has(k call.Key) bool {
	cs := g.st.Calls.Get(k)
	return cs != nil && !g.expiry.Gone(cs, g.st.Now)
}

// Call returns what is known of a call; false once it has expired.
func (g *Engine) Call(k call.Key) (call.Call, bool) {
	if !g.Has(k) {
		return call.Call{}, false
	}
	return *g.st.Calls.Facts(g.st.Calls.Get(k)), true
}

func failure(r *rules.Rule, err any) string { return fmt.Sprintf("rule %s: %v", r.Name, err) }
