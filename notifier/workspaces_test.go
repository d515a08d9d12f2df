package notifier_test

import (
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"callwatch/notifier/delivery"
	"callwatch/notifier/notifiertest"
	"callwatch/notifier/slack"
	"callwatch/notifier/slackfake"
	"callwatch/rules"
)

// withEMEA adds a second workspace to the scene.
func (s *scene) withEMEA(channels ...string) *slackfake.Server {
	s.t.Helper()
	const token = "xoxb-emea-very-secret"
	fake := slackfake.New(slackfake.Config{Now: s.clock.now, Token: token, Channels: channels})
	server := httptest.NewServer(fake)
	s.t.Cleanup(server.Close)
	s.cfg.Workspaces = map[string]slack.Config{"emea": {Token: token, APIURL: server.URL + "/api/", Timeout: s.cfg.Timeout, Title: s.cfg.Title}}
	s.restart()
	return fake
}

func inChannels(in rules.Incident, channels ...string) rules.Incident {
	in.Slack = channels
	return in
}

// play is the life of an incident that goes to the channels.
func (s *scene) play(channels ...string) {
	s.t.Helper()
	for _, step := range []struct {
		step rules.Step
		in   rules.Incident
	}{{rules.StepOpened, notifiertest.Opened()}, {rules.StepEscalated, notifiertest.Escalated()}, {rules.StepResolved, notifiertest.Resolved()}} {
		s.handle(step.step, inChannels(step.in, channels...))
		s.until(s.clock.now().Add(30 * time.Second))
	}
	s.drain()
}

// A channel of the same name in two workspaces is two receivers, each with one thread,
// over a restart too.
func TestWorkspaces(t *testing.T) {
	t.Parallel()
	s := newScene(t, channel)
	emea := s.withEMEA(channel)
	s.handle(rules.StepOpened, inChannels(notifiertest.Opened(), channel, "emea/"+channel))
	s.drain()
	s.restart()
	s.replay(0)
	s.handle(rules.StepEscalated, inChannels(notifiertest.Escalated(), channel, "emea/"+channel))
	s.drain()
	s.handle(rules.StepResolved, inChannels(notifiertest.Resolved(), channel, "emea/"+channel))
	s.drain()
	for name, fake := range map[string]*slackfake.Server{"usual": s.fake, "emea": emea} {
		if ths := fake.Threads(); len(ths) != 1 {
			t.Errorf("%s: threads %v, want one", name, threadNames(ths))
		} else {
			s.wantDone(ths[0])
		}
	}
	in := inChannels(notifiertest.Resolved(), "emea/"+channel)
	if workspace, at, err := s.n.Thread(t.Context(), &in); err != nil || workspace != "emea" || at.TS != emea.Threads()[0].Root.TS {
		t.Errorf("the thread is in %q at %v, %v", workspace, at, err)
	}
	if link, err := s.n.Test(t.Context(), "emea/"+channel); err != nil || link == "" || len(emea.Threads()) != 2 {
		t.Errorf("test message: %q, %v", link, err)
	}
	if _, err := s.n.Test(t.Context(), "apac/"+channel); err == nil || !strings.Contains(err.Error(), "no workspace apac") {
		t.Errorf("test message to a workspace that is not there: %v", err)
	}
}

// A workspace that takes nothing any more, or is not configured, does not keep its
// incidents from being announced; one that only has a broken channel does the same.
func TestWorkspaceTroubleFallsBackToDefault(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		route   string
		trouble func(emea *slackfake.Server)
	}{
		"token revoked":  {"emea/" + channel, func(emea *slackfake.Server) { emea.Revoke("token_revoked") }},
		"archived":       {"emea/" + channel, func(emea *slackfake.Server) { emea.Archive(channel, true) }},
		"not configured": {"apac/" + channel, func(*slackfake.Server) {}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newScene(t, channel)
			emea := s.withEMEA(channel)
			test.trouble(emea)
			s.play(test.route)
			s.wantDone(s.one())
			if len(emea.Threads()) != 0 {
				t.Errorf("threads in emea: %v", threadNames(emea.Threads()))
			}
			in := inChannels(notifiertest.Resolved(), test.route)
			if workspace, at, err := s.n.Thread(t.Context(), &in); err != nil || workspace != "" || at.TS != s.one().Root.TS {
				t.Errorf("the thread is in %q at %v, %v", workspace, at, err)
			}
		})
	}
}

// The token of the default channel's own workspace is refused: there is nowhere else.
func TestRefusedTokenOfTheDefaultWorkspaceIsTriedAgain(t *testing.T) {
	t.Parallel()
	s := newScene(t, channel, "#team")
	s.withEMEA(channel)
	s.fake.Revoke("token_revoked")
	s.handle(rules.StepOpened, inChannels(notifiertest.Opened(), "#team"))
	s.until(notifiertest.T0.Add(10 * time.Second))
	s.fake.Revoke("")
	s.drain()
	if got := threadNames(s.fake.Threads()); !slices.Equal(got, []string{"#team: root opened"}) {
		t.Errorf("threads %q", got)
	}
}

// The default channel may be in another workspace; there need be no usual one. An incident
// that was moved to a workspace that is gone is announced in the default channel of now.
func TestDefaultChannelInAWorkspace(t *testing.T) {
	t.Parallel()
	s := newScene(t, channel)
	emea := s.withEMEA(channel)
	usual := s.cfg.Token
	s.cfg.Token, s.cfg.Channel = "", "emea/"+channel
	s.restart()
	s.handle(rules.StepOpened, inChannels(notifiertest.Opened(), "#team"))
	s.drain()
	if got := threadNames(emea.Threads()); len(got) != 1 {
		t.Fatalf("threads in emea %q", got)
	}
	s.cfg.Workspaces, s.cfg.Token, s.cfg.Channel = nil, usual, channel
	s.restart()
	s.handle(rules.StepEscalated, inChannels(notifiertest.Escalated(), "#team"))
	s.handle(rules.StepResolved, inChannels(notifiertest.Resolved(), "#team"))
	s.drain()
	if got := names(s.one()); !strings.HasPrefix(got, "root") || len(emea.Threads()[0].Replies) != 1 {
		t.Errorf("thread %q", got)
	}
}

// Slack limits each workspace by itself: 429 for edits in one does not hold up the other.
func TestLimitsArePerWorkspace(t *testing.T) {
	t.Parallel()
	s := newScene(t, channel)
	emea := s.withEMEA(channel)
	emea.SetFault(func(c slackfake.Call) slackfake.Fault {
		if c.Method == "chat.update" {
			return slackfake.Fault{Status: 429, RetryAfter: 300}
		}
		return slackfake.Fault{}
	})
	other := func(in rules.Incident) rules.Incident {
		in.ID = "other"
		return inChannels(in, channel)
	}
	s.handle(rules.StepOpened, inChannels(notifiertest.Opened(), "emea/"+channel))
	s.handle(rules.StepOpened, other(notifiertest.Opened()))
	s.until(notifiertest.T0.Add(10 * time.Second))
	s.handle(rules.StepEscalated, inChannels(notifiertest.Escalated(), "emea/"+channel))
	s.until(notifiertest.T0.Add(20 * time.Second))
	s.handle(rules.StepEscalated, other(notifiertest.Escalated()))
	s.until(notifiertest.T0.Add(40 * time.Second))
	if s.count("chat.update") != 1 {
		t.Errorf("%d edits in the usual workspace, want 1", s.count("chat.update"))
	}
	if st := s.receiver("emea/" + channel); st.Limited == 0 || st.Pending != 1 {
		t.Errorf("emea %+v, want limited and pending", st)
	}
	if st := s.receiver(channel); st.Limited != 0 || st.Pending != 0 {
		t.Errorf("usual %+v, want delivered", st)
	}
}

// An incoming webhook in place of the usual workspace goes together with others.
func TestIncomingBesideWorkspaces(t *testing.T) {
	t.Parallel()
	s := newScene(t, channel)
	emea := s.withEMEA(channel)
	hook := &receiver{now: s.clock.now}
	server := httptest.NewServer(hook)
	defer server.Close()
	s.cfg.Token, s.cfg.WebhookURL = "", delivery.Token(server.URL)
	s.restart()
	s.play("#team", "emea/"+channel)
	if ths := emea.Threads(); len(ths) != 1 || names(ths[0]) != wholeThread {
		t.Errorf("threads in emea %q", threadNames(ths))
	}
	if len(hook.requests) != 2 {
		t.Errorf("the incoming webhook got %d messages, want opening and resolve", len(hook.requests))
	}
}
