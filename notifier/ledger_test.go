package notifier_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"callwatch/notifier"
	"callwatch/notifier/notifiertest"
	"callwatch/notifier/slackfake"
	"callwatch/rules"
)

// damages are what a ledger's pages may look like after an accident; nil: gone.
func damages() map[string]func(value []byte) []byte {
	return map[string]func([]byte) []byte{
		"gone":             func([]byte) []byte { return nil },
		"garbage":          func([]byte) []byte { return []byte("\x00\xff garbage") },
		"empty":            func([]byte) []byte { return []byte{} },
		"empty object":     func([]byte) []byte { return []byte("{}") },
		"null":             func([]byte) []byte { return []byte("null") },
		"another type":     func([]byte) []byte { return []byte(`["root"]`) },
		"cut off":          func(v []byte) []byte { return v[:len(v)/2] },
		"another incident": func(v []byte) []byte { return []byte(strings.ReplaceAll(string(v), "bad-call-1", "bad-call-2")) },
		"too large":        func(v []byte) []byte { return append(v, []byte(strings.Repeat(" ", notifier.MaxPage))...) },
	}
}

// damage changes every page.
func (m *memory) damage(change func([]byte) []byte) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for key, v := range m.pages {
		if v = change(v); v == nil {
			delete(m.pages, key)
			delete(m.revs, key)
			continue
		}
		m.pages[key] = v
	}
}

// TestDamagedLedgerAnnouncesNothingTwice damages the pages after each step of an
// incident's life, with a restart and in the running process.
func TestDamagedLedgerAnnouncesNothingTwice(t *testing.T) {
	t.Parallel()
	long(t)
	life := []struct {
		step rules.Step
		in   rules.Incident
	}{{rules.StepOpened, notifiertest.Opened()}, {rules.StepUpdated, notifiertest.Grown()}, {rules.StepEscalated, notifiertest.Escalated()}, {rules.StepResolved, notifiertest.Resolved()}}
	for _, kind := range slices.Sorted(maps.Keys(damages())) {
		for after := 1; after <= len(life); after++ {
			for _, restart := range []bool{true, false} {
				if !restart && after == len(life) {
					continue // nothing is announced any more
				}
				t.Run(fmt.Sprintf("%s after step %d, restart %v", kind, after, restart), func(t *testing.T) {
					s := newScene(t, channel)
					for i, l := range life {
						s.handle(l.step, l.in)
						s.until(notifier.Later(s.clock.now(), l.in.UpdatedAt).Add(time.Minute))
						if i+1 != after {
							continue
						}
						s.ledger.damage(damages()[kind])
						if restart {
							s.restart()
							s.replay(0)
							s.drain()
						}
					}
					s.drain()
					s.wantDone(s.one())
				})
			}
		}
	}
}

// TestLostLedgerOfUnannouncedIncident looks once, and then announces.
func TestLostLedgerOfUnannouncedIncident(t *testing.T) {
	t.Parallel()
	s := newScene(t, channel)
	s.handle(rules.StepOpened, notifiertest.Opened())
	s.clock.to(notifiertest.T0.Add(time.Hour))
	s.restart()
	s.replay(0)
	s.drain()
	s.handle(rules.StepEscalated, notifiertest.Escalated())
	s.handle(rules.StepResolved, notifiertest.Resolved())
	s.drain()
	s.wantDone(s.one())
	if n := s.count("conversations.history"); n != 1 {
		t.Errorf("%d looks for the root, want 1", n)
	}
}

func TestLostLedgerAnnouncesNothingThatIsOverForADay(t *testing.T) {
	t.Parallel()
	for wait, want := range map[time.Duration]int{23 * time.Hour: 1, 25 * time.Hour: 0} {
		s := newScene(t, channel)
		s.handle(rules.StepOpened, notifiertest.Opened())
		s.handle(rules.StepResolved, notifiertest.Resolved())
		s.clock.to(notifiertest.Resolved().UpdatedAt.Add(wait))
		s.restart()
		if err := s.n.Handle(t.Context(), 2, s.stream[1]); err != nil {
			t.Fatal(err)
		}
		s.drain()
		if got := len(s.fake.Threads()); got != want {
			t.Errorf("after %s: %d threads, want %d", wait, got, want)
		}
	}
}

// TestLostLedgerOfAStorm: neither the storm nor its list is told again.
func TestLostLedgerOfAStorm(t *testing.T) {
	t.Parallel()
	s := newScene(t, channel)
	for i := range 30 {
		in := notifiertest.Opened()
		in.ID = fmt.Sprintf("storm-%02d", i)
		in.OpenedAt = notifiertest.T0.Add(time.Duration(i) * time.Second / 10)
		in.UpdatedAt = in.OpenedAt
		s.handle(rules.StepOpened, in)
	}
	s.until(notifiertest.T0.Add(5 * time.Minute))
	before := s.count("chat.postMessage")
	s.ledger.damage(damages()["gone"])
	s.restart()
	s.replay(0)
	s.until(notifiertest.T0.Add(6 * time.Minute))
	if got := s.count("chat.postMessage"); got != before {
		t.Errorf("%d posts more after the ledger was lost", got-before)
	}
}

// TestLedgerDamagedWhileASlackCallIsUnderWay: what this process knows it has sent
// takes the place of what the store lost.
func TestLedgerDamagedWhileASlackCallIsUnderWay(t *testing.T) {
	t.Parallel()
	for kind, change := range damages() {
		for at := 1; at <= 5; at++ {
			t.Run(fmt.Sprintf("%s at call %d", kind, at), func(t *testing.T) {
				s := newScene(t, channel)
				calls := 0
				s.fake.SetFault(func(slackfake.Call) slackfake.Fault {
					if calls++; calls == at {
						s.ledger.damage(change)
					}
					return slackfake.Fault{}
				})
				s.handle(rules.StepOpened, notifiertest.Opened())
				s.drain()
				s.handle(rules.StepEscalated, notifiertest.Escalated())
				s.drain()
				s.handle(rules.StepResolved, notifiertest.Resolved())
				s.drain()
				s.wantDone(s.one())
			})
		}
	}
}
