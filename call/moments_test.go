package call

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// A moment that happens once keeps the earliest value that is known, whichever
// event comes first, and the times between moments follow.
func TestMomentsKeepTheEarliest(t *testing.T) {
	at := func(sec int) time.Time { return t0.Add(time.Duration(sec) * time.Second) }
	started := event("1", Progress, 0, func(e *Event) { e.StartedAt = at(0) })
	ringing := event("2", Progress, 2*time.Second, func(e *Event) { e.RingingAt = at(2) })
	answered := event("3", Progress, 5*time.Second, func(e *Event) { e.AnsweredAt, e.Answered = at(5), new(true) })
	again := event("4", Progress, 4*time.Minute, func(e *Event) { e.RingingAt, e.AnsweredAt, e.Answered = at(200), at(240), new(true) })
	report := event("5", Report, 6*time.Minute, func(e *Event) { e.StartedAt, e.AnsweredAt = at(1), at(6) })
	for _, e := range []*Event{started, ringing, answered, again, report} {
		e.Derive()
	}
	for name, c := range map[string]*Call{
		"in order": foldAll(started, ringing, answered, again, report),
		"reversed": foldAll(report, again, answered, ringing, started),
		"mixed":    foldAll(again, started, report, answered, ringing),
	} {
		if !c.StartedAt.Equal(at(0)) || !c.RingingAt.Equal(at(2)) || !c.AnsweredAt.Equal(at(5)) {
			t.Errorf("%s: started %s, ringing %s, answered %s", name, c.StartedAt, c.RingingAt, c.AnsweredAt)
		}
		if c.RingSec == nil || *c.RingSec != 3 || c.SetupMs == nil || *c.SetupMs != 5000 || c.PDDMs == nil || *c.PDDMs != 2000 {
			t.Errorf("%s: ringSec %v, setupMs %v, pddMs %v", name, c.RingSec, c.SetupMs, c.PDDMs)
		}
	}
}

// A figure that a provider measured is not replaced by one of the moments.
func TestMeasuredSpanStays(t *testing.T) {
	measured := event("1", Report, time.Minute, func(e *Event) { e.PDDMs = new(1234.0) })
	moments := event("2", Ended, time.Minute, func(e *Event) { e.StartedAt, e.RingingAt = t0, t0.Add(2*time.Second); e.Derive() })
	for name, c := range map[string]*Call{"measured first": foldAll(measured, moments), "moments first": foldAll(moments, measured)} {
		if c.PDDMs == nil || *c.PDDMs != 1234 {
			t.Errorf("%s: pddMs %v, want 1234", name, c.PDDMs)
		}
	}
}

func TestOrderOfMomentsDoesNotMatter(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		moment := func(name string) time.Time {
			if !rapid.Bool().Draw(t, name) {
				return time.Time{}
			}
			return t0.Add(time.Duration(rapid.IntRange(0, 60).Draw(t, name+" s")) * time.Second)
		}
		var events []*Event
		for i, kind := range []Kind{Progress, Progress, Stats, Ended, Report} {
			events = append(events, event(fmt.Sprint(i), kind, time.Duration(i)*time.Second, func(e *Event) {
				e.StartedAt, e.RingingAt, e.AnsweredAt = moment("start"), moment("ring"), moment("answer")
				if rapid.Bool().Draw(t, "pdd") {
					e.PDDMs = new(rapid.Float64Range(0, 100).Draw(t, "ms"))
				}
				e.Derive()
			}))
		}
		want := foldAll(events...)
		got := foldAll(rapid.Permutation(events).Draw(t, "order")...)
		if diff := cmp.Diff(want.Facts, got.Facts); diff != "" {
			t.Fatal(diff)
		}
	})
}
