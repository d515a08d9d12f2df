package engine

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"callwatch/call"
)

// A ratio with less below its line than it names is unknown: like a share with fewer
// calls than min_calls it neither fires nor resolves, also on an empty window, and no
// `for` ends by it.
func TestARatioBelowItsLeastDoesNotResolve(t *testing.T) {
	talked := func(sec int64) func(*call.Event) {
		return func(e *call.Event) { e.Answered, e.DurationSec = new(true), new(float64(sec)) }
	}
	const head = "rules:\n  - name: short\n    over: 15m\n    "
	const ratio = "ratio(count(answered && durationSec < 10), count(answered), 20)"
	for _, rule := range []string{
		"when: " + ratio + " > 0.3",
		"when: " + ratio + " > 0.3\n    resolve: " + ratio + " < 0.3",
		"when: " + ratio + " > 0.3\n    resolve: not (" + ratio + " >= 0.3) && calls < 1000",
		"when: rate(durationSec < 10) > 0.3\n    min_calls: 20",
	} {
		f := newFeed(t, head+"resolve_after: 1m\n    "+rule)
		f.calls(60, 10*time.Second, talked(4)).calls(30, 2*time.Minute, talked(4)).calls(60, 10*time.Second, talked(4)).wait(time.Hour)
		if diff := cmp.Diff([]string{"short opened"}, f.names()); diff != "" {
			t.Errorf("%s: %s", rule, diff)
		}
		f.calls(60, 10*time.Second, talked(60)).wait(time.Hour)
		if diff := cmp.Diff([]string{"short opened", "short resolved"}, f.names()); diff != "" {
			t.Errorf("%s, calls are well again: %s", rule, diff)
		}
	}
	f := newFeed(t, head+"for: 20m\n    when: "+ratio+" > 0.3")
	f.calls(60, 10*time.Second, talked(4)).calls(10, 2*time.Minute, talked(4)).calls(60, 10*time.Second, talked(4))
	if diff := cmp.Diff([]string{"short opened"}, f.names()); diff != "" {
		t.Errorf("for: %s", diff)
	}
	// What is partial may be either, and ends an incident as before.
	f = newFeed(t, head+"resolve_after: 1m\n    when: "+ratio+" > 0.3")
	f.calls(60, 10*time.Second, talked(4)).calls(60, 10*time.Second, talked(60))
	f.calls(200, 5*time.Second, func(e *call.Event) { e.Answered = new(true) })
	if diff := cmp.Diff([]string{"short opened", "short resolved"}, f.names()); diff != "" {
		t.Errorf("partial: %s", diff)
	}
}
