package engine

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"callwatch/call"
	"callwatch/rules"
	"callwatch/rules/engine/checkpoint"
)

// A call that is forgotten is in no part of a checkpoint, be it hot, evicted or
// in the dictionary that the others are compressed with; the others stay.
func TestForgetCall(t *testing.T) {
	set := compileSet(t, "rules:\n  - {name: low, when: mos < 2, by: [provider]}\n")
	for _, evicted := range []bool{false, true} {
		for _, forgotten := range []int{0, 7} {
			t.Run(fmt.Sprintf("evicted %v, call %d", evicted, forgotten), func(t *testing.T) {
				g := New(set, Options{})
				if evicted {
					g.st.Calls.Capacity = 2
				}
				at := time.Date(2026, 3, 2, 10, 0, 0, 0, time.UTC)
				name := func(i int) call.Key { return call.Key{Provider: "acme", CallID: fmt.Sprintf("call-%d", i)} }
				for i := range 20 {
					e := &call.Event{Identity: call.Identity{ID: fmt.Sprint("e", i), Provider: "acme", CallID: name(i).CallID, Kind: call.Ended, OccurredAt: at}}
					e.From, e.MOS = fmt.Sprintf("+155501000%02d", i), new(1.5)
					g.Apply(uint64(i+1), at.Add(time.Duration(i)*time.Second), e)
				}
				if evicted && inMemory(g) == 20 {
					t.Fatal("nothing is evicted")
				}
				data, err := g.Checkpoint()
				if err != nil {
					t.Fatal(err)
				}
				without, found, err := checkpoint.Forget(data, checkpoint.Forgetting{Calls: []call.Key{name(forgotten)}})
				if err != nil || !found {
					t.Fatalf("found %v, %v", found, err)
				}
				next, err := Restore(set, Options{}, without)
				if err != nil {
					t.Fatal(err)
				}
				if next.Calls() != 19 || next.Seq() != g.Seq() || len(next.Incidents()) != 1 {
					t.Errorf("%d calls, %d incidents at %d", next.Calls(), len(next.Incidents()), next.Seq())
				}
				for i := range 20 {
					c, ok := next.Call(name(i))
					if ok == (i == forgotten) || ok && c.From != fmt.Sprintf("+155501000%02d", i) {
						t.Errorf("call %d: %v, from %q", i, ok, c.From)
					}
				}
				number := fmt.Sprintf("+155501000%02d", forgotten)
				if strings.Contains(string(without), number) {
					t.Error("the checkpoint has the number")
				}
				again, err := next.Checkpoint() // with the dictionaries as they are
				if err != nil || strings.Contains(string(again), number) {
					t.Errorf("a dictionary has the number, %v", err)
				}
				if in := next.Incidents()[0]; !in.Names(name(0)) {
					t.Error("the incident does not name its call any more")
				}
				if _, found, err := checkpoint.Forget(without, checkpoint.Forgetting{Calls: []call.Key{name(forgotten)}}); found || err != nil {
					t.Errorf("forgotten twice: %v, %v", found, err)
				}
			})
		}
	}
}

// Numbers are replaced in the keys, labels and summaries of a checkpoint, and an
// incident goes on under its new key.
func TestForgetNumber(t *testing.T) {
	set := compileSet(t, "rules:\n  - {name: low, when: mos < 2, by: [to], resolve_after: 1h, summary: 'bad calls to ${to}'}\n  - {name: share, over: 1h, when: 'rate(mos < 2) > 0.1', min_calls: 1, by: [to]}\n")
	g := New(set, Options{})
	at := time.Date(2026, 3, 2, 10, 0, 0, 0, time.UTC)
	for i := range 4 {
		e := &call.Event{Identity: call.Identity{ID: fmt.Sprint("e", i), Provider: "acme", CallID: fmt.Sprint("call-", i), Kind: call.Ended, OccurredAt: at, Final: true}}
		e.To, e.MOS = fmt.Sprintf("+155501000%02d", i%2), new(1.5)
		g.Apply(uint64(i+1), at.Add(time.Duration(i)*time.Second), e)
	}
	data, err := g.Checkpoint()
	if err != nil || !strings.Contains(string(data), "+15550100001") {
		t.Fatal("the checkpoint has no number", err)
	}
	f := checkpoint.Forgetting{
		Calls:  []call.Key{{Provider: "acme", CallID: "call-1"}, {Provider: "acme", CallID: "call-3"}},
		Redact: func(s string) string { return strings.ReplaceAll(s, "+15550100001", "[erased]") },
	}
	without, found, err := checkpoint.Forget(data, f)
	if err != nil || !found || strings.Contains(string(without), "5550100001") {
		t.Fatalf("found %v, %v", found, err)
	}
	next, err := Restore(set, Options{}, without)
	if err != nil {
		t.Fatal(err)
	}
	if len(next.Incidents()) != len(g.Incidents()) {
		t.Fatalf("%d incidents, were %d", len(next.Incidents()), len(g.Incidents()))
	}
	var ended []string
	for _, tr := range next.Tick(100, at.Add(3*time.Hour)) {
		if tr.Step == rules.StepResolved {
			ended = append(ended, tr.Incident.Rule+" "+tr.Incident.Key())
		}
	}
	if text := strings.Join(ended, ", "); !strings.Contains(text, "low [erased]") || !strings.Contains(text, "low +15550100000") {
		t.Errorf("resolved: %s", text)
	}
	if _, again, err := checkpoint.Forget(without, f); again || err != nil {
		t.Errorf("forgotten twice: %v, %v", again, err)
	}
}
