package rulefmt

import (
	"fmt"
	"testing"
	"time"

	"callwatch/call"
	"callwatch/rules/condition"
)

// hour and weekday say of each minute of a year what active hours of the same zone
// say of it.
func TestHourAgreesWithActiveHours(t *testing.T) {
	for _, zone := range []string{"Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "America/Santiago"} {
		set := compileSet(t, fmt.Sprintf(`
rules:
  - name: a
    active: {hours: "02:00-18:00", days: mon-sat}
    when: hour in 2..17 && weekday != "sun"
    tz: %s`, zone))
		r := set.Rules[0]
		if r.Active.All[0].Zone.String() != zone {
			t.Fatal(r.Active.All)
		}
		var facts condition.Facts
		covered := 0
		for at := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC); at.Year() == 2026; at = at.Add(5 * time.Minute) {
			facts.Load(&call.Event{Facts: call.Facts{EndedAt: at}})
			got := r.When.Eval(&facts).Truth == condition.True
			if got != r.Active.All.Covers(at) {
				t.Fatalf("%s at %s: %v", zone, at, got)
			}
			if got {
				covered++
			}
		}
		if covered == 0 {
			t.Errorf("%s: no time is covered", zone)
		}
	}
}

func TestZoneOfARule(t *testing.T) {
	set := compileSet(t, `
define: {night: hour < 6}
defaults: {tz: Europe/Berlin}
rules:
  - {name: inherits, when: night, active: {hours: "08:00-18:00"}}
  - {name: own, when: night, tz: UTC, active: {hours: "08:00-18:00", tz: America/New_York}}
  - {name: shares, over: 15m, when: rate(night) > 0.1}`)
	for i, want := range []string{"Europe/Berlin", "America/New_York"} {
		if got := set.Rules[i].Active.All[0].Zone.String(); got != want {
			t.Errorf("%s is active in %s, want %s", set.Rules[i].Name, got, want)
		}
	}
	var facts condition.Facts
	facts.Load(&call.Event{Facts: call.Facts{EndedAt: time.Date(2026, 6, 1, 22, 30, 0, 0, time.UTC)}})
	for i, want := range []condition.Truth{condition.True, condition.False} {
		if got := set.Rules[i].When.Eval(&facts).Truth; got != want {
			t.Errorf("%s is %s, want %s", set.Rules[i].Name, got, want)
		}
	}
	other := compileSet(t, "rules: [{name: shares, tz: America/New_York, over: 15m, when: rate(hour < 6) > 0.1}, {name: b, over: 15m, tz: UTC, when: rate(mos < 3) > 0.1}, {name: c, over: 15m, when: rate(mos < 3) > 0.1}]")
	if set.Rules[2].Window.Digest() == other.Rules[0].Window.Digest() {
		t.Error("windows of two clocks are interchangeable")
	}
	if other.Rules[1].Window.Digest() != other.Rules[2].Window.Digest() {
		t.Error("the clock of a window that does not read it matters")
	}
	for _, tz := range []string{"Europe/Bern", "Local", `""`, "[UTC]"} {
		if _, problems := Load("rules.yaml", []byte("rules: [{name: a, when: hour < 6, tz: "+tz+"}]")); !problems.Errors() {
			t.Errorf("tz: %s is taken", tz)
		}
	}
}
