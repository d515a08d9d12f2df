package engine

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"callwatch/rules"
)

const twoRules = "rules:\n  - {name: quick, when: mos < 3.5}\n  - {name: slow, when: packetsLost > 50 || mos < 3.5}\n"

// A clock by which each rule takes as long as it is told to.
type rulesClock struct {
	took []time.Duration // of the rules, in turn
	now  time.Duration
	laps int
}

func (c *rulesClock) read() time.Duration {
	c.now += c.took[c.laps%len(c.took)]
	c.laps++
	return c.now
}

func TestSlowRuleIsNamedAndDisabled(t *testing.T) {
	// At the begin of an event nothing has passed, then the two rules one by one.
	// The first event is only looked at as a whole: begin and end.
	clock := &rulesClock{took: []time.Duration{0, 10 * time.Millisecond}}
	set := compileSet(t, twoRules)
	f := &feed{engine: New(set, Options{Clock: clock.read}), at: t0}
	f.event(ended("0", mos(4)))
	if slow := f.engine.Slow(); slow != nil {
		t.Fatalf("after one event: %q", slow)
	}
	*clock = rulesClock{now: clock.now, took: []time.Duration{0, time.Millisecond, 6 * time.Millisecond}}
	for i := range 3 {
		f.event(ended(fmt.Sprint("a", i), mos(4)))
	}
	if diff := cmp.Diff([]string{"slow"}, f.engine.Slow()); diff != "" {
		t.Fatal(diff)
	}
	if f.engine.Slow() != nil {
		t.Error("it is told twice")
	}
	f.event(ended("b", mos(2))) // it goes on until it is disabled
	f.seq++
	f.engine.Act(f.seq, f.at, rules.Action{Do: rules.DisableRule, By: "callwatch", Rule: "slow"})
	f.event(ended("c", mos(2)))
	if got := f.engine.Healths(); got[1].Counts.Matched != 1 || !got[1].Disabled || got[1].LastError == "" || got[0].Counts.Matched != 2 {
		t.Errorf("healths %+v", got)
	}

	data, err := f.engine.Checkpoint()
	if err != nil {
		t.Fatal(err)
	}
	for yaml, disabled := range map[string]bool{twoRules: true, twoRules + "# edited\n": false} {
		g, err := Restore(compileSet(t, yaml), Options{}, data)
		if err != nil {
			t.Fatal(err)
		}
		if got := g.Healths()[1].Disabled; got != disabled {
			t.Errorf("restored with a file that is the same (%v): disabled %v", disabled, got)
		}
	}
}

// One slow event, such as after a pause of the machine, is no slow rule.
func TestPauseIsNoSlowRule(t *testing.T) {
	clock := &rulesClock{took: []time.Duration{0, time.Second}}
	f := &feed{engine: New(compileSet(t, twoRules), Options{Clock: clock.read}), at: t0}
	f.event(ended("0", mos(4)))
	*clock = rulesClock{now: clock.now, took: []time.Duration{0}}
	for i := range 10 {
		f.event(ended(fmt.Sprint("a", i), mos(4)))
	}
	if slow := f.engine.Slow(); slow != nil {
		t.Errorf("slow: %q", slow)
	}
}
