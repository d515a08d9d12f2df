package notifier_test

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"callwatch/notifier/notifiertest"
	"callwatch/notifier/slackfake"
	"callwatch/rules"
)

// TestFaultMatrix lets several incidents live through everything at once: faults
// at random, Slack away for ten minutes, blocks refused, a channel archived and a
// token revoked for a while, and a restart.
func TestFaultMatrix(t *testing.T) {
	t.Parallel()
	for seed := range uint64(20) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			t.Parallel()
			s := newScene(t, channel)
			s.cfg.Timeout = 200 * time.Millisecond
			s.restart()
			random, refused := slackfake.Seeded(seed, 0.3, time.Hour), 0
			s.fake.SetFault(func(c slackfake.Call) slackfake.Fault {
				switch at := c.At.Sub(notifiertest.T0); {
				case at > 20*time.Second && at < 10*time.Minute+20*time.Second:
					return slackfake.Fault{Status: http.StatusServiceUnavailable, Commit: at < 40*time.Second}
				case at > 15*time.Minute && at < 16*time.Minute:
					return slackfake.Fault{Error: "is_archived"}
				case at > 16*time.Minute && at < 18*time.Minute:
					return slackfake.Fault{Error: "token_revoked"}
				case c.Method == "chat.postMessage" && refused < 2 && at > 11*time.Minute:
					refused++
					return slackfake.Fault{Error: "invalid_blocks", Detail: "[json-pointer:/blocks/0/text]"}
				}
				return random(c)
			})
			const incidents = 4
			each := func(step rules.Step, at time.Duration, in func() rules.Incident) {
				for i := range incidents {
					one := in()
					one.ID, one.UpdatedAt = fmt.Sprint("inc-", i), notifiertest.T0.Add(at)
					s.handle(step, one)
				}
				s.until(notifiertest.T0.Add(at))
			}
			each(rules.StepOpened, 15*time.Second, notifiertest.Opened)
			each(rules.StepUpdated, 10*time.Minute, notifiertest.Grown)
			settled := s.n.Settled()
			s.restart()
			s.replay(settled)
			each(rules.StepEscalated, 15*time.Minute, notifiertest.Escalated)
			each(rules.StepResolved, 20*time.Minute, notifiertest.Resolved)
			s.drain()
			ths := s.fake.Threads()
			if len(ths) != incidents {
				t.Fatalf("%d threads, want %d", len(ths), incidents)
			}
			for _, th := range ths {
				s.wantDone(th)
			}
			s.wantPaced()
		})
	}
}
