package engine

import (
	"slices"
	"testing"
	"time"

	"callwatch/call"
	"callwatch/rules"
)

// named are the ids of the calls that an incident names.
func named(in *rules.Incident) []string {
	ids := []string{}
	for _, e := range append([]rules.Evidence{in.Opening, in.Latest, in.Worst}, in.Samples...) {
		if e.Call.CallID != "" {
			ids = append(ids, e.Call.CallID)
		}
	}
	return ids
}

// bad stores the end of a bad call a while after it.
func (f *feed) bad(callID string, delay time.Duration, set func(*call.Event)) *feed {
	return f.event(ended(callID, func(e *call.Event) {
		mos(1.2)(e)
		e.EndedAt, e.Final = f.at.Add(-delay), true
		if set != nil {
			set(e)
		}
	}))
}

// An incident that opens because there is no call names none, whenever the end of the
// last one was stored, or with which session it left.
func TestNoDataNamesNoCall(t *testing.T) {
	for name, rule := range map[string]string{
		"window":   "over: 5m, when: rate(mos < 2) > 0.5, min_calls: 5, no_data: alert",
		"sessions": "over: 5m, when: rate(mos < 2) > 0.5, min_calls: 5, no_data: alert, count_by: sessionId",
		"few":      "over: 5m, when: calls < 1",
		"absent":   "absent: 5m",
	} {
		f := newFeed(t, "rules: [{name: none, "+rule+"}]").wait(time.Minute)
		session := func(e *call.Event) { e.SessionID = "s" }
		f.bad("1", 50*time.Second, session).wait(150*time.Second).bad("2", 20*time.Second, session)
		for range 40 {
			if f.wait(10 * time.Second); len(f.out) > 0 {
				break
			}
		}
		if len(f.out) != 1 || f.out[0].Step != rules.StepOpened {
			t.Errorf("%s: %v", name, f.steps())
			continue
		}
		if ids := named(&f.out[0].Incident); len(ids) > 0 || len(f.out[0].Incident.Top) > 0 {
			t.Errorf("%s: names %v, %+v", name, ids, f.out[0].Incident.Top)
		}
	}
}

// Samples are calls that are in the window: those that ended long enough ago have left it,
// whenever that was stored.
func TestSamplesAreInTheWindow(t *testing.T) {
	f := newFeed(t, "rules: [{name: low, over: 5m, when: count(mos < 2) >= 3}]").wait(time.Minute)
	f.bad("gone", time.Minute, nil).wait(150 * time.Second).event(ended("good", func(e *call.Event) { mos(4)(e); e.EndedAt, e.Final = f.at, true }))
	f.wait(100*time.Second).bad("1", 10*time.Second, nil).bad("2", 10*time.Second, nil).wait(10*time.Second).bad("3", 10*time.Second, nil)
	if len(f.out) != 1 {
		t.Fatal(f.steps())
	}
	ids := named(&f.out[0].Incident)
	if slices.Sort(ids); !slices.Equal(ids, []string{"1", "2", "3"}) {
		t.Error(ids)
	}
}
