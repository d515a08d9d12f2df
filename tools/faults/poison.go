package main

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"callwatch/normalizer/simulate"
	"callwatch/tools/faults/rig"
)

// poison sends bodies that no normalizer can read, among good ones, to a callwatch
// one of whose rules panics whenever it is asked.
func poison(t *rig.Trial) error {
	t.Enable = append(t.Enable, "panics")
	r, err := t.Rig(16, 0.5)
	if err != nil {
		return err
	}
	defer r.Close()
	rules, routes, _ := strings.Cut(rig.BadCalls, "routes:")
	if err := r.WriteRules(rules + "  - name: panics\n    when: durationSec > 0\nroutes:" + routes); err != nil {
		return err
	}
	traffic, err := r.Traffic(t.Seed, t.Times(200, 5000), 0.5)
	if err != nil {
		return err
	}
	all := slices.Collect(traffic)
	poisons := poisonBodies()
	sent := 0
	for i := range all {
		// Only what a token verifies can be anything at all.
		if all[i].Provider != "butter" || all[i].Expect != simulate.Normalized || i%2 == 1 {
			continue
		}
		all[i].Body, all[i].Expect = []byte(poisons[sent%len(poisons)]), simulate.DeadLetter
		sent++
	}
	r.Load.Requests = slices.Values(all)
	if err := r.Begin(); err != nil {
		return err
	}
	r.Load.Drain()
	if err := r.Settled(t.Span(60e9, 300e9)); err != nil {
		return err
	}
	dead, _ := strconv.Atoi(r.Metric(`callwatch_dead_letters_total{provider="butter"}`))
	failed, _ := strconv.Atoi(r.Metric(`callwatch_rule_errors_total{rule="panics"}`))
	t.Count("%d poisoned bodies, %d kept as dead letters, %d panics of a rule", sent, dead, failed)
	if err := t.Finish(r.Product, r.Checker, "nothing stalled"); err != nil {
		return err
	}
	if sent == 0 || dead == 0 || failed == 0 {
		return fmt.Errorf("%d poisoned, %d dead letters, %d panics", sent, dead, failed)
	}
	return nil
}

func poisonBodies() []string {
	return []string{
		`{"call_sid":`, `[]`, `null`, `"text"`, `{}`, "\x00\xff\xfe", strings.Repeat("[", 10_000), strings.Repeat(`{"a":`, 5000) + "1" + strings.Repeat("}", 5000),
		`{"call_sid":"x","status":"completed","duration":1e400}`, `{"call_sid":"x","status":"completed","timestamp":"99999-99-99"}`,
		`{"call_sid":{"a":[]},"status":7}`, `{"call_sid":"` + strings.Repeat("x", 200_000) + `"}`,
	}
}
