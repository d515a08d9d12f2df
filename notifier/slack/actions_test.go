package slack

import (
	"context"
	"log/slog"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"callwatch/notifier"
	"callwatch/notifier/notifiertest"
	"callwatch/notifier/slack/clicks"
	"callwatch/notifier/slackfake"
)

const signing = "8f742231b10e8888abcd99yyyzzz85a5"

const (
	token   = "xoxb-1234-very-secret"
	channel = "#voice"
)

// fakeSlack is a client before a fake Slack, at a time that only the test moves.
type fakeSlack struct {
	fake   *slackfake.Server
	client *Client
	now    time.Time
}

func (s *fakeSlack) clock() time.Time { return s.now }

func newFake(t *testing.T) *fakeSlack {
	t.Helper()
	s := &fakeSlack{now: notifiertest.T0}
	s.fake = slackfake.New(slackfake.Config{Now: s.clock, Token: token, Channels: []string{channel}})
	server := httptest.NewServer(s.fake)
	t.Cleanup(server.Close)
	s.client = New(Config{Token: token, APIURL: server.URL + "/api/", Timeout: 5 * time.Second, Buttons: true, Title: notifiertest.Title})
	return s
}

func ana() slackfake.User { return slackfake.User{ID: "U0ANA", Name: "ana"} }

func TestButtonsBecomeActions(t *testing.T) {
	s := newFake(t)
	in := notifiertest.Opened()
	at, err := s.client.Post(t.Context(), channel, "", s.client.Render(&notifier.Content{Incident: &in}), notifier.Tag{Incident: in.ID, Name: "root"})
	if err != nil {
		t.Fatal(err)
	}
	var took []clicks.Action
	c := &clicks.Handler{
		Secret: signing, Now: s.clock, Log: slog.New(slog.DiscardHandler),
		Act: func(_ context.Context, a clicks.Action) error {
			took = append(took, a)
			return nil
		},
	}
	root := at.TS
	press := func(action string, option int) int {
		t.Helper()
		payload, err := s.fake.Press(root, action, option, ana())
		if err != nil {
			t.Fatal(err)
		}
		h, body := slackfake.Request(signing, s.now, payload)
		status, _ := c.Interactions(t.Context(), h, body)
		if again, _ := c.Interactions(t.Context(), h, body); again != status {
			t.Errorf("the same request again: %d, then %d", status, again)
		}
		return status
	}
	for _, p := range []struct {
		action string
		option int
	}{{clicks.IDAck, 0}, {clicks.IDSilence, 0}, {clicks.IDSilence, 1}, {clicks.IDSilence, 2}, {clicks.IDAssign, 0}, {clicks.IDResolve, 0}, {actionRunbook, 0}} {
		if status := press(p.action, p.option); status != 200 {
			t.Errorf("%s: status %d", p.action, status)
		}
	}
	var got []clicks.Action
	ids := map[string]bool{}
	for _, a := range took {
		if a.ID == "" || a.At.IsZero() || ids[a.ID] {
			t.Errorf("action without an id of its own, or without a time: %+v", a)
		}
		ids[a.ID] = true
		a.ID, a.At = "", time.Time{}
		got = append(got, a)
	}
	by := clicks.Person{ID: "U0ANA", Name: "ana"}
	want := []clicks.Action{
		{Incident: "bad-call-1", Kind: clicks.Ack, By: by},
		{Incident: "bad-call-1", Kind: clicks.Silence, For: time.Hour, By: by},
		{Incident: "bad-call-1", Kind: clicks.Silence, For: 4 * time.Hour, By: by},
		{Incident: "bad-call-1", Kind: clicks.Silence, For: 24 * time.Hour, By: by},
		{Incident: "bad-call-1", Kind: clicks.Assign, By: by},
		{Incident: "bad-call-1", Kind: clicks.Resolve, By: by},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("-want +got\n%s", d)
	}
}

func TestGroupsDecideWhoMayAct(t *testing.T) {
	s := newFake(t)
	s.fake.SetGroup("S1", "U1")
	s.fake.SetGroup("S2", "U2")
	may := s.client.AllowGroups([]string{"S1", "S2"}, s.clock)
	for user, want := range map[string]bool{"U1": true, "U2": true, "U3": false} {
		if got, err := may(t.Context(), user); got != want || err != nil {
			t.Errorf("%s: %v, %v; want %v", user, got, err, want)
		}
	}
	n := 0
	for _, c := range s.fake.Calls() {
		if c.Method == "usergroups.users.list" {
			n++
		}
	}
	if n != 2 {
		t.Errorf("%d questions to Slack, want one a group", n)
	}
	s.now = notifiertest.T0.Add(time.Hour)
	s.fake.Revoke("token_revoked")
	if got, err := may(t.Context(), "U2"); !got || err != nil {
		t.Errorf("Slack is away: %v, %v; those known stay allowed", got, err)
	}
	if got, err := may(t.Context(), "U3"); got || err == nil {
		t.Errorf("Slack is away: %v, %v; nobody else is", got, err)
	}
}
