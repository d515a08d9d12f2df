package engine

import (
	"fmt"
	"testing"
	"time"

	"callwatch/call"
	"callwatch/rules"
)

// A silence that recurs covers an incident whenever its hours are, through a year of
// changing clocks, and through a restart at any of its ends.
func TestRecurringSilence(t *testing.T) {
	for _, zone := range []string{"Europe/Berlin", "America/New_York", "Australia/Lord_Howe"} {
		set := compileSet(t, fmt.Sprintf(`
rules: [{name: low, when: mos < 3.5, resolve_after: 10000h}]
silences:
  - {match: rule == "low", hours: "02:00-03:30", days: sun, tz: %s, holidays: [2026-03-15]}`, zone))
		location, err := time.LoadLocation(zone)
		if err != nil {
			t.Fatal(err)
		}
		g := New(set, Options{})
		at := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
		e := ended("1", mos(2))
		out := g.Apply(1, at, &e)
		silenced, seq, changes := false, uint64(1), 0
		for until := at.AddDate(1, 0, 0); ; {
			for _, tr := range out {
				switch tr.Step {
				case rules.StepSilenced:
					silenced = true
					changes++
				case rules.StepUnsilenced:
					silenced = false
				}
			}
			if local := at.In(location); silenced != (local.Weekday() == time.Sunday && local.Format("15:04") >= "02:00" && local.Format("15:04") < "03:30" && local.Format("0102") != "0315") {
				t.Fatalf("%s: silenced %v", local, silenced)
			}
			if at = g.NextDeadline(); at.IsZero() || at.After(until) {
				break
			}
			data, err := g.Checkpoint()
			if err != nil {
				t.Fatal(err)
			}
			if g, err = Restore(set, Options{}, data); err != nil {
				t.Fatal(err)
			}
			seq++
			out = g.Tick(seq, at)
		}
		if changes < 50 {
			t.Errorf("%s: silenced %d times in a year", zone, changes)
		}
	}
}

// Each severity has hours of its own: what is held back as a warning opens when it is
// critical.
func TestActivePerSeverity(t *testing.T) {
	f := newFeed(t, `
rules:
  - name: low
    when: mos < 3.5
    severity: {critical: mos < 2, warning: mos < 3.5}
    active: {critical: always, warning: [{hours: "08:00-10:00"}, {hours: "13:00-14:00"}]}
  - name: share
    over: 5m
    when: rate(mos < 3.5) > 0.3
    severity: {critical: rate(mos < 3.5) > 0.8, warning: rate(mos < 3.5) > 0.3}
    active: {warning: {hours: "13:00-14:00"}}`)
	f.event(ended("2", mos(4)))
	f.event(ended("1", mos(3)))
	f.wait(10 * time.Minute)
	if len(f.out) > 0 && f.out[0].Step == rules.StepOpened {
		t.Fatalf("a warning opens outside of its hours: %s", f.out[0].Incident.Rule)
	}
	f.event(ended("3", mos(1)))
	for i := range 8 {
		f.event(ended(fmt.Sprint("more", i), func(e *call.Event) { e.OccurredAt, e.MOS = f.at, new(1.0) }))
	}
	f.wait(10 * time.Minute)
	opened := map[string]rules.Severity{}
	for _, tr := range f.out {
		if tr.Step == rules.StepOpened {
			opened[tr.Incident.Rule] = tr.Incident.Severity
		}
	}
	if opened["low"] != rules.Critical || opened["share"] != rules.Critical {
		t.Errorf("opened %v", opened)
	}
}

// An incident calls those of its severity when it opens, and when it escalates.
func TestMentionsFollowTheSeverity(t *testing.T) {
	f := newFeed(t, `
rules:
  - name: low
    when: mos < 3.5
    severity: {critical: mos < 2, warning: mos < 3.5}
    route: {slack: "#a", mention: {critical: [S0123ABCD, here], warning: U0123ABCD}}`)
	f.event(ended("1", mos(3)))
	f.event(ended("2", mos(1)))
	var got []string
	for _, tr := range f.out {
		got = append(got, fmt.Sprint(tr.Step, tr.Incident.Mention))
	}
	if want := "[opened[U0123ABCD] escalated[S0123ABCD here]]"; fmt.Sprint(got) != want {
		t.Errorf("%v, want %s", got, want)
	}
}
