package pipeline

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"callwatch/rules"
	"callwatch/rules/rulefmt"
)

// TestActTakesWhatAnActionMayHold: what an action may not hold is refused before it is
// stored; what is taken is applied once, and to an incident that does not exist it
// changes nothing.
func TestActTakesWhatAnActionMayHold(t *testing.T) {
	t.Parallel()
	set, problems := rulefmt.Load("rules.yaml", []byte(badCallRule))
	if problems.Errors() {
		t.Fatal(problems)
	}
	s := atRest(t, set)
	put(t, s.store, birdCall("5001", 2.5))
	if err := s.normalize.RunStored(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx, end := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.judge.fold(ctx, true) }()
	var id string
	stored := func() []rules.Transition {
		t.Helper()
		last, err := s.store.LastTransitions(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		all := make([]rules.Transition, len(last))
		for i := range last {
			if err := json.Unmarshal(last[i].Data, &all[i]); err != nil {
				t.Fatal(err)
			}
		}
		return all
	}
	eventually(t, "the incident is stored", func() bool {
		all := stored()
		if len(all) == 1 {
			id = all[0].Incident.ID
		}
		return id != ""
	})
	long := func(n int) string { return strings.Repeat("x", n) }
	until := time.Now().Add(time.Hour)
	for name, a := range map[string]rules.Action{
		"nothing":               {},
		"unknown":               {Do: "close", By: "ada", Incident: id},
		"by nobody":             {Do: rules.Acknowledge, Incident: id},
		"by two lines":          {Do: rules.Acknowledge, By: "ada\nbob", Incident: id},
		"by half a character":   {Do: rules.Acknowledge, By: "ad\xc3", Incident: id},
		"by too long a name":    {Do: rules.Acknowledge, By: long(201), Incident: id},
		"no incident":           {Do: rules.Resolve, By: "ada"},
		"too long an incident":  {Do: rules.Resolve, By: "ada", Incident: long(201)},
		"to a control sequence": {Do: rules.Assign, By: "ada", Incident: id, To: "bob\x1b[2J"},
		"to too long a name":    {Do: rules.Assign, By: "ada", Incident: id, To: long(201)},
		"empty note":            {Do: rules.AddNote, By: "ada", Incident: id},
		"note of spaces":        {Do: rules.AddNote, By: "ada", Incident: id, Text: "  "},
		"note of two lines":     {Do: rules.AddNote, By: "ada", Incident: id, Text: "a\nb"},
		"note with a zero":      {Do: rules.AddNote, By: "ada", Incident: id, Text: "a\x00b"},
		"too long a note":       {Do: rules.AddNote, By: "ada", Incident: id, Text: long(501)},
		"note, half a rune":     {Do: rules.AddNote, By: "ada", Incident: id, Text: "\xc3"},
		"no silence":            {Do: rules.AddSilence, By: "ada"},
		"silence of the file":   {Do: rules.AddSilence, By: "ada", Silence: &rules.Silence{ID: "file_1", Match: `rule == "bad-call"`, Until: until}},
		"silence without end":   {Do: rules.AddSilence, By: "ada", Silence: &rules.Silence{ID: "s1", Match: `rule == "bad-call"`}},
		"silence of gibberish":  {Do: rules.AddSilence, By: "ada", Silence: &rules.Silence{ID: "s1", Match: `rul == 1`, Until: until}},
		"silence of a lookup":   {Do: rules.AddSilence, By: "ada", Silence: &rules.Silence{ID: "s1", Match: `carriers(to) == "x"`, Until: until}},
		"comment of two lines":  {Do: rules.AddSilence, By: "ada", Silence: &rules.Silence{ID: "s1", Match: `rule == "bad-call"`, Until: until, Comment: "a\nb"}},
		"too long a comment":    {Do: rules.AddSilence, By: "ada", Silence: &rules.Silence{ID: "s1", Match: `rule == "bad-call"`, Until: until, Comment: long(1001)}},
		"no rule":               {Do: rules.DisableRule, By: "callwatch"},
	} {
		if applied, err := s.judge.Act(t.Context(), a); err == nil || strings.HasPrefix(err.Error(), "store the ") {
			t.Errorf("%s: taken, applied %v, %v", name, applied, err)
		}
	}
	act := func(a rules.Action) {
		t.Helper()
		if applied, err := s.judge.Act(t.Context(), a); err != nil || !applied {
			t.Fatalf("%s: applied %v, %v", a.Do, applied, err)
		}
	}
	for _, do := range []rules.Doing{rules.Acknowledge, rules.Resolve, rules.Assign, rules.AddNote} {
		act(rules.Action{Do: do, By: "ada", Incident: "inc_none", To: "bob", Text: "x"})
	}
	if all := stored(); len(all) != 1 || all[0].Step != rules.StepOpened {
		t.Errorf("actions on an unknown incident changed %+v", all)
	}
	act(rules.Action{Do: rules.Assign, By: "ada", Incident: id, To: long(200)})
	act(rules.Action{Do: rules.AddNote, By: "ada", Incident: id, Text: long(500)})
	act(rules.Action{Do: rules.Resolve, By: "ada", Incident: id})
	eventually(t, "the resolve is stored", func() bool { return stored()[0].Step == rules.StepResolved })
	in := stored()[0].Incident
	if in.Assigned == nil || in.Assigned.To != long(200) || len(in.Notes) != 1 || in.Notes[0].Text != long(500) || in.ResolvedBy == nil || in.ResolvedBy.By != "ada" {
		t.Errorf("assigned %+v, notes %d, resolved by %+v", in.Assigned, len(in.Notes), in.ResolvedBy)
	}
	end()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("ended: %v", err)
	}
}
