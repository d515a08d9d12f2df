package backtest

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"callwatch/call"
	"callwatch/rules/rulefmt"
)

// TestBacktestOfWindows: of a rule over windows the calls behind its incidents are listed,
// at their own times, and how many more there are; which single calls it catches is not
// said.
func TestBacktestOfWindows(t *testing.T) {
	t.Parallel()
	set, problems := rulefmt.Load("rules.yaml", []byte("rules: [{name: share, when: rate(mos < 3.5) > 0.1, over: 5m, min_calls: 9, by: [provider]}]"))
	if problems.Errors() {
		t.Fatal(problems)
	}
	baseline, problems := rulefmt.Load("rules.yaml", []byte("rules: [{name: bad, when: mos < 3.5}]"))
	if problems.Errors() {
		t.Fatal(problems)
	}
	b := New(set, Options{Baseline: baseline})
	begun := time.Date(2026, 3, 2, 9, 5, 0, 0, time.UTC)
	for i := range 40 {
		at := begun.Add(time.Duration(i) * 20 * time.Second)
		e := call.Event{Facts: call.Facts{MOS: new(2.0)}}
		e.ID, e.Provider, e.CallID, e.Kind, e.EndedAt, e.Final = fmt.Sprint(i), "telnyx", fmt.Sprint("c", i), call.Ended, at, true
		b.Event(at.Add(time.Second), &e)
	}
	r := b.Report()
	share, bad := &r.Rules[0], &r.Rules[1]
	if !share.Windows || share.Matched != 40 || share.Incidents != 1 || share.Caught != nil || share.Missed != nil {
		t.Errorf("share: %+v", share)
	}
	if bad.Windows || len(bad.Missed) != 40 || bad.Caught == nil {
		t.Errorf("bad: windows %t, %d missed", bad.Windows, len(bad.Missed))
	}
	if n := len(share.Calls); n == 0 || share.CallsOmitted != share.Matched-n {
		t.Errorf("%d calls listed and %d more, of %d that matched", n, share.CallsOmitted, share.Matched)
	}
	for _, c := range share.Calls {
		var i int
		if _, err := fmt.Sscanf(c.CallID, "c%d", &i); err != nil || !c.At.Equal(begun.Add(time.Duration(i)*20*time.Second)) {
			t.Errorf("call %s at %s", c.CallID, c.At)
		}
	}
	l, err := ParseLimit("share.caught > 0")
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Check(set, baseline); err == nil || !strings.Contains(err.Error(), "share.caught: share is a rule over windows") {
		t.Errorf("a limit on it: %v", err)
	}
}
