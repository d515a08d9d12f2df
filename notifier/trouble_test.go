package notifier_test

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"callwatch/notifier"
	"callwatch/notifier/delivery"
	"callwatch/notifier/notifiertest"
	"callwatch/notifier/slackfake"
	"callwatch/rules"
)

// TestTroubleShowsWithinAMinute: whatever keeps messages from a receiver, it is
// degraded after two failures or a minute, and no longer once it takes them.
func TestTroubleShowsWithinAMinute(t *testing.T) {
	t.Parallel()
	down := map[string]slackfake.Fault{
		"503":           {Status: http.StatusServiceUnavailable},
		"cut":           {Cut: true},
		"hangs":         {Hang: time.Hour},
		"token revoked": {Error: "token_revoked"},
		"archived":      {Error: "is_archived"},
		"limited":       {Status: http.StatusTooManyRequests, RetryAfter: 100},
	}
	for name, fault := range down {
		t.Run(name, func(t *testing.T) {
			s := newScene(t, channel)
			s.cfg.Timeout = 100 * time.Millisecond
			s.restart()
			back := notifiertest.T0.Add(6 * time.Minute)
			s.fake.SetFault(func(c slackfake.Call) slackfake.Fault {
				if c.At.Before(back) {
					return fault
				}
				return slackfake.Fault{}
			})
			if st := s.receiver(channel); st.Degraded {
				t.Fatalf("degraded before the first message: %+v", st)
			}
			s.handle(rules.StepOpened, notifiertest.Opened())
			for at := notifiertest.T0; at.Before(back); at = at.Add(10 * time.Second) {
				s.until(at)
				st := s.receiver(channel)
				if soon := name == "token revoked" || name == "503"; soon && !st.Degraded && at.Sub(notifiertest.T0) >= 10*time.Second {
					t.Fatalf("not degraded after two failures: %+v", st)
				}
				if !st.Degraded && at.Sub(notifiertest.T0) >= time.Minute {
					t.Fatalf("not degraded after %s: %+v", at.Sub(notifiertest.T0), st)
				}
				if !st.Degraded {
					continue
				}
				und := s.n.Undelivered("bad-call-1")
				if len(und) != 1 || und[0].Receiver != channel || und[0].Announced || und[0].Cause == "" || und[0].NextTry.Before(at) || und[0].Since.After(at) {
					t.Fatalf("after %s: undelivered %+v", at.Sub(notifiertest.T0), und)
				}
				if st.Trouble() == "" || st.Since.IsZero() || st.Since.After(at) {
					t.Fatalf("after %s: %+v", at.Sub(notifiertest.T0), st)
				}
			}
			s.handle(rules.StepEscalated, notifiertest.Escalated())
			s.handle(rules.StepResolved, notifiertest.Resolved())
			s.drain()
			s.wantDone(s.one())
			if st := s.receiver(channel); st.Degraded || len(s.n.Undelivered("bad-call-1")) != 0 {
				t.Errorf("after recovery: %+v", st)
			}
		})
	}
}

// TestNoTroubleWhereNoneIs: what passes, and work that is only paced, is no trouble.
func TestNoTroubleWhereNoneIs(t *testing.T) {
	t.Parallel()
	long(t)
	t.Run("one failure", func(t *testing.T) {
		s := newScene(t, channel)
		s.fake.SetFault(nth("chat.postMessage", 1, slackfake.Fault{Status: 503}))
		s.handle(rules.StepOpened, notifiertest.Opened())
		s.until(notifiertest.T0)
		if s.receiver(channel).Degraded || len(s.n.Undelivered("bad-call-1")) != 1 {
			t.Errorf("%+v, %+v", s.receiver(channel), s.n.Undelivered("bad-call-1"))
		}
	})
	t.Run("a paced backlog", func(t *testing.T) {
		s := newScene(t, channel)
		for i := range 150 {
			in := notifiertest.Opened()
			in.ID, in.Severity = "critical-"+string(rune('a'+i%26))+string(rune('a'+i/26)), rules.Critical
			s.handle(rules.StepOpened, in)
		}
		for at := notifiertest.T0; at.Before(notifiertest.T0.Add(5 * time.Minute)); at = at.Add(5 * time.Second) {
			if s.until(at); s.receiver(channel).Degraded {
				t.Fatalf("degraded after %s: %+v", at.Sub(notifiertest.T0), s.receiver(channel))
			}
		}
	})
	t.Run("an alert that is repeated", func(t *testing.T) {
		s, _ := outputScene(t, func(url string) outputConfig { return outputConfig{Alertmanager: delivery.Token(url)} })
		s.handle(rules.StepOpened, routed(notifiertest.Opened()))
		for at := notifiertest.T0; at.Before(notifiertest.T0.Add(10 * time.Minute)); at = at.Add(7 * time.Second) {
			if s.until(at); s.receiver("output ops").Degraded {
				t.Fatalf("degraded after %s: %+v", at.Sub(notifiertest.T0), s.receiver("output ops"))
			}
		}
	})
	t.Run("counts that wait for their time", func(t *testing.T) {
		s := newScene(t, channel)
		s.handle(rules.StepOpened, notifiertest.Opened())
		s.until(notifiertest.T0.Add(10 * time.Second))
		s.handle(rules.StepUpdated, notifiertest.Grown())
		s.until(notifiertest.T0.Add(29 * time.Second))
		if len(s.n.Undelivered("bad-call-1")) != 0 {
			t.Errorf("%+v", s.n.Undelivered("bad-call-1"))
		}
	})
}

// TestOtherReceiverOfTheRouteIsServedWhileOneHangs: the route's webhook gets the
// incident at once while Slack answers nothing.
func TestOtherReceiverOfTheRouteIsServedWhileOneHangs(t *testing.T) {
	t.Parallel()
	hang := make(chan struct{})
	slackServer := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-hang:
		case <-r.Context().Done():
		}
	}))
	defer slackServer.Close()
	defer close(hang)
	got := make(chan string, 100)
	hook := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		got <- r.Header.Get("Webhook-Id")
	}))
	defer hook.Close()
	cfg := config{
		Token: token, APIURL: slackServer.URL, Channel: channel, Timeout: time.Hour,
		Outputs: map[string]outputConfig{"ops": {Webhook: delivery.Token(hook.URL)}},
	}
	n := notifier.New(cfg.notifier(), newMemory(), time.Now, slog.New(slog.DiscardHandler))
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		n.Run(ctx)
	}()
	for i, step := range []rules.Step{rules.StepOpened, rules.StepEscalated, rules.StepResolved} {
		in := map[rules.Step]rules.Incident{rules.StepOpened: notifiertest.Opened(), rules.StepEscalated: notifiertest.Escalated(), rules.StepResolved: notifiertest.Resolved()}[step]
		in.Slack, in.Outputs = []string{channel}, []string{"ops"}
		in.OpenedAt, in.UpdatedAt = time.Now(), time.Now()
		if err := n.Handle(ctx, uint64(i+1), rules.Transition{Step: step, Cause: rules.Cause{Seq: uint64(i + 1)}, Incident: in}); err != nil {
			t.Fatal(err)
		}
		<-got // hangs until the test's deadline where the webhook waits for Slack
	}
	stop()
	for {
		slackServer.CloseClientConnections() // a call may have begun since
		select {
		case <-ended:
			return
		case <-time.After(10 * time.Millisecond):
		}
	}
}
