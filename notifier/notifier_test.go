package notifier_test

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"callwatch/notifier"
	"callwatch/notifier/notifiertest"
	"callwatch/notifier/slack"
	"callwatch/rules"
)

func TestIncidentBecomesOneThread(t *testing.T) {
	t.Parallel()
	s := newScene(t, channel)
	s.handle(rules.StepOpened, notifiertest.Opened())
	s.until(notifiertest.T0.Add(time.Second))
	for i := range 300 {
		at := time.Duration(i+1) * 200 * time.Millisecond
		s.until(notifiertest.T0.Add(at))
		s.handle(rules.StepUpdated, notifiertest.GrownTo(i+2, at))
	}
	e := notifiertest.Escalated()
	e.UpdatedAt = notifiertest.T0.Add(62 * time.Second)
	s.until(e.UpdatedAt)
	s.handle(rules.StepEscalated, e)
	s.until(notifiertest.T0.Add(70 * time.Second))
	s.handle(rules.StepResolved, notifiertest.Resolved())
	s.drain()

	th := s.one()
	s.wantDone(th)
	if th.Root.Edits < 3 || th.Root.Edits > 5 {
		t.Errorf("root was edited %d times, want 3 to 5: about two for the counts, one each for escalation and resolve", th.Root.Edits)
	}
	if got := s.count("conversations.history"); got != 0 {
		t.Errorf("%d looks into the history though nothing was unclear", got)
	}
	s.wantPaced()
	if !th.Replies[1].Broadcast || th.Replies[0].Broadcast || th.Replies[2].Broadcast {
		t.Error("the channel is to see the escalation among the replies, and nothing else")
	}
}

// wantPaced demands at most one post a second in each channel.
func (s *scene) wantPaced() {
	s.t.Helper()
	last := map[string]time.Time{}
	for _, c := range s.fake.Calls() {
		if c.Method != "chat.postMessage" {
			continue
		}
		name := strings.TrimPrefix(c.Channel, "#")
		if name == "C0000001" {
			name = strings.TrimPrefix(channel, "#")
		}
		if gap := c.At.Sub(last[name]); gap < time.Second {
			s.t.Errorf("two posts within %s", gap)
		}
		last[name] = c.At
	}
}

func TestReplayPostsNothing(t *testing.T) {
	t.Parallel()
	s := newScene(t, channel)
	s.handle(rules.StepOpened, notifiertest.Opened())
	s.drain()
	s.handle(rules.StepUpdated, notifiertest.Grown())
	s.handle(rules.StepEscalated, notifiertest.Escalated())
	s.drain()
	s.handle(rules.StepResolved, notifiertest.Resolved())
	s.drain()
	before := len(s.fake.Calls())
	s.restart()
	s.replay(0)
	s.drain()
	if got := len(s.fake.Calls()); got != before {
		t.Errorf("%d calls more after a replay of the whole stream", got-before)
	}
	s.wantDone(s.one())
}

func TestSkippedTransitionsAreMadeUpFor(t *testing.T) {
	t.Parallel()
	s := newScene(t, channel)
	s.handle(rules.StepOpened, notifiertest.Opened())
	s.drain()
	s.handle(rules.StepUpdated, notifiertest.Escalated())
	s.drain()
	r := notifiertest.Resolved()
	s.handle(rules.StepUpdated, r)
	s.drain()
	s.wantDone(s.one())
}

func TestShadowAndOffAreNotSent(t *testing.T) {
	t.Parallel()
	s := newScene(t, channel)
	for _, mode := range []rules.Mode{rules.Shadow, rules.Off} {
		in := notifiertest.Opened()
		in.Mode = mode
		s.handle(rules.StepOpened, in)
	}
	s.drain()
	if n := len(s.fake.Calls()); n != 0 {
		t.Errorf("%d calls, want none", n)
	}
	if got := s.n.Settled(); got != 2 {
		t.Errorf("settled %d, want 2", got)
	}
}

func TestEachChannelHasItsThread(t *testing.T) {
	t.Parallel()
	s := newScene(t, channel, "#a", "#b")
	in := notifiertest.Opened()
	in.Slack = []string{"#a", "#b", "#a"}
	s.handle(rules.StepOpened, in)
	s.drain()
	ths := s.fake.Threads()
	if len(ths) != 2 || ths[0].Channel != "#a" || ths[1].Channel != "#b" {
		t.Fatalf("threads %v, want one in #a and one in #b", ths)
	}
}

func TestUrgentGoesFirst(t *testing.T) {
	t.Parallel()
	s := newScene(t, channel)
	old := notifiertest.Opened()
	old.ID = "old"
	s.handle(rules.StepOpened, old)
	s.drain()
	for i, sev := range []rules.Severity{rules.Info, rules.Warning, rules.Critical} {
		in := notifiertest.Opened()
		in.ID, in.Severity = "new-"+string(sev), sev
		in.OpenedAt = notifiertest.T0.Add(time.Duration(i) * time.Second)
		s.handle(rules.StepOpened, in)
	}
	old.State = rules.Resolved
	s.handle(rules.StepResolved, old)
	from := len(s.fake.Calls())
	s.drain()
	var got []string
	for _, c := range s.fake.Calls()[from:] {
		got = append(got, c.Metadata.EventPayload["incident"].(string)+":"+c.Metadata.EventPayload["transition"].(string))
	}
	want := []string{
		"old:root", "old:resolved", "new-critical:root", "new-info:root", "new-warning:root",
		"new-info:opened", "new-warning:opened", "new-critical:opened",
	}
	if strings.Join(got, " ") != strings.Join(want, " ") {
		t.Errorf("order\n got %v\nwant %v", got, want)
	}
}

func TestWithoutSlackIncidentsAreLogged(t *testing.T) {
	t.Parallel()
	s := newScene(t, channel)
	s.cfg.Token = ""
	s.restart()
	s.handle(rules.StepOpened, notifiertest.Opened())
	s.drain()
	if st := s.n.Status(); st.Configured || st.Pending != 0 || st.Settled != 1 {
		t.Errorf("status %+v, want not configured, nothing pending, 1 settled", st)
	}
	if !strings.Contains(s.log.String(), "incident=bad-call-1") {
		t.Errorf("log does not name the incident:\n%s", s.log.String())
	}
	if _, err := s.n.Test(t.Context(), ""); !errors.Is(err, notifier.ErrNotConfigured) {
		t.Errorf("Test: %v", err)
	}
}

func TestTrialAndCheck(t *testing.T) {
	t.Parallel()
	s := newScene(t, channel, "#other")
	link, err := s.n.Test(t.Context(), "#other")
	if err != nil || !strings.HasPrefix(link, "https://") {
		t.Fatalf("link %q, error %v", link, err)
	}
	th := s.one()
	if th.Channel != "#other" || !strings.Contains(th.Root.Shown, "Test message") {
		t.Errorf("thread %+v", th)
	}
	who, err := slack.New(s.cfg.slack()).Check(t.Context(), false)
	if err != nil || who.Team != "callwatch" {
		t.Errorf("account %+v, error %v", who, err)
	}
	if _, err := s.n.Test(t.Context(), "#missing"); err == nil || !strings.Contains(err.Error(), "channel_not_found") {
		t.Errorf("error %v, want channel_not_found", err)
	}
}

// TestRunDelivers is the loop in real time: no test waits for more than the
// message it expects.
func TestRunDelivers(t *testing.T) {
	t.Parallel()
	s := newScene(t, channel)
	s.cfg.Rate = 1000
	s.n = notifier.New(s.cfg.notifier(), s.ledger, time.Now, slog.New(slog.DiscardHandler))
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		s.n.Run(ctx)
	}()
	in := notifiertest.Resolved()
	in.OpenedAt = time.Now() // one of long ago would not be announced
	in.UpdatedAt, in.ResolvedAt = in.OpenedAt, in.OpenedAt
	for i, step := range []rules.Step{rules.StepOpened, rules.StepResolved} {
		tr := rules.Transition{Step: step, Cause: rules.Cause{Seq: uint64(i + 1)}, Incident: in}
		if err := s.n.Handle(ctx, uint64(i+1), tr); err != nil {
			t.Fatal(err)
		}
	}
	for s.n.Settled() < 2 {
		changed := s.fake.Changed()
		if s.n.Settled() == 2 || s.count("chat.postMessage") == 3 {
			break
		}
		<-changed
	}
	stop()
	<-ended
	if got := names(s.one()); got != "root opened resolved" {
		t.Errorf("thread has %q", got)
	}
}
