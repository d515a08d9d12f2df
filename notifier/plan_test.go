package notifier

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"callwatch/notifier/notifiertest"
	"callwatch/rules"
)

func TestPlan(t *testing.T) {
	t.Parallel()
	at := func(n uint64) rules.Cause { return rules.Cause{Seq: n} }
	shows := func(m, hash string, seq uint64) Shown {
		return Shown{State: m, Hash: hash, Cause: at(seq), At: notifiertest.T0}
	}
	is := Sent{State: delivered, TS: "1.1"}
	warning := func(seq uint64) Want { return Want{Incident: notifiertest.Opened(), Cause: at(seq)} }
	critical := Want{Incident: notifiertest.Escalated(), Cause: at(3)}
	over := Want{Incident: notifiertest.Resolved(), Cause: at(4)}
	explicit := Want{Incident: notifiertest.Escalated(), Cause: at(3), Lines: []Line{{Name: "escalated/critical", Step: rules.StepEscalated, Incident: notifiertest.Escalated()}}}

	for name, c := range map[string]struct {
		page Record
		want Want
		acts string
	}{
		"nothing is there":          {Record{}, warning(1), "post root, post opened"},
		"a root of unclear fate":    {Record{Sent: map[string]Sent{"root": {State: attempting}}}, warning(1), "look root, post opened"},
		"a reply of unclear fate":   {Record{Sent: map[string]Sent{"root": is, "opened": {State: attempting}}, Shows: shows("firing/warning", "h", 1)}, warning(1), "look opened"},
		"all is there":              {Record{Sent: map[string]Sent{"root": is, "opened": is}, Shows: shows("firing/warning", "h", 1)}, warning(1), ""},
		"counts grew":               {Record{Sent: map[string]Sent{"root": is, "opened": is}, Shows: shows("firing/warning", "old", 1)}, warning(2), "edit in 30s"},
		"nothing visible changed":   {Record{Sent: map[string]Sent{"root": is, "opened": is}, Shows: shows("firing/warning", "h", 1)}, warning(2), ""},
		"escalated":                 {Record{Sent: map[string]Sent{"root": is, "opened": is}, Shows: shows("firing/warning", "old", 1), Severity: rules.Warning}, explicit, "edit, post escalated/critical"},
		"an escalation was skipped": {Record{Sent: map[string]Sent{"root": is, "opened": is}, Shows: shows("firing/warning", "old", 1), Severity: rules.Warning}, critical, "edit, post escalated/critical"},
		"escalated before the root": {Record{}, explicit, "post root, post opened, post escalated/critical"},
		"opened as critical":        {Record{}, critical, "post root, post opened"},
		"resolved":                  {Record{Sent: map[string]Sent{"root": is, "opened": is}, Shows: shows("firing/critical", "old", 3), Severity: rules.Critical}, over, "edit, post resolved"},
		"an old transition again":   {Record{Sent: map[string]Sent{"root": is, "opened": is, "resolved": is}, Shows: shows("resolved/critical", "new", 4), Severity: rules.Warning}, critical, ""},
		"edits are forbidden":       {Record{Sent: map[string]Sent{"root": is, "opened": is}, Shows: shows("firing/critical", "old", 3), Severity: rules.Critical, Frozen: true}, over, "post resolved"},
		"a root given up":           {Record{Sent: map[string]Sent{"root": {State: parked}}}, over, ""},
		"moved elsewhere":           {Record{MovedTo: "#b"}, over, ""},
	} {
		t.Run(name, func(t *testing.T) {
			var got []string
			for _, a := range plan(&c.page, &c.want, func() string { return "h" }) {
				s := string(a.Do)
				if a.Line.Name != "" {
					s += " " + a.Line.Name
				}
				if !a.Due.IsZero() {
					s += " in " + a.Due.Sub(notifiertest.T0).String()
				}
				got = append(got, s)
			}
			if strings.Join(got, ", ") != c.acts {
				t.Errorf("got %q, want %q", strings.Join(got, ", "), c.acts)
			}
		})
	}
}

func TestBucket(t *testing.T) {
	t.Parallel()
	b := bucket{every: time.Second, burst: 3}
	var got []time.Duration
	now := notifiertest.T0
	for range 5 {
		now = b.due(now)
		b.take(now)
		got = append(got, now.Sub(notifiertest.T0))
	}
	now = now.Add(time.Hour)
	if due := b.due(now); due != now {
		t.Errorf("a full bucket makes wait until %s", due)
	}
	if want := "[0s 0s 0s 1s 2s]"; fmt.Sprint(got) != want {
		t.Errorf("tokens at %v, want %s", got, want)
	}
}

func TestBackOffDoublesUpToAMinute(t *testing.T) {
	t.Parallel()
	l := &lane{}
	var got []time.Duration
	for range 8 {
		l.closed = time.Time{}
		l.backOff(notifiertest.T0)
		got = append(got, l.closed.Sub(notifiertest.T0))
	}
	if want := "[1s 2s 4s 8s 16s 32s 1m0s 1m0s]"; fmt.Sprint(got) != want {
		t.Errorf("waits %v, want %s", got, want)
	}
}
