package main

import (
	"slices"
	"strings"
	"testing"
	"time"

	"callwatch/cmd/callwatch/internal/simulatecmd"
	"callwatch/normalizer"
	"callwatch/normalizer/registry"
	"callwatch/normalizer/simulate"
	"callwatch/rules"
	"callwatch/rules/engine"
	"callwatch/rules/rulefmt"
)

// A fleet in which one call of a hundred is bad, spread over all providers, gives
// at most one open incident per provider, a quiet one; a provider of which a
// third of the calls is bad gives one alert that takes the quiet one in.
func TestShippedRulesOnAFleet(t *testing.T) {
	long(t)
	plain(t)
	t.Parallel()
	set, problems, err := rulefmt.LoadFile("../../rules.yaml")
	if err != nil || len(problems) > 0 {
		t.Fatal(err, problems)
	}
	for _, c := range []struct {
		name, scenario string
		providers      []string
		bad            float64
		want           []string // active incidents that were opened: "rule provider severity", " joined" where it was adopted
	}{
		{"healthy", "good", nil, 0, nil},
		{"one call of a hundred", "mixed", nil, 0.01, []string{
			"bad-call bird info", "bad-call signalwire info", "bad-call telnyx info", "bad-call twilio info",
		}},
		{"low scores", "low-mos", []string{"telnyx"}, 0.01, []string{"bad-call telnyx info"}},
		{"low scores in a third", "low-mos", []string{"telnyx"}, 0.34, []string{
			"bad-call telnyx info joined", "provider-quality telnyx critical",
		}},
		{"silent calls", "one-way-audio", []string{"telnyx"}, 0.1, []string{
			"bad-call telnyx info joined", "one-way-share telnyx critical",
		}},
		{"failing calls", "call-failures", []string{"telnyx"}, 0.1, []string{"failure-share telnyx critical"}},
		{"slow agents", "agent-slow", []string{"atoms"}, 0.4, []string{
			"agent-slow-share atoms critical",
		}},
		{"agents with errors", "agent-errors", []string{"atoms"}, 0.2, []string{
			"agent-error-share atoms critical",
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := simulate.Options{Seed: 7, Providers: c.providers, Scenario: c.scenario, Rate: 0.5, Count: 1200, Bad: &c.bad}
			if opened := alerts(judgeFleet(t, set, o)); !slices.Equal(opened, c.want) {
				t.Errorf("opened\n%s\nwant\n%s", strings.Join(opened, "\n"), strings.Join(c.want, "\n"))
			}
		})
	}
}

// alerts names the incidents of rules that alert; of several about the same, one.
func alerts(incidents map[string]rules.Incident) []string {
	var names []string
	for _, in := range incidents {
		if in.Mode != rules.Active {
			continue
		}
		name := in.Rule + " " + in.Worst.Call.Provider + " " + string(in.Severity)
		if in.Parent != "" {
			name += " joined"
		}
		names = append(names, name)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// judgeFleet judges simulated traffic and returns the last state of each incident
// by its id.
func judgeFleet(t *testing.T, set *rules.Set, o simulate.Options) map[string]rules.Incident {
	t.Helper()
	seen := map[string]rules.Incident{}
	for _, made := range fleetTransitions(t, set, o) {
		seen[made.Incident.ID] = made.Incident
	}
	return seen
}

// fleetTransitions are what a rule engine makes of simulated traffic.
func fleetTransitions(t *testing.T, set *rules.Set, o simulate.Options) (all []rules.Transition) {
	t.Helper()
	if o.Sources == nil {
		o.Sources = registry.Simulators()
	}
	providers := knownProviders()
	secrets, err := simulatecmd.RandomSecrets(o.Sources)
	if err != nil {
		t.Fatal(err)
	}
	o.Secrets, o.Start = secrets, time.Date(2026, 3, 2, 9, 30, 0, 0, time.UTC)
	traffic, err := simulate.Traffic(o)
	if err != nil {
		t.Fatal(err)
	}
	engine, seq := engine.New(set, engine.Options{}), uint64(0)
	for r := range traffic {
		now := o.Start.Add(r.At)
		p, _ := providers.Find(r.Provider)
		body, err := verifiedBody(t.Context(), &p, &r, secrets, now)
		if err != nil {
			t.Fatal(err)
		}
		events, err := normalizer.Events(p, &body, normalizer.Options{})
		if err != nil {
			t.Fatal(err)
		}
		for i := range events {
			seq++
			all = append(all, engine.Apply(seq, now, &events[i])...)
		}
	}
	return all
}
