package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"callwatch"
	"callwatch/normalizer/simulate"
	"callwatch/rules"
	"callwatch/rules/rulefmt"
)

// The rules of the story are the shipped ones with shorter times.
func TestStoryRules(t *testing.T) {
	shipped, problems := rulefmt.Load("rules.yaml", callwatch.Rules)
	if problems.Errors() {
		t.Fatal(problems)
	}
	short, problems := rulefmt.Load("demo-rules.yaml", storyRules())
	if problems.Errors() {
		t.Fatal(problems)
	}
	windows := 0
	for i, r := range shipped.Rules {
		s := short.Rules[i]
		if s.Name != r.Name || s.Mode != r.Mode {
			t.Errorf("rule %s became %s", r.Name, s.Name)
		}
		if r.Window != nil {
			windows++
			if got, want := s.Window.Over, r.Window.Over/storySpeed; got != want {
				t.Errorf("%s: over %s, want %s", r.Name, got, want)
			}
		}
		if r.For.Duration > 0 && s.For.Duration != r.For.Duration/storySpeed {
			t.Errorf("%s: for %s", r.Name, s.For.Duration)
		}
	}
	if windows < 5 {
		t.Errorf("%d rules with windows", windows)
	}
}

// The story's rules and traffic give one alert, of the provider that degrades: it
// opens as a warning, takes in the single bad calls, becomes critical and resolves before the end.
func TestStoryGivesOneAlert(t *testing.T) {
	long(t)
	t.Parallel()
	set, _ := rulefmt.Load("demo-rules.yaml", storyRules())
	o := storyOptions(simulate.Options{Sources: knownSimulators(), Seed: storySeed})
	if len(o.Sources) < 8 {
		t.Errorf("the demo shows %d providers", len(o.Sources))
	}
	o.Count = int(storyRate * storyEnd.Seconds())
	provider := o.Episodes[0].Provider
	var alerts []rules.Incident
	var steps []string
	last := map[string]rules.Incident{}
	for _, made := range fleetTransitions(t, set, o) {
		in := made.Incident
		if last[in.ID] = in; in.Rule == "provider-quality" {
			steps = append(steps, fmt.Sprintf("%s %s", made.Step, in.Severity))
		}
	}
	for _, in := range last {
		if in.Mode == rules.Active && in.Severity != rules.Info {
			alerts = append(alerts, in)
		}
	}
	if len(steps) < 3 || steps[0] != "opened warning" || steps[1] != "escalated critical" {
		t.Errorf("the incident is %v, want opened as a warning and escalated", steps)
	}
	if len(alerts) != 1 || alerts[0].Rule != "provider-quality" || !strings.Contains(alerts[0].Summary, provider) {
		t.Fatalf("alerts %+v", alerts)
	}
	in, begun := alerts[0], time.Date(2026, 3, 2, 9, 30, 0, 0, time.UTC)
	if after := in.OpenedAt.Sub(begun); after < storyDegrades || after > time.Minute {
		t.Errorf("opens after %s", after)
	}
	if in.Severity != rules.Critical || len(in.Adopted) == 0 || in.State != rules.Resolved {
		t.Errorf("it is %s, %s, with %d adopted incidents", in.Severity, in.State, len(in.Adopted))
	}
}

// The same seed tells the same story, to the moment and the call; another one has other
// calls, and one alert as well.
func TestSameSeedTellsTheSameStory(t *testing.T) {
	long(t)
	set, _ := rulefmt.Load("demo-rules.yaml", storyRules())
	tell := func(seed uint64) map[string]rules.Incident {
		o := storyOptions(simulate.Options{Sources: knownSimulators(), Seed: seed})
		o.Count = int(storyRate * storyEnd.Seconds())
		return judgeFleet(t, set, o)
	}
	first := tell(storySeed)
	if diff := gocmp.Diff(first, tell(storySeed)); diff != "" {
		t.Errorf("the same seed tells another story:\n%s", diff)
	}
	other := tell(storySeed + 1)
	if gocmp.Equal(first, other) {
		t.Error("two seeds tell the same story")
	}
	alerts := slices.DeleteFunc(slices.Collect(maps.Values(other)), func(in rules.Incident) bool { return in.Mode != rules.Active || in.Severity == rules.Info })
	if len(alerts) != 1 || alerts[0].Rule != "provider-quality" || alerts[0].Severity != rules.Critical || alerts[0].State != rules.Resolved {
		t.Errorf("alerts of the other: %+v", alerts)
	}
}
