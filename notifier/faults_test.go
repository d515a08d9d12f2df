package notifier_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"strings"
	"testing"
	"time"

	"callwatch/notifier"
	"callwatch/notifier/notifiertest"
	"callwatch/notifier/slack"
	"callwatch/notifier/slackfake"
	"callwatch/rules"
)

// live runs the scripted incident to its end.
func (s *scene) live() {
	s.t.Helper()
	s.handle(rules.StepOpened, notifiertest.Opened())
	s.until(notifiertest.T0.Add(20 * time.Second))
	s.handle(rules.StepUpdated, notifiertest.GrownTo(5, 20*time.Second))
	s.until(notifiertest.T0.Add(50 * time.Second))
	s.handle(rules.StepEscalated, notifiertest.Escalated())
	s.until(notifiertest.T0.Add(70 * time.Second))
	s.handle(rules.StepResolved, notifiertest.Resolved())
	s.drain()
}

// nth makes a fault of the nth call of a method.
func nth(method string, n int, f slackfake.Fault) func(slackfake.Call) slackfake.Fault {
	seen := 0
	return func(c slackfake.Call) slackfake.Fault {
		if c.Method == method {
			if seen++; seen == n {
				return f
			}
		}
		return slackfake.Fault{}
	}
}

// TestEveryFaultOnEveryCall lets each kind of fault happen to each call of the
// incident in turn.
func TestEveryFaultOnEveryCall(t *testing.T) {
	t.Parallel()
	hang := time.Hour
	faults := map[string]slackfake.Fault{
		"limited":        {Status: 429, RetryAfter: 7},
		"limited, bare":  {Status: 429},
		"500":            {Status: 500},
		"503, committed": {Status: 503, Commit: true},
		"500, seen late": {Status: 500, Commit: true, Late: time.Second},
		"cut":            {Cut: true},
		"cut, committed": {Cut: true, Commit: true},
		"late":           {Hang: hang},
		"late, but done": {Hang: hang, Commit: true},
		"internal error": {Error: "internal_error"},
		"invalid blocks": {Error: "invalid_blocks"},
		"token revoked":  {Error: "token_revoked"},
	}
	calls := map[string]int{"chat.postMessage": 4, "chat.update": 3}
	for name, f := range faults {
		for method, n := range calls {
			for i := 1; i <= n; i++ {
				t.Run(fmt.Sprintf("%s, %s %d", name, method, i), func(t *testing.T) {
					t.Parallel()
					s := newScene(t, channel)
					s.cfg.Timeout = 200 * time.Millisecond
					s.restart()
					s.fake.SetFault(nth(method, i, f))
					s.live()
					s.wantDone(s.one())
				})
			}
		}
	}
}

func TestFaultsAtRandomEndInOneThread(t *testing.T) {
	t.Parallel()
	for seed := range uint64(20) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			t.Parallel()
			s := newScene(t, channel)
			s.cfg.Timeout = 200 * time.Millisecond
			s.restart()
			s.fake.SetFault(slackfake.Seeded(seed, 0.4, time.Hour))
			s.live()
			s.wantDone(s.one())
			s.wantPaced()
		})
	}
}

// TestRestartAtEveryCall stops the program after each call to Slack, before it
// could note the result, and starts it again.
func TestRestartAtEveryCall(t *testing.T) {
	t.Parallel()
	for stop := 1; stop <= 6; stop++ {
		for _, commit := range []bool{true, false} {
			t.Run(fmt.Sprintf("call %d, committed %v", stop, commit), func(t *testing.T) {
				s := newScene(t, channel)
				calls := 0
				s.fake.SetFault(func(slackfake.Call) slackfake.Fault {
					if calls++; calls == stop {
						s.ledger.failNext(1 << 30) // no write after it: the process is dead
						return slackfake.Fault{Cut: true, Commit: commit}
					}
					return slackfake.Fault{}
				})
				for _, tr := range []struct {
					step rules.Step
					in   rules.Incident
				}{{rules.StepOpened, notifiertest.Opened()}, {rules.StepEscalated, notifiertest.Escalated()}, {rules.StepResolved, notifiertest.Resolved()}} {
					s.handle(tr.step, tr.in)
					for range 20 {
						if due := s.n.Deliver(t.Context()); !due.IsZero() {
							s.clock.to(due)
						}
						if s.ledger.failing() {
							settled := s.n.Settled()
							s.ledger.failNext(0)
							s.restart()
							s.replay(settled)
						}
					}
				}
				s.drain()
				if len(s.fake.Calls()) < stop {
					t.Fatal("the program was never stopped")
				}
				s.wantDone(s.one())
			})
		}
	}
}

func TestSlackDownForTenMinutes(t *testing.T) {
	t.Parallel()
	s := newScene(t, channel)
	s.fake.SetFault(func(c slackfake.Call) slackfake.Fault {
		if c.At.Before(notifiertest.T0.Add(10 * time.Minute)) {
			return slackfake.Fault{Status: http.StatusServiceUnavailable}
		}
		return slackfake.Fault{}
	})
	s.live()
	s.wantDone(s.one())
	if n := len(s.fake.Calls()); n > 60 {
		t.Errorf("%d calls: no backing off", n)
	}
}

func TestConnectionRefusedIsNotLookedFor(t *testing.T) {
	t.Parallel()
	s := newScene(t, channel)
	good := s.cfg.APIURL
	s.cfg.APIURL = "http://127.0.0.1:1/api/"
	s.restart()
	s.handle(rules.StepOpened, notifiertest.Opened())
	s.until(notifiertest.T0.Add(5 * time.Second))
	if st := s.n.Status(); st.Pending != 1 || st.Channels[0].LastError == "" {
		t.Fatalf("status %+v, want one pending and the error shown", st)
	}
	s.cfg.APIURL = good
	s.n.UseSlack(slack.New(s.cfg.slack()))
	s.drain()
	if got := names(s.one()); got != "root opened" {
		t.Errorf("thread has %q", got)
	}
	if s.count("conversations.history") != 0 {
		t.Error("looked for a message that was certainly not sent")
	}
}

func TestArchivedChannelFallsBackToDefault(t *testing.T) {
	t.Parallel()
	s := newScene(t, channel, "#team", "#other")
	route := func(in rules.Incident) rules.Incident {
		in.Slack = []string{"#team", "#other", channel}
		return in
	}
	s.fake.Archive("#team", true)
	s.handle(rules.StepOpened, route(notifiertest.Opened()))
	s.drain()
	s.fake.Leave("#other", true)
	s.handle(rules.StepEscalated, route(notifiertest.Escalated()))
	s.drain()
	s.restart()
	s.replay(0)
	s.handle(rules.StepResolved, route(notifiertest.Resolved()))
	s.drain()
	in := map[string]slackfake.Thread{}
	for _, th := range s.fake.Threads() {
		if _, twice := in[th.Channel]; twice {
			t.Errorf("two threads in %s", th.Channel)
		}
		in[th.Channel] = th
	}
	s.wantDone(in[channel])
	if _, ok := in["#team"]; ok {
		t.Error("a thread in an archived channel")
	}
	for _, c := range s.n.Status().Channels {
		if c.Channel == "#other" && (!c.Broken || c.LastError == "") {
			t.Errorf("#other is not shown as broken: %+v", c)
		}
	}
}

func TestBrokenDefaultIsHeldUntilFixed(t *testing.T) {
	t.Parallel()
	for name, step := range map[string]struct {
		breakIt func(*slackfake.Server)
		repair  func(*slackfake.Server)
		err     string
	}{
		"archived": {func(f *slackfake.Server) { f.Archive(channel, true) }, func(f *slackfake.Server) { f.Archive(channel, false) }, "is_archived"},
		"revoked":  {func(f *slackfake.Server) { f.Revoke("token_revoked") }, func(f *slackfake.Server) { f.Revoke("") }, "token_revoked"},
		"left":     {func(f *slackfake.Server) { f.Leave(channel, true) }, func(f *slackfake.Server) { f.Leave(channel, false) }, "not_in_channel"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newScene(t, channel)
			step.breakIt(s.fake)
			s.handle(rules.StepOpened, notifiertest.Opened())
			s.until(notifiertest.T0.Add(5 * time.Minute))
			st := s.n.Status()
			if !st.Broken() || st.Channels[0].LastError != step.err || st.Settled != 0 || st.Channels[0].Pending != 1 {
				t.Errorf("status %+v, want broken by %s and nothing settled", st, step.err)
			}
			if n := len(s.fake.Calls()); n > 6 {
				t.Errorf("%d calls in five minutes", n)
			}
			step.repair(s.fake)
			s.drain()
			if got := names(s.one()); got != "root opened" {
				t.Errorf("thread has %q", got)
			}
			if s.n.Status().Broken() {
				t.Error("still shown as broken")
			}
		})
	}
}

func TestStaleIncidentIsGivenUp(t *testing.T) {
	t.Parallel()
	s := newScene(t, channel)
	s.fake.Revoke("account_inactive")
	s.handle(rules.StepOpened, notifiertest.Opened())
	s.clock.to(notifiertest.T0.Add(25 * time.Hour))
	s.drain()
	st := s.n.Status()
	if st.Settled != 1 || st.Channels[0].Parked != 1 {
		t.Errorf("status %+v, want it parked and settled", st)
	}
}

func TestRefusedBlocksBecomeText(t *testing.T) {
	t.Parallel()
	s := newScene(t, channel)
	refused := 0
	s.fake.SetFault(func(c slackfake.Call) slackfake.Fault {
		if refused < 1 && c.Method == "chat.postMessage" {
			refused++
			return slackfake.Fault{Error: "invalid_blocks"}
		}
		return slackfake.Fault{}
	})
	s.live()
	th := s.one()
	s.wantDone(th)
	for _, m := range append(th.Replies, th.Root) {
		if m.Shown != m.Text || m.Color != "" {
			t.Errorf("still has blocks, though Slack refused them: %q", m.Shown)
		}
	}
}

func TestMessageThatSlackNeverTakesIsParked(t *testing.T) {
	t.Parallel()
	s := newScene(t, channel)
	s.fake.SetFault(func(c slackfake.Call) slackfake.Fault {
		if c.Metadata.EventPayload["transition"] == notifier.OpenedName {
			return slackfake.Fault{Error: "msg_too_long"}
		}
		return slackfake.Fault{}
	})
	s.live()
	if got := names(s.one()); got != "root escalated/critical resolved" {
		t.Errorf("thread has %q, want all but the message that Slack refuses", got)
	}
	if st := s.n.Status(); st.Channels[0].Parked != 1 || st.Pending != 0 {
		t.Errorf("status %+v, want one parked", st)
	}
}

func TestDeletedRootIsPostedAgain(t *testing.T) {
	t.Parallel()
	s := newScene(t, channel)
	s.handle(rules.StepOpened, notifiertest.Opened())
	s.drain()
	lost := s.one().Root.TS
	s.fake.Delete(channel, lost)
	s.handle(rules.StepEscalated, notifiertest.Escalated())
	s.drain()
	s.handle(rules.StepResolved, notifiertest.Resolved())
	s.drain()
	if got := names(s.one()); got != "root escalated/critical resolved" {
		t.Errorf("new thread has %q", got)
	}
	var r notifier.Record
	if err := json.Unmarshal(s.ledger.pages[notifier.PageKey("bad-call-1", channel)], &r); err != nil {
		t.Fatal(err)
	}
	if len(r.Previous) != 1 || r.Previous[0].TS != lost {
		t.Errorf("history %v, want the lost root %s", r.Previous, lost)
	}
}

func TestForbiddenEditsLeaveTheLines(t *testing.T) {
	t.Parallel()
	s := newScene(t, channel)
	s.fake.SetFault(func(c slackfake.Call) slackfake.Fault {
		if c.Method == "chat.update" {
			return slackfake.Fault{Error: "edit_window_closed"}
		}
		return slackfake.Fault{}
	})
	s.live()
	if got := names(s.one()); got != wholeThread {
		t.Errorf("thread has %q", got)
	}
}

func TestPostedAgainWhereLookingIsForbidden(t *testing.T) {
	t.Parallel()
	s := newScene(t, channel)
	posts := 0
	s.fake.SetFault(func(c slackfake.Call) slackfake.Fault {
		if strings.HasPrefix(c.Method, "conversations.") {
			return slackfake.Fault{Error: "missing_scope"}
		}
		if posts++; posts == 1 {
			return slackfake.Fault{Status: 500}
		}
		return slackfake.Fault{}
	})
	s.handle(rules.StepOpened, notifiertest.Opened())
	s.drain()
	if got := names(s.one()); got != "root opened" {
		t.Errorf("thread has %q", got)
	}
	if !strings.Contains(s.log.String(), "cannot check") {
		t.Error("not logged")
	}
}

// Slack's client reads up to 50 pages of 200 messages.
const (
	pageSize = 200
	maxPages = 50
)

// postOther posts a message of somebody else.
func (s *scene) postOther() (notifier.Place, error) {
	in := notifiertest.Bare()
	client := slack.New(s.cfg.slack())
	return client.Post(s.t.Context(), channel, "", client.Render(&notifier.Content{Incident: &in, Plain: true}), notifier.Tag{Incident: "other", Name: "line"})
}

// TestLookGoesOn looks for a message in a busy channel whose history can be read
// every other time only: what was read once is not read again.
func TestLookGoesOn(t *testing.T) {
	t.Parallel()
	long(t)
	s := newScene(t, channel)
	s.fake.SetFault(func(c slackfake.Call) slackfake.Fault {
		return slackfake.Fault{Status: 500, Commit: c.Method == "chat.postMessage"}
	})
	s.handle(rules.StepOpened, notifiertest.Opened())
	s.n.Deliver(t.Context())
	s.fake.SetFault(nil)
	for range 5 * pageSize {
		if _, err := s.postOther(); err != nil {
			t.Fatal(err)
		}
	}
	reads := 0
	s.fake.SetFault(func(c slackfake.Call) slackfake.Fault {
		if c.Method == "conversations.history" {
			if reads++; reads%2 == 0 {
				return slackfake.Fault{Status: 500}
			}
		}
		return slackfake.Fault{}
	})
	s.drain()
	if got := s.count("chat.postMessage"); got != 5*pageSize+2 { // those of others, the root and its first line
		t.Errorf("%d posts, want no other root", got)
	}
	if reads < 6 || reads > 12 {
		t.Errorf("%d reads of 6 pages", reads)
	}
	if st := s.n.Status(); st.Pending != 0 {
		t.Errorf("status %+v, want nothing pending", st)
	}
}

// TestOlderEntries: whichever earlier entry a damaged ledger has again, nothing is posted
// a second time.
func TestOlderEntries(t *testing.T) {
	t.Parallel()
	s := newScene(t, channel)
	s.handle(rules.StepOpened, notifiertest.Opened())
	s.drain()
	entries := s.ledger.past
	if got := names(s.one()); got != "root opened" || len(entries) < 3 {
		t.Fatalf("thread has %q after %d entries", got, len(entries))
	}
	s.cfg.Older = func() bool { return true }
	s.clock.to(s.clock.now().Add(time.Minute))
	for i, older := range entries {
		s.ledger.pages = maps.Clone(older)
		s.restart()
		s.replay(0)
		s.drain()
		if got := names(s.one()); got != "root opened" {
			t.Errorf("with entry %d again the thread has %q", i, got)
		}
	}
}

// TestChannelTooFull: a message that cannot be looked for is posted again.
func TestChannelTooFull(t *testing.T) {
	t.Parallel()
	long(t)
	s := newScene(t, channel)
	s.fake.SetFault(func(slackfake.Call) slackfake.Fault { return slackfake.Fault{Status: 500} })
	s.handle(rules.StepOpened, notifiertest.Opened())
	s.n.Deliver(t.Context())
	s.fake.SetFault(nil)
	for range maxPages*pageSize + 1 {
		if _, err := s.postOther(); err != nil {
			t.Fatal(err)
		}
	}
	s.drain()
	if !strings.Contains(s.log.String(), "cannot check") || s.n.Status().Pending != 0 {
		t.Errorf("status %+v", s.n.Status())
	}
}

func TestLedgerAwayPostsNothing(t *testing.T) {
	t.Parallel()
	s := newScene(t, channel)
	s.ledger.failNext(3)
	s.handle(rules.StepOpened, notifiertest.Opened())
	s.n.Deliver(t.Context())
	if n := len(s.fake.Calls()); n != 0 {
		t.Errorf("%d calls without a recorded intent", n)
	}
	s.drain()
	if got := names(s.one()); got != "root opened" {
		t.Errorf("thread has %q", got)
	}
}

// TestTwoInstancesPostOnce lets two notifiers work on the same ledger and the
// same transitions, one call of each in turn.
func TestTwoInstancesPostOnce(t *testing.T) {
	t.Parallel()
	s := newScene(t, channel)
	first := s.n
	s.restart()
	second := s.n
	for i, tr := range []struct {
		step rules.Step
		in   rules.Incident
	}{{rules.StepOpened, notifiertest.Opened()}, {rules.StepEscalated, notifiertest.Escalated()}, {rules.StepResolved, notifiertest.Resolved()}} {
		tr := rules.Transition{Step: tr.step, At: tr.in.UpdatedAt, Cause: rules.Cause{Seq: uint64(i + 1)}, Incident: tr.in}
		for _, n := range []*notifier.Notifier{first, second} {
			if err := n.Handle(t.Context(), uint64(i+1), tr); err != nil {
				t.Fatal(err)
			}
		}
		for range 40 {
			for _, n := range []*notifier.Notifier{first, second} {
				calls, due := n.DeliverOne(t.Context())
				if calls == 0 && !due.IsZero() {
					s.clock.to(due)
				}
			}
		}
	}
	s.seq = 3
	s.wantDone(s.one())
	if first.Status().Pending+second.Status().Pending != 0 {
		t.Error("something is left")
	}
}

func TestTokenIsNowhere(t *testing.T) {
	t.Parallel()
	s := newScene(t, channel)
	s.fake.SetFault(slackfake.Seeded(3, 0.6, time.Hour))
	s.cfg.Timeout = 100 * time.Millisecond
	s.restart()
	s.live()
	s.fake.SetFault(nil)
	_, err := s.n.Test(t.Context(), "#nowhere")
	s.fake.Revoke("invalid_auth")
	_, err2 := slack.New(s.cfg.slack()).Check(t.Context(), false)
	printed := fmt.Sprintf("%v %+v %#v", s.cfg, s.cfg, s.cfg)
	s.cfg.APIURL = "http://127.0.0.1:1/" + token + "/" // an error with the token in it
	s.restart()
	_, err3 := slack.New(s.cfg.slack()).Check(t.Context(), false)
	s.handle(rules.StepOpened, notifiertest.Bare())
	s.n.Deliver(t.Context())
	st, err4 := json.Marshal(s.n.Status())
	cfg, err5 := json.Marshal(s.cfg.Token)
	if err4 != nil || err5 != nil {
		t.Fatal(err4, err5)
	}
	all := []string{s.log.String(), string(st), string(cfg), printed, fmt.Sprintf("%v %#v %s %q %x", s.cfg.Token, s.cfg.Token, s.cfg.Token, s.cfg.Token, s.cfg.Token)}
	for _, e := range []error{err, err2, err3} {
		if e == nil {
			t.Fatal("expected errors")
		}
		all = append(all, e.Error(), fmt.Sprintf("%+v %#v", e, e))
	}
	for _, page := range s.ledger.pages {
		all = append(all, string(page))
	}
	for _, text := range all {
		if strings.Contains(text, token) || strings.Contains(text, fmt.Sprintf("%x", token)) {
			t.Errorf("the token is in %.300q", text)
		}
	}
	if !strings.Contains(err3.Error(), "[redacted]") {
		t.Errorf("the test does not reach redaction: %v", err3)
	}
}

// TestAnswerOkWithoutAPlace: a message that Slack says is posted, and not where, is
// looked for: found where it is there, posted again where not. Nothing goes without
// its thread.
func TestAnswerOkWithoutAPlace(t *testing.T) {
	t.Parallel()
	for _, commit := range []bool{true, false} {
		s := newScene(t, channel)
		seen := map[string]bool{}
		s.fake.SetFault(func(c slackfake.Call) slackfake.Fault {
			name, _ := c.Metadata.EventPayload["transition"].(string)
			if c.Method != "chat.postMessage" || seen[name] {
				return slackfake.Fault{}
			}
			seen[name] = true
			return slackfake.Fault{Bare: true, Commit: commit}
		})
		s.play()
		if got := names(s.one()); got != wholeThread {
			t.Errorf("posted %v: thread has %q, want %q", commit, got, wholeThread)
		}
		for _, c := range s.fake.Calls() {
			name := c.Metadata.EventPayload["transition"]
			if c.Method == "chat.update" && c.TS == "" || c.Method == "chat.postMessage" && c.Thread == "" && name != "root" {
				t.Errorf("posted %v: %s of %v without a timestamp", commit, c.Method, name)
			}
		}
	}
}
