package slack

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"callwatch/call"
	"callwatch/notifier/notifiertest"
	"callwatch/rules"
	"callwatch/rules/engine"
	"callwatch/rules/rulefmt"
)

// halfKnownCalls are a thousand calls, of which 12 % are known to be bad and 22 %
// were answered. Of most, half of the fields are unknown.
func halfKnownCalls(at time.Time) []call.Event {
	var out []call.Event
	for i := range 1000 {
		e := call.Event{}
		e.ID, e.Provider, e.Kind, e.CallID, e.Final = fmt.Sprint("e", i), "telnyx", call.Ended, fmt.Sprint("c", i), true
		e.OccurredAt = at.Add(time.Duration(i) * 840 * time.Millisecond)
		e.ReceivedAt, e.EndedAt = e.OccurredAt, e.OccurredAt
		e.Direction, e.DurationSec, e.Codec = call.Outbound, new(60.0), "PCMU"
		e.Answered = new(i%50 < 11)
		e.Status = map[bool]string{true: call.Completed, false: call.NoAnswer}[*e.Answered]
		switch {
		case i%25 == 3 || i%25 == 11 || i%25 == 19:
			e.MOS = new(2.9 - float64(i%7)/20)
		case i%3 == 0:
			e.MOS = new(4.4)
		case i%3 == 1:
			e.JitterMs, e.RTTMs = new(4.0), new(90.0)
		default:
			e.MOS, e.JitterMs, e.RTTMs, e.PacketLossPct = new(4.3), new(4.0), new(90.0), new(0.1)
		}
		out = append(out, e)
	}
	return out
}

// Of calls of which much is unknown, every sentence and number says what is certain,
// and agrees with the incident as the API gives it.
func TestWhatIsShownOfHalfKnownCalls(t *testing.T) {
	src, err := os.ReadFile("../../rules.yaml")
	if err != nil {
		t.Fatal(err)
	}
	set, problems := rulefmt.Load("rules.yaml", src)
	if problems.Errors() {
		t.Fatal(problems)
	}
	g := engine.New(set, engine.Options{})
	opened := map[string]rules.Incident{}
	seq := uint64(0)
	take := func(made []rules.Transition) {
		for _, tr := range made {
			if tr.Step != rules.StepAdopted {
				opened[tr.Incident.Rule] = tr.Incident
			}
		}
	}
	for _, e := range halfKnownCalls(notifiertest.T0) {
		for due := g.NextDeadline(); !due.IsZero() && due.Before(e.ReceivedAt); due = g.NextDeadline() {
			seq++
			take(g.Tick(seq, due))
		}
		seq++
		take(g.Apply(seq, e.ReceivedAt, &e))
	}
	for _, c := range []struct {
		rule, says, direction string
		low, high             float64
		sample                func(e *call.Event) bool
	}{
		{"provider-quality", " % or more", "up", 0.11, 0.13, func(e *call.Event) bool { return e.MOS != nil && *e.MOS < 3.5 }},
		{"asr-low", " %", "down", 0.2, 0.24, func(e *call.Event) bool { return e.Answered != nil && !*e.Answered }},
	} {
		in, ok := opened[c.rule]
		if !ok {
			t.Errorf("%s did not open", c.rule)
			continue
		}
		// The incident as the API gives it.
		b, err := json.Marshal(in)
		if err != nil {
			t.Fatal(err)
		}
		var api rules.Incident
		if err := json.Unmarshal(b, &api); err != nil {
			t.Fatal(err)
		}
		v := api.Values
		if v == nil || v.Latest < c.low || v.Latest > c.high || v.Direction != c.direction {
			t.Fatalf("%s: %+v", c.rule, v)
		}
		deciding := v.Low
		if c.direction == "down" {
			deciding = v.High
		}
		if v.Latest != deciding || v.Measured != v.Calls || v.Partial == 0 && v.Low != v.High {
			t.Errorf("%s: %+v", c.rule, v)
		}
		if c := api.Counts; c.Unjudged != c.Partial || c.Measured() < v.Measured || (v.Partial > 0) != (c.Partial > 0) {
			t.Errorf("%s: %+v, of the window %+v", in.Rule, c, v.Measure)
		}
		if !strings.Contains(api.Summary, v.WorstText()) || !strings.Contains(api.Summary, c.says) {
			t.Errorf("%s says %q, the worst value is %q", c.rule, api.Summary, v.WorstText())
		}
		for i := range api.Samples {
			if s := &api.Samples[i]; !c.sample(&s.Call) || len(s.Held()) == 0 {
				t.Errorf("%s: sample %s is no evidence: %v", c.rule, s.Call.CallID, s.Conditions)
			}
		}
		if len(api.Samples) == 0 || len(api.Top) == 0 || len(api.Trend) == 0 {
			t.Errorf("%s: %d samples, %d rows, %d points", c.rule, len(api.Samples), len(api.Top), len(api.Trend))
		}
		w := &writer{title: notifiertest.Title, console: "https://callwatch.example.com", buttons: true}
		for name, m := range map[string]message{"root": w.root(&in), "opening": w.opening(&in)} {
			b, err := encoded(m)
			if err != nil {
				t.Fatal(err)
			}
			text := string(b)
			for _, wrong := range []string{"100 %", "undefined", "NaN"} {
				if strings.Contains(text, wrong) {
					t.Errorf("%s of %s says %s:\n%s", name, c.rule, wrong, text)
				}
			}
			wants := []string{v.OpeningText(), api.Samples[0].Call.CallID}
			if name == "root" {
				counted := fmt.Sprintf("%d of %d calls matched", api.Counts.Matched, api.Counts.Measured())
				if c.direction == "down" {
					counted = fmt.Sprintf("not `answered`: %d of %d calls", api.Counts.Matched, api.Counts.Measured())
				}
				wants = append(wants, api.Summary, v.LatestText(), v.WorstText(), "/incidents/"+api.ID, counted)
			}
			for _, want := range wants {
				if !strings.Contains(text, want) {
					t.Errorf("%s of %s lacks %q:\n%s", name, c.rule, want, text)
				}
			}
		}
		plain := Plain{w} // what Alertmanager shows
		if plain.Summary(&in) != api.Summary || !strings.Contains(plain.Description(&in), fmt.Sprintf("%d of %d", api.Counts.Matched, api.Counts.Measured())) {
			t.Errorf("alert of %s: %s: %s", c.rule, plain.Summary(&in), plain.Description(&in))
		}
	}
}
