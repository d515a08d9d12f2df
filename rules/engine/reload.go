package engine

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"callwatch/rules"
	"callwatch/rules/engine/calls"
	"callwatch/rules/engine/lifecycle"
)

// Swap is an engine that goes on with another set where this one is, as if
// it had been stopped and restored with that set: incidents of rules whose name
// and `by` are the same live on. The checkpoint is what a restart has to begin
// with, so that it judges nothing by the new rules that the old ones judged.
// This engine remains as it is.
func (g *Engine) Swap(set *rules.Set) (next *Engine, checkpoint []byte, err error) {
	checkpoint, err = g.Checkpoint()
	if err != nil {
		return nil, nil, err
	}
	if next, err = Restore(set, g.opt, checkpoint); err != nil {
		return nil, nil, fmt.Errorf("swap rules: %w", err)
	}
	return next, checkpoint, nil
}

// settleRestored is what a restored engine does at its first input, before anything
// else happens: close incidents of rules that are no more, and follow the silences
// of a rules file that changed. For a file that did not change it does nothing.
//
// It happens at the time of the input, or when the first deadline before that was
// due: a rule may open an incident for a key only after the incident of the rule
// that had its name is closed.
func (g *Engine) settleRestored(at time.Time) {
	changed := g.from != "" && g.from != g.set.Digest
	if g.from = ""; !changed && len(g.orphans) == 0 {
		return
	}
	g.st.Now = later(g.st.Now, earlier(at, g.NextDeadline()))
	g.closeOrphans()
	g.coverAll("it is no longer in the rules file")
}

const (
	reasonRemoved  = "the rule was removed or regrouped"
	reasonOff      = "the rule was switched off"
	reasonDisabled = "the rule was disabled: it is too slow"
)

// closeOrphans resolves the incidents of rules that are no longer evaluated.
func (g *Engine) closeOrphans() {
	for _, k := range g.orphans {
		next, step, reason := k.Step(&rules.Rule{Name: k.Rule}, lifecycle.Signal{Close: cmp.Or(k.Why, reasonRemoved)}, g.st.Now)
		g.emit(step, reason, *next.Incident)
	}
	g.orphans = nil
}

// restAll resolves the open incidents of a rule that is no longer evaluated, in
// the order of their keys.
func (g *Engine) restAll(i int, reason string) {
	r := g.set.Rules[i]
	for cs := range g.st.Calls.All() {
		if slices.ContainsFunc(cs.Holds, func(h calls.Hold) bool { return h.Rule == i }) {
			*cs.HoldOf(i) = calls.Hold{Rule: i}
		}
	}
	var keys []*lifecycle.KeyState
	for _, k := range g.st.Keys {
		if k.Rule == r.Name {
			keys = append(keys, k)
		}
	}
	slices.SortFunc(keys, func(a, b *lifecycle.KeyState) int { return cmp.Compare(a.Key, b.Key) })
	for _, k := range keys {
		if k.Incident != nil {
			g.signal(r, k.Key, lifecycle.Signal{Close: reason})
		}
		rested, some := k.Rest()
		if *k = rested; !some && g.st.Keys[ruleKey{k.Rule, k.Key}] != nil {
			delete(g.st.Keys, ruleKey{k.Rule, k.Key})
			g.live[i]--
		}
	}
}
