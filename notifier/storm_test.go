package notifier_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"callwatch/notifier"
	"callwatch/notifier/notifiertest"
	"callwatch/rules"
)

// nth is one of many incidents, opened a time after t0.
func nthIncident(i int, after time.Duration) rules.Incident {
	in := notifiertest.Opened()
	in.ID, in.Rule = fmt.Sprintf("inc_%016x", i), fmt.Sprintf("rule-%d", i%3)
	in.By = []rules.Label{{Name: "connectionId", Value: fmt.Sprintf("conn-%d", i)}}
	in.OpenedAt, in.UpdatedAt = notifiertest.T0.Add(after), notifiertest.T0.Add(after)
	return in
}

func stormScene(t *testing.T) *scene {
	s := newScene(t, channel)
	s.cfg.Storm = func(string) rules.Storm { return rules.UsualStorm() }
	s.restart()
	return s
}

// everything is all that the channel shows.
func (s *scene) everything() string {
	var b strings.Builder
	for _, th := range s.fake.Threads() {
		b.WriteString(th.Root.Shown + "\n" + fmt.Sprint(th.Root.Metadata.EventPayload) + "\n")
		for _, r := range th.Replies {
			b.WriteString(r.Shown + "\n")
		}
	}
	return b.String()
}

func TestStormOf2000Incidents(t *testing.T) {
	t.Parallel()
	long(t)
	const many = 2000
	s := stormScene(t)
	for i := range many {
		after := time.Duration(i) * time.Minute / many
		s.until(notifiertest.T0.Add(after))
		s.handle(rules.StepOpened, nthIncident(i, after))
	}
	calls := len(s.fake.Calls())
	if calls > 70 {
		t.Errorf("%d calls in the storm's minute", calls)
	}
	s.until(notifiertest.T0.Add(5 * time.Minute))
	if st := s.n.Status(); st.Channels[0].Storm == "" || st.Settled >= s.seq {
		t.Errorf("status %+v, want a storm that is not settled", st)
	}
	for i := range 1500 {
		in := nthIncident(i, 0)
		in.State, in.ResolvedAt = rules.Resolved, notifiertest.T0.Add(6*time.Minute)
		s.handle(rules.StepResolved, in)
	}
	s.drain()
	s.wantPaced()
	threads := s.fake.Threads()
	if len(threads) > 5 {
		t.Errorf("%d threads, want a few from before the storm and the storm", len(threads))
	}
	all, log := s.everything(), s.log.String()
	lost := 0
	for i := range many {
		id := fmt.Sprintf("inc_%016x", i)
		if n := strings.Count(all, "• "+id) + strings.Count(all, id+" rule-") + strings.Count(all, "incident:"+id); n != 1 {
			lost++
		}
		if own := strings.Contains(all, "incident:"+id); !own && !strings.Contains(log, "incident="+id) {
			t.Errorf("%s is not in the log", id)
		}
	}
	if lost > 0 {
		t.Errorf("%d incidents are not told exactly once", lost)
	}
	root := threads[len(threads)-1].Root.Shown
	for _, want := range []string{"Storm over: ", "still open", "rule-0", "provider Telnyx (100 %)"} {
		if !strings.Contains(root, want) {
			t.Errorf("the storm's message lacks %q:\n%s", want, root)
		}
	}
	if st := s.n.Status(); st.Pending != 0 || st.Settled != s.seq || st.Channels[0].Parked != 0 {
		t.Errorf("status %+v, want all settled and nothing parked", st)
	}
}

func TestStormSurvivesRestarts(t *testing.T) {
	t.Parallel()
	s := stormScene(t)
	for i := range 250 {
		after := time.Duration(i) * 100 * time.Millisecond
		s.until(notifiertest.T0.Add(after))
		s.handle(rules.StepOpened, nthIncident(i, after))
		if i%60 == 59 {
			settled := s.n.Settled()
			s.restart()
			s.replay(settled)
		}
	}
	s.drain()
	all := s.everything()
	for i := range 250 {
		id := fmt.Sprintf("inc_%016x", i)
		if n := strings.Count(all, id+" rule-") + strings.Count(all, "incident:"+id); n != 1 {
			t.Errorf("%s is told %d times", id, n)
		}
	}
	if n := strings.Count(all, "Storm over"); n != 1 {
		t.Errorf("%d storms, want one", n)
	}
	calls := len(s.fake.Calls())
	s.restart()
	s.replay(0)
	s.drain()
	if n := len(s.fake.Calls()) - calls; n != 0 {
		t.Errorf("%d calls after a replay of all", n)
	}
}

func TestCriticalBypassesAStorm(t *testing.T) {
	t.Parallel()
	s := stormScene(t)
	for i := range 30 {
		s.handle(rules.StepOpened, nthIncident(i, 0))
	}
	in := nthIncident(99, 0)
	in.Severity = rules.Critical
	s.handle(rules.StepOpened, in)
	worse := nthIncident(20, 0) // a member that becomes critical
	worse.Severity = rules.Critical
	s.handle(rules.StepEscalated, worse)
	s.until(notifiertest.T0.Add(2 * time.Minute))
	all := s.everything()
	for _, id := range []string{in.ID, worse.ID} {
		if !strings.Contains(all, "incident:"+id) {
			t.Errorf("%s has no thread of its own", id)
		}
	}
	if n := len(s.fake.Threads()); n != 3 {
		t.Errorf("%d threads, want the storm's and two critical ones", n)
	}
}

func TestStormIsOffWhereARouteSaysSo(t *testing.T) {
	t.Parallel()
	s := stormScene(t)
	s.cfg.Storm = func(string) rules.Storm { return rules.Storm{} }
	s.restart()
	for i := range 30 {
		s.handle(rules.StepOpened, nthIncident(i, 0))
	}
	s.drain()
	if n := len(s.fake.Threads()); n != 30 {
		t.Errorf("%d threads, want 30", n)
	}
}

// What new rules say of storms counts from their reload on, for one that is on too.
func TestStormIsSwitchedOffByNewRules(t *testing.T) {
	t.Parallel()
	s := stormScene(t)
	limit := rules.UsualStorm()
	s.cfg.Storm = func(string) rules.Storm { return limit }
	s.restart()
	for i := range 20 {
		s.handle(rules.StepOpened, nthIncident(i, 0))
	}
	s.drain()
	before := len(s.fake.Threads())
	limit = rules.Storm{}
	for i := range 5 {
		s.handle(rules.StepOpened, nthIncident(20+i, 0))
	}
	s.drain()
	if n := len(s.fake.Threads()); before >= 20 || n != before+5 {
		t.Errorf("%d threads in the storm, %d after it was switched off", before, n)
	}
}

func TestMemberOfAStormIsLiftedWhenItIsReminded(t *testing.T) {
	t.Parallel()
	s := stormScene(t)
	for i := range 12 {
		s.handle(rules.StepOpened, nthIncident(i, 0))
	}
	s.drain()
	before := len(s.fake.Threads())
	in := nthIncident(11, 0)
	in.UpdatedAt = s.clock.now()
	s.handle(rules.StepUpdated, in)
	s.drain()
	if n := len(s.fake.Threads()); n != before {
		t.Errorf("%d threads after an update, want %d", n, before)
	}
	s.handle(rules.StepReminded, in)
	s.drain()
	if n := len(s.fake.Threads()); n != before+1 {
		t.Errorf("%d threads after a reminder, want one more than %d", n, before)
	}
}

func TestStormGoesOnUntilItIsCalm(t *testing.T) {
	t.Parallel()
	s := stormScene(t)
	for i := range 12 {
		s.handle(rules.StepOpened, nthIncident(i, 0))
	}
	for i, after := range []time.Duration{9 * time.Minute, 18 * time.Minute} {
		s.until(notifiertest.T0.Add(after))
		s.handle(rules.StepOpened, nthIncident(20+i, after))
	}
	s.until(notifiertest.T0.Add(27 * time.Minute))
	if ths := s.fake.Threads(); len(ths) != 1 || !strings.Contains(ths[0].Root.Shown, "Storm: 14 incidents") {
		t.Errorf("want one storm of 14 incidents:\n%s", s.everything())
	}
	s.until(notifiertest.T0.Add(29 * time.Minute))
	s.handle(rules.StepOpened, nthIncident(30, 29*time.Minute))
	s.drain()
	if ths := s.fake.Threads(); len(ths) != 2 || !strings.Contains(ths[0].Root.Shown, "Storm over: 14 incidents") {
		t.Errorf("want the storm over, and the next incident by itself:\n%s", s.everything())
	}
}

// A member changes between the end of the storm and the message about it.
func TestStormEndsThoughAMemberChanges(t *testing.T) {
	t.Parallel()
	s := stormScene(t)
	for i := range 12 {
		s.handle(rules.StepOpened, nthIncident(i, 0))
	}
	s.until(notifiertest.T0.Add(notifier.Calm - time.Second))
	s.n.EndStorms(notifiertest.T0.Add(notifier.Calm))
	in := nthIncident(3, 0)
	in.Acknowledged = &rules.Actor{By: "ana", At: s.clock.now()}
	s.handle(rules.StepAcknowledged, in)
	s.drain()
	if ths := s.fake.Threads(); len(ths) != 1 || !strings.Contains(ths[0].Root.Shown, "Storm over: 12 incidents") {
		t.Errorf("want the storm of 12 over:\n%s", s.everything())
	}
}

// A storm of one is none: the incident is announced by itself after a short wait,
// also where callwatch is restarted while it waits.
func TestStormOfOneIsNone(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		second  time.Duration // when a second one opens; 0 for never
		restart bool
		threads int
		storm   string
	}{
		"alone":                  {0, false, 11, ""},
		"alone, with a restart":  {0, true, 11, ""},
		"a second one":           {10 * time.Second, false, 11, "Storm over: 2 incidents"},
		"a second, restarted":    {10 * time.Second, true, 11, "Storm over: 2 incidents"},
		"the second is too late": {20 * time.Second, false, 12, ""},
	} {
		t.Run(name, func(t *testing.T) {
			s := stormScene(t)
			for i := range 11 {
				after := time.Duration(i) * 4 * time.Second
				s.until(notifiertest.T0.Add(after))
				s.handle(rules.StepOpened, nthIncident(i, after))
			}
			last := 40 * time.Second
			s.until(notifiertest.T0.Add(last + 5*time.Second))
			if c.restart {
				settled := s.n.Settled()
				s.restart()
				s.replay(settled)
			}
			if c.second > 0 {
				s.until(notifiertest.T0.Add(last + c.second))
				s.handle(rules.StepOpened, nthIncident(11, last+c.second))
			}
			s.drain()
			worse := nthIncident(10, last)
			worse.UpdatedAt = s.clock.now()
			s.handle(rules.StepUpdated, worse) // of one that was held: it must not begin a storm again
			s.drain()
			ths, all := s.fake.Threads(), s.everything()
			if len(ths) != c.threads || strings.Contains(all, "Storm") != (c.storm != "") || !strings.Contains(all, c.storm) {
				t.Errorf("%d threads, want %d and %q:\n%s", len(ths), c.threads, c.storm, all)
			}
			if st := s.n.Status(); st.Settled != s.seq || st.Pending != 0 || st.Channels[0].Storm != "" {
				t.Errorf("status %+v, want all settled", st)
			}
		})
	}
}

// The incidents of a storm are listed while it goes on: the first after a minute, further
// ones less and less often, and each once, also across a restart.
func TestStormListsItsIncidentsWhileItGoesOn(t *testing.T) {
	t.Parallel()
	s := stormScene(t)
	told := func(i int) int {
		id, all := fmt.Sprintf("inc_%016x", i), s.everything()
		return strings.Count(all, id+" rule-") + strings.Count(all, "incident:"+id)
	}
	open := func(from, to int, after time.Duration) {
		s.until(notifiertest.T0.Add(after))
		for i := from; i < to; i++ {
			s.handle(rules.StepOpened, nthIncident(i, after))
		}
	}
	open(0, 25, 0)
	s.until(notifiertest.T0.Add(80 * time.Second))
	for i := range 25 {
		if told(i) != 1 {
			t.Fatalf("after 80 s incident %d is told %d times:\n%s", i, told(i), s.everything())
		}
	}
	open(25, 30, 2*time.Minute)
	settled := s.n.Settled()
	s.restart()
	s.replay(settled)
	s.until(notifiertest.T0.Add(5 * time.Minute))
	if told(29) != 1 {
		t.Errorf("three minutes later the next ones are told %d times:\n%s", told(29), s.everything())
	}
	for i := range 12 { // one now and then, for an hour and a half
		open(30+i, 31+i, time.Duration(6+8*i)*time.Minute)
	}
	s.drain()
	for i := range 42 {
		if told(i) != 1 {
			t.Errorf("incident %d is told %d times", i, told(i))
		}
	}
	ths := s.fake.Threads()
	if n := len(ths[len(ths)-1].Replies); n > 16 {
		t.Errorf("%d replies", n)
	}
	calls := len(s.fake.Calls())
	s.restart()
	s.replay(0)
	s.drain()
	if n := len(s.fake.Calls()) - calls; n != 0 {
		t.Errorf("%d calls after a replay of all", n)
	}
}

// Messages of the list are known again in the ledger, those of an earlier version too:
// else they are posted twice.
func TestListIsKnownAgain(t *testing.T) {
	for _, c := range []struct {
		sent, want []string
	}{
		{nil, []string{"list/1-100", "list/101-150"}},
		{[]string{"root", "list/1-100"}, []string{"list/1-100", "list/101-150"}},
		{[]string{"list/1-40", "list/41-120"}, []string{"list/1-40", "list/41-120", "list/121-150"}},
		{[]string{"list/1"}, []string{"list/1", "list/101-150"}},
		{[]string{"list/0", "list/01", "list/99", "list/-1", "list/1x", "list/1-900", "list/5-4"}, []string{"list/1-100", "list/101-150"}},
	} {
		sent := map[string]notifier.Sent{}
		for _, name := range c.sent {
			sent[name] = notifier.Sent{}
		}
		if diff := cmp.Diff(c.want, notifier.ListNames(sent, 150)); diff != "" {
			t.Errorf("%q: %s", c.sent, diff)
		}
	}
}
