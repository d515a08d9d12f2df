package engine

import (
	"fmt"
	"time"
)

const (
	slowTook  = 5 * time.Millisecond // one rule on one call
	slowTimes = 3                    // in a row
)

// stopwatch finds rules that keep taking too long. The fold itself has no clock:
// what is found here changes nothing until the caller of the engine stores an
// Action to disable the rule, so that every replay disables it at the same place.
//
// Rules are measured one by one only after an event for which all of them
// together took too long.
type stopwatch struct {
	clock   func() time.Duration // nil: nothing is measured
	each    bool
	last    time.Duration
	strikes map[int]int // by the rule's place in the set
	slow    []int
}

func (w *stopwatch) begin() {
	if w.clock != nil {
		w.last = w.clock()
	}
}

// lap is the end of one rule.
func (w *stopwatch) lap(rule int) {
	if w.clock == nil || !w.each {
		return
	}
	now := w.clock()
	took := now - w.last
	w.last = now
	if took <= slowTook {
		delete(w.strikes, rule)
		return
	}
	if w.strikes == nil {
		w.strikes = map[int]int{}
	}
	if w.strikes[rule]++; w.strikes[rule] == slowTimes {
		w.slow = append(w.slow, rule)
	}
}

// end is the end of all rules that looked at the call.
func (w *stopwatch) end() {
	if w.clock == nil {
		return
	}
	if w.each {
		w.each = len(w.strikes) > 0
		return
	}
	w.each = w.clock()-w.last > slowTook
}

// Slow names the rules that took more than 5 ms three times in a row since it was
// last called. They go on until an Action disables them.
func (g *Engine) Slow() []string {
	var names []string
	for _, i := range g.watch.slow {
		if !g.st.Rules[i].Disabled {
			names = append(names, g.set.Rules[i].Name)
		}
	}
	g.watch.slow = nil
	return names
}

// disable stops a rule until the rules file changes. Its open incidents resolve.
func (g *Engine) disable(rule string) {
	i, ok := g.indexed[rule]
	if !ok || g.st.Rules[i].Disabled {
		return
	}
	g.st.Rules[i].Disabled = true
	g.st.Rules[i].Fail(fmt.Sprintf("rule %s: disabled, it took more than %s %d times in a row", rule, slowTook, slowTimes))
	g.restAll(i, reasonDisabled)
}
