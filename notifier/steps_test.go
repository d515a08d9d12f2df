package notifier_test

import (
	"context"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"callwatch/notifier/notifiertest"
	"callwatch/notifier/slack/clicks"
	"callwatch/notifier/slackfake"
	"callwatch/rules"
)

const signing = "8f742231b10e8888abcd99yyyzzz85a5"

// pressed appends every action to *took.
func pressed(now func() time.Time, took *[]clicks.Action) *clicks.Handler {
	return &clicks.Handler{
		Secret: signing, Now: now, Log: slog.New(slog.DiscardHandler),
		Act: func(_ context.Context, a clicks.Action) error {
			*took = append(*took, a)
			return nil
		},
	}
}

// TestScriptedIncident is an incident from open to resolve with everything that
// may happen in between, acknowledged by a click.
func TestScriptedIncident(t *testing.T) {
	t.Parallel()
	s := newScene(t, channel)
	s.cfg.Buttons = true
	s.restart()
	s.handle(rules.StepOpened, notifiertest.Opened())
	for i := range 300 {
		at := time.Duration(i+1) * 200 * time.Millisecond
		s.until(notifiertest.T0.Add(at))
		s.handle(rules.StepUpdated, notifiertest.GrownTo(i+2, at))
	}
	s.handle(rules.StepEscalated, notifiertest.Escalated())
	s.until(notifiertest.T0.Add(65 * time.Second))

	var took []clicks.Action
	c := pressed(s.clock.now, &took)
	payload, err := s.fake.Press(s.one().Root.TS, "callwatch_ack", 0, slackfake.User{ID: "U0ANA", Name: "ana"})
	if err != nil {
		t.Fatal(err)
	}
	for range 2 { // a double click
		h, body := slackfake.Request(signing, s.clock.now(), payload)
		if status, _ := c.Interactions(t.Context(), h, body); status != http.StatusOK {
			t.Fatalf("status %d", status)
		}
	}
	in := notifiertest.Escalated()
	in.Acknowledged = &rules.Actor{By: took[0].By.Name, At: took[0].At}
	s.handle(rules.StepAcknowledged, in)
	s.handle(rules.StepReminded, in) // not of one that somebody has taken
	s.until(notifiertest.T0.Add(75 * time.Second))
	if root := s.one().Root.Shown; !strings.Contains(root, "Critical, acknowledged") || !strings.Contains(root, "Acknowledged by ana") || !strings.Contains(root, "[Unacknowledge]") {
		t.Errorf("root does not show who took it:\n%s", root)
	}
	r := notifiertest.Resolved()
	r.Acknowledged = in.Acknowledged
	s.handle(rules.StepResolved, r)
	s.drain()

	th := s.one()
	if got, want := names(th), "root opened escalated/critical acknowledged/303.0 resolved"; got != want {
		t.Errorf("thread has %q, want %q", got, want)
	}
	if th.Root.Edits < 4 || th.Root.Edits > 7 {
		t.Errorf("root was edited %d times", th.Root.Edits)
	}
	s.wantPaced()
	before := len(s.fake.Calls())
	s.restart()
	s.replay(0)
	s.drain()
	if n := len(s.fake.Calls()) - before; n != 0 {
		t.Errorf("%d calls after a replay", n)
	}
}

func TestResolvedByHandSaysWho(t *testing.T) {
	t.Parallel()
	s := newScene(t, channel)
	s.handle(rules.StepOpened, notifiertest.Opened())
	s.drain()
	r := notifiertest.Resolved()
	r.ResolvedBy, r.Resolving, r.ResolveAfter = &rules.Actor{By: "ana", At: r.ResolvedAt}, nil, 30*time.Minute
	s.handle(rules.StepResolved, r)
	s.drain()
	th := s.one()
	var lines strings.Builder
	for _, r := range th.Replies {
		lines.WriteString(r.Shown + "\n")
	}
	for what, shown := range map[string]string{"root": th.Root.Shown, "thread": lines.String()} {
		if !strings.Contains(shown, "Resolved by ana") || strings.Contains(shown, "No further match") {
			t.Errorf("%s:\n%s", what, shown)
		}
	}
}

func TestSilenceSaysNothingButTheResolve(t *testing.T) {
	t.Parallel()
	s := newScene(t, channel)
	s.handle(rules.StepOpened, notifiertest.Opened())
	s.drain()
	s.handle(rules.StepSilenced, notifiertest.Silenced())
	s.drain()
	if root := s.one().Root; root.Color != "#DDDDDD" || !strings.Contains(root.Shown, "Silenced until") {
		t.Errorf("root is %s:\n%s", root.Color, root.Shown)
	}
	before := len(s.fake.Calls())
	worse := notifiertest.Silenced()
	worse.Severity, worse.Counts.Matched = rules.Warning, 99
	s.handle(rules.StepUpdated, worse)
	s.handle(rules.StepReminded, worse)
	s.drain()
	if n := len(s.fake.Calls()) - before; n != 0 {
		t.Errorf("%d calls while silenced", n)
	}
	r := notifiertest.Resolved()
	r.Severity, r.Silence = rules.Warning, worse.Silence
	s.handle(rules.StepResolved, r)
	s.drain()
	if got, want := names(s.one()), "root opened silenced/2.0 resolved"; got != want {
		t.Errorf("thread has %q, want %q", got, want)
	}
}

func TestSilencedFromTheStartIsToldAtItsEnd(t *testing.T) {
	t.Parallel()
	s := newScene(t, channel)
	in := notifiertest.Silenced()
	s.handle(rules.StepOpened, in)
	s.handle(rules.StepEscalated, in)
	s.drain()
	if n := len(s.fake.Calls()); n != 0 {
		t.Fatalf("%d calls while silenced", n)
	}
	s.handle(rules.StepUnsilenced, notifiertest.Grown())
	s.drain()
	if got, want := names(s.one()), "root opened unsilenced/3.0"; got != want {
		t.Errorf("thread has %q, want %q", got, want)
	}
	gone := notifiertest.Silenced()
	gone.ID, gone.State = "other", rules.Resolved
	s.handle(rules.StepResolved, gone)
	s.drain()
	if n := len(s.fake.Threads()); n != 1 {
		t.Error("an incident that nobody was told of is told at its resolve")
	}
}

func TestEveryStepSpeaksOnce(t *testing.T) {
	t.Parallel()
	s := newScene(t, channel)
	s.handle(rules.StepOpened, notifiertest.Opened())
	s.drain()
	s.handle(rules.StepReminded, notifiertest.Grown())
	s.handle(rules.StepReminded, notifiertest.Grown())
	s.handle(rules.StepAcknowledged, notifiertest.Acknowledged())
	s.handle(rules.StepUnacknowledged, notifiertest.Grown())
	s.handle(rules.StepSilenced, notifiertest.Silenced())
	s.handle(rules.StepUnsilenced, notifiertest.Grown())
	s.handle(rules.StepAssigned, notifiertest.Assigned())
	s.handle(rules.StepNoted, notifiertest.Assigned())
	s.drain()
	s.restart()
	s.replay(0)
	s.drain()
	want := "root opened reminded/2.0 reminded/3.0 acknowledged/4.0 unacknowledged/5.0 silenced/6.0 unsilenced/7.0 assigned/8.0 noted/9.0"
	if got := names(s.one()); got != want {
		t.Errorf("thread has %q, want %q", got, want)
	}
	for i, text := range []string{"Opened by this call", "Still open", "Still open", "Acknowledged by ana", "No longer acknowledged", "Silenced until", "Silence ended", "Assigned to ben by ana", "the <carrier> knows"} {
		if shown := s.one().Replies[i].Shown; !strings.Contains(shown, text) {
			t.Errorf("reply %d does not say %q: %s", i, text, shown)
		}
	}
}

func TestAdoptedIncidentsLiveInTheParentsThread(t *testing.T) {
	t.Parallel()
	s := newScene(t, channel)
	child := notifiertest.Grown()
	child.ID = "inc_child1"
	s.handle(rules.StepOpened, child)
	s.drain()
	parent := notifiertest.Window()
	parent.ID = "inc_parent"
	s.handle(rules.StepOpened, parent)
	child.Parent = "inc_parent"
	s.handle(rules.StepAdopted, child)
	s.drain()
	child.State, child.ResolvedAt = rules.Resolved, notifiertest.T0.Add(time.Hour)
	s.handle(rules.StepResolved, child)
	parent.Adopted = append(parent.Adopted, rules.Adopted{ID: "inc_child3", Rule: "bad-call", Summary: "A third one", OpenedAt: notifiertest.T0})
	s.handle(rules.StepUpdated, parent)
	s.drain()
	never := notifiertest.Grown()
	never.ID, never.Parent = "inc_child3", "inc_parent"
	s.handle(rules.StepAdopted, never)
	s.drain()
	s.restart()
	s.replay(0)
	s.drain()
	ths := s.fake.Threads()
	if len(ths) != 2 {
		t.Fatalf("%d threads, want the child's and the parent's", len(ths))
	}
	if got := names(ths[0]); got != "root opened" || !strings.Contains(ths[0].Root.Shown, "Part of incident inc_parent") {
		t.Errorf("child has %q:\n%s", got, ths[0].Root.Shown)
	}
	if got := names(ths[1]); got != "root opened adopted/2 adopted/3" {
		t.Errorf("parent has %q", got)
	}
	if shown := ths[1].Replies[2].Shown; !strings.Contains(shown, "inc_child3") || strings.Contains(shown, "inc_child1") {
		t.Errorf("the second list: %s", shown)
	}
}

func TestRefusedBlockIsDroppedAlone(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		detail string
		gone   string
		stays  string
	}{
		"by the pointer":    {"[ERROR] unsupported type [json-pointer:/blocks/1/chart]", "[chart:", "now 18.2 %"},
		"in the attachment": {"[ERROR] failed [json-pointer:/attachments/0/blocks/0/text]", "matched since", "[chart:"},
		"without a pointer": {"no idea", "[chart:", "now 18.2 %"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newScene(t, channel)
			refused := 0
			s.fake.SetFault(func(call slackfake.Call) slackfake.Fault {
				if call.Method == "chat.postMessage" && call.Thread == "" && refused == 0 {
					refused++
					return slackfake.Fault{Error: "invalid_blocks", Detail: c.detail}
				}
				return slackfake.Fault{}
			})
			s.handle(rules.StepOpened, notifiertest.Window())
			s.drain()
			worse := notifiertest.Window()
			worse.Severity = rules.Critical
			s.handle(rules.StepEscalated, worse) // it is remembered
			s.drain()
			root := s.one().Root
			if strings.Contains(root.Shown, c.gone) || !strings.Contains(root.Shown, c.stays) || root.Edits == 0 {
				t.Errorf("root has %q or lacks %q:\n%s", c.gone, c.stays, root.Shown)
			}
			if chart := strings.Contains(root.Shown, "[chart:"); chart == strings.Contains(root.Shown, "▁") {
				t.Errorf("want a chart or a sparkline in its place:\n%s", root.Shown)
			}
		})
	}
}

func TestLimitOfEditsHoldsInAllChannels(t *testing.T) {
	t.Parallel()
	s := newScene(t, "#a", "#b")
	for _, c := range []string{"#a", "#b"} {
		in := notifiertest.Opened()
		in.ID, in.Slack = "in-"+c, []string{c}
		s.handle(rules.StepOpened, in)
	}
	s.drain()
	s.fake.SetFault(nth("chat.update", 1, slackfake.Fault{Status: 429, RetryAfter: 40}))
	start := s.clock.now()
	from := len(s.fake.Calls())
	for i, c := range []string{"#a", "#b"} {
		worse := notifiertest.Escalated()
		worse.ID, worse.Slack = "in-"+c, []string{c}
		s.handle(rules.StepEscalated, worse)
		s.until(start.Add(time.Duration(i+1) * time.Second))
	}
	s.drain()
	edits := 0
	for _, c := range s.fake.Calls()[from:] {
		if c.Method == "chat.update" && c.Fault.Status == 0 {
			if edits++; c.At.Sub(start) < 40*time.Second {
				t.Errorf("edit %s after Slack asked for 40 s", c.At.Sub(start))
			}
		}
	}
	if edits != 2 {
		t.Errorf("%d edits, want 2", edits)
	}
}
