package condition

import (
	"testing"
	"time"

	"callwatch/call"
)

// What a clock on the wall shows around its changes in 2026: an hour that is skipped
// is never the hour of a call, one that comes twice is that of both.
func TestHourWhereTheClockChanges(t *testing.T) {
	for zone, at := range map[string]map[string][2]string{
		"":                    {"2026-03-29T01:30:00Z": {"1", "sun"}, "2026-03-29T23:59:59Z": {"23", "sun"}},
		"Europe/Berlin":       {"2026-03-29T00:59:59Z": {"1", "sun"}, "2026-03-29T01:00:00Z": {"3", "sun"}, "2026-10-25T00:30:00Z": {"2", "sun"}, "2026-10-25T01:30:00Z": {"2", "sun"}, "2026-10-25T02:00:00Z": {"3", "sun"}, "2026-06-01T22:30:00Z": {"0", "tue"}},
		"America/New_York":    {"2026-03-08T06:59:59Z": {"1", "sun"}, "2026-03-08T07:00:00Z": {"3", "sun"}, "2026-11-01T05:30:00Z": {"1", "sun"}, "2026-11-01T06:30:00Z": {"1", "sun"}, "2026-01-01T03:00:00Z": {"22", "wed"}},
		"Australia/Lord_Howe": {"2026-04-04T14:59:00Z": {"1", "sun"}, "2026-04-04T15:00:00Z": {"1", "sun"}, "2026-04-04T15:30:00Z": {"2", "sun"}, "2026-10-03T15:29:00Z": {"1", "sun"}, "2026-10-03T15:30:00Z": {"2", "sun"}},
	} {
		env := Env{}
		if zone != "" {
			loaded, err := time.LoadLocation(zone)
			if err != nil {
				t.Fatal(err)
			}
			env.Zone = loaded
		}
		for when, want := range at {
			instant, err := time.Parse(time.RFC3339, when)
			if err != nil {
				t.Fatal(err)
			}
			src := "hour == " + want[0] + ` && weekday == "` + want[1] + `"`
			if got := compileIn(t, src, env).Eval(load(event(call.Facts{EndedAt: instant}))); got.Truth != True {
				t.Errorf("%s at %s: %s is %v", zone, when, src, got)
			}
		}
	}
}

func TestHourAndWeekday(t *testing.T) {
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	monday := time.Date(2026, 6, 1, 22, 30, 0, 0, time.UTC) // Tuesday 00:30 in Berlin
	ended, goesOn, received := event(call.Facts{MOS: new(3.6), EndedAt: monday}), scored(3.6), scored(3.6)
	ended.OccurredAt = monday.Add(9 * time.Hour) // a report of the next morning
	goesOn.OccurredAt, goesOn.ReceivedAt = monday, monday.Add(9*time.Hour)
	received.ReceivedAt = monday
	env := Env{Zone: berlin, Macros: map[string]string{"night": "hour < 6", "busy": "mos < (hour in 8..17 ? 3.8 : 3.5)"}}
	for name, e := range map[string]call.Event{"ended": ended, "goes on": goesOn, "received": received, "timeless": scored(3.6)} {
		facts := load(e)
		for src, want := range map[string]Truth{
			"night": True, "hour == 0": True, `weekday == "tue"`: True, `weekday in ["sat", "sun"]`: False, "busy": False,
			"mos < (hour in 0..7 ? 3.8 : 3.5)": True, "hour + 1 == 1": True,
		} {
			if name == "timeless" {
				want = Unknown
			}
			p := compileIn(t, src, env)
			if got := p.Eval(facts); got.Truth != want || got.Err != nil {
				t.Errorf("%s: %s is %v, want %v", name, src, got, want)
			}
			if missing := p.Missing(facts); (len(missing) > 0) != (want == Unknown) {
				t.Errorf("%s: %s misses %v", name, src, missing)
			}
			if again := compileIn(t, p.String(), env); again.Eval(facts).Truth != want {
				t.Errorf("%s reads %s", src, p)
			}
		}
	}
	// The same macro by the clocks of two rules.
	utc := env.Compiled()
	utc.Zone = nil
	if got := compileIn(t, "hour == 22", utc).Eval(load(ended)); got.Truth != True {
		t.Error(got)
	}
	if got := compileIn(t, "night", utc).Eval(load(ended)); got.Truth != False {
		t.Error(got)
	}
	var figures Figures
	for _, src := range []string{"rate(busy) > 0.1", "count(hour == 0) > 0", "distinct(weekday) > 1", "avg(hour) > 1"} {
		if p, problems := CompileWindow(src, env, &figures); p == nil {
			t.Fatal(problems)
		}
	}
	if got, err := figures.Args[1].Classify(load(ended)); got != Matching || err != nil || figures.Args[1].Zone() != "Europe/Berlin" {
		t.Error(got, err, figures.Args[1].Zone())
	}
	if got := figures.Args[1].Program().Eval(load(ended)); got.Truth != True {
		t.Error(got)
	}
	if got, known, _ := figures.Args[2].Value(load(ended)); got != "tue" || !known {
		t.Error(got)
	}
	if got, known, _ := figures.Args[3].Number(load(ended)); got != 0 || !known {
		t.Error(got)
	}
	if l := compileIn(t, "not (hour in 8..17)", env).Explain(load(ended))[0]; l.Text != "hour (0) not in 8..17" || l.Truth != True {
		t.Errorf("%+v", l)
	}
	for src, code := range map[string]Code{
		`weekday == "monday"`: CodeUnknownValue, `weekday in ["sat", "sunday"]`: CodeUnknownValue, "hour > 24": CodeNeverHolds, `hour == "8"`: CodeType, "hours > 3": CodeUnknownField,
		"weekday > 3": CodeType, "hour": CodeNotBoolean,
	} {
		if p, problems := Compile(src, env); p != nil || len(problems) == 0 || problems[0].Code != code || problems[0].Hint == "" && code != CodeType && code != CodeNeverHolds {
			t.Errorf("%s: %+v, want %s", src, problems, code)
		}
	}
	if p, problems := CompileWindow("rate(mos < 3) > (hour in 8..17 ? 0.1 : 0.2)", env, &Figures{}); p != nil || problems[0].Code != CodeOneCall {
		t.Error(problems)
	}
	if p, problems := Compile("hour > 3", env.With(call.Field{Name: "rule", Type: call.Text})); p != nil || problems[0].Code != CodeUnknownField {
		t.Error(problems) // an incident has no hour
	}
	if p, problems := Compile("hour", Env{Macros: map[string]string{"hour": "mos < 3"}}); p == nil {
		t.Error(problems) // a file that has a macro of this name keeps it
	}
}
