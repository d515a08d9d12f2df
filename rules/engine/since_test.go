package engine

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"callwatch/call"
	"callwatch/rules"
)

// The sentence tells since when the condition holds, which may be long before the
// incident opened.
func TestSinceIsWhenTheConditionBeganToHold(t *testing.T) {
	bad := func(e *call.Event) { e.MOS = new(2.0) }
	for name, c := range map[string]struct {
		rule string
		feed func(f *feed)
		want string // .Since as time and as duration, at the opening
	}{
		"at once":           {"over: 10m, when: calls > 2", func(f *feed) { f.calls(3, time.Minute, nil) }, "12:03 0s"},
		"for a while":       {"over: 1h, when: calls > 2, for: 5m", func(f *feed) { f.calls(9, time.Minute, nil) }, "12:03 5m"},
		"for, twice":        {"over: 3m, when: calls > 1, for: 3m", func(f *feed) { f.calls(2, time.Minute, nil).wait(9*time.Minute).calls(9, time.Minute, nil) }, "12:13 3m"},
		"before hours":      {`over: 6h, when: calls > 1, active: {hours: "14:30-15:00"}`, func(f *feed) { f.calls(2, time.Minute, nil).wait(3 * time.Hour) }, "12:02 2h 28m"},
		"in a cooldown":     {"over: 1m, when: calls > 0, no_data: resolve, resolve_after: 1m, cooldown: 30m", func(f *feed) { f.calls(1, time.Minute, nil).wait(4*time.Minute).calls(60, 30*time.Second, nil) }, "12:05 27m 30s"},
		"absence":           {"absent: 30m", func(f *feed) { f.calls(1, time.Minute, nil).wait(2 * time.Hour) }, "12:01 30m"},
		"absence, no hours": {`absent: 30m, active: {hours: "13:00-15:00"}`, func(f *feed) { f.calls(1, time.Minute, nil).wait(2 * time.Hour) }, "12:01 1h 29m"},
		"one call":          {"when: mos < 3.5", func(f *feed) { f.calls(1, time.Minute, bad) }, "12:01 0s"},
		"during a call": {"when: mos < 3.5, for: 5m, on: [stats, ended]", func(f *feed) {
			for i := range 8 {
				f.wait(time.Minute)
				e := ended("1", bad)
				e.ID, e.Kind, e.RTTMs = fmt.Sprint(i), call.Stats, new(float64(i))
				f.event(e)
			}
		}, "12:01 5m"},
	} {
		f := newFeed(t, `rules: [{name: a, summary: '{{ .Since.Format "15:04" }} {{ dur .Since }}', `+c.rule+"}]")
		c.feed(f)
		var opened *rules.Incident
		for i := range f.out {
			if f.out[i].Step == rules.StepOpened {
				opened = &f.out[i].Incident // the latest
			}
		}
		if opened == nil {
			t.Errorf("%s: nothing opened: %v", name, f.steps())
			continue
		}
		if opened.Summary != c.want {
			t.Errorf("%s: %q, want %q", name, opened.Summary, c.want)
		}
		if want := strings.HasSuffix(c.want, " 0s"); opened.Since.IsZero() != want {
			t.Errorf("%s: since %v, opened at %v", name, opened.Since, opened.OpenedAt)
		}
	}
}
