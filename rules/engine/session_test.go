package engine

import (
	"fmt"
	"testing"
	"time"

	"callwatch/call"
	"callwatch/rules"
)

// A window by session counts the legs of one conversation once: figures, minimum,
// the numbers of its incident, and a call without a session for itself.
func TestWindowsBySession(t *testing.T) {
	t.Parallel()
	const text = `rules:
  - {name: talks, over: 15m, %s min_calls: 3, when: rate(mos < 3.5) >= 0.5, settle: 0s}
`
	legs := []struct {
		session string
		mos     float64
	}{{"a", 4.2}, {"a", 2}, {"b", 4.1}, {"b", 4.2}, {"", 3}, {"", 4}, {"a", 2.5}}
	for _, c := range []struct {
		countBy string
		counts  rules.Counts
		at      int // leg that opens it; beyond all: none
	}{
		{"count_by: sessionId,", rules.Counts{Matched: 2, Judged: 4}, 4},
		{"count_by: call,", rules.Counts{}, 7},
		{"", rules.Counts{}, 7},
	} {
		g := New(compileSet(t, fmt.Sprintf(text, c.countBy)), Options{})
		opened := len(legs)
		for i, l := range legs {
			at := t0.Add(time.Duration(i) * time.Second)
			e := ended(fmt.Sprint(i), func(e *call.Event) { e.SessionID, e.MOS, e.EndedAt, e.Final = l.session, &l.mos, at, true })
			for _, made := range g.Apply(uint64(i+1), at, &e) {
				if made.Step == rules.StepOpened {
					opened = i
				}
			}
		}
		if opened != c.at {
			t.Errorf("%q: opened by leg %d, want %d", c.countBy, opened, c.at)
		}
		if open := g.Incidents(); len(open) == 1 && open[0].Counts != c.counts {
			t.Errorf("%q: %+v, want %+v", c.countBy, open[0].Counts, c.counts)
		}
	}
}
