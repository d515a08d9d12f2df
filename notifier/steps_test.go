package notifier

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"callwatch/notifier/slackfake"
	"callwatch/rules"
)

func acknowledged() rules.Incident {
	in := grown()
	in.Acknowledged = &rules.Mark{By: "ana", At: t0.Add(10 * time.Minute)}
	return in
}

func silenced() rules.Incident {
	in := grown()
	in.Silence = &rules.Silence{ID: "s1", Match: `rule == "bad-call"`, Until: t0.Add(time.Hour), By: "ben", Comment: "carrier maintenance"}
	return in
}

func adoptedChild() rules.Incident {
	in := grown()
	in.Parent = "inc_parent"
	return in
}

// window is an incident of a rule over windows.
func window() rules.Incident {
	in := grown()
	in.Summary = "Telnyx: 18.2 % of calls sound bad, 2.1 % an hour before"
	in.Values = &rules.Values{
		Name: "rate(mos < 3.5)", Share: true, Opening: 0.121, Latest: 46.0 / 252, Worst: 0.224, Direction: "up",
		Measure:        rules.Measure{Low: 46.0 / 252, High: 104.0 / 252, Calls: 311, Matching: 46, Measured: 252, Partial: 58, Blind: 59},
		OpeningMeasure: &rules.Measure{Low: 0.121, High: 0.3, Calls: 300, Matching: 30, Measured: 248, Partial: 44, Blind: 52},
		WorstMeasure:   &rules.Measure{Low: 0.224, High: 0.224, Calls: 300, Matching: 56, Measured: 250, Blind: 50},
	}
	provider := in.Worst.Call.Provider
	in.Worst = rules.Evidence{At: in.Worst.At, Severity: in.Worst.Severity, Conditions: []rules.Condition{
		{Expr: "rate(mos < 3.5) > 0.1", Text: "rate(mos < 3.5) (0.22) > 0.1", Truth: rules.True, Value: new(0.224)},
	}}
	in.Worst.Call.Provider = provider
	for i := range 24 {
		in.Trend = append(in.Trend, rules.Point{At: t0.Add(time.Duration(i-24) * 5 * time.Minute), Value: 0.02 + 0.007*float64(i)})
	}
	in.Top = []rules.Share{{Field: "connectionId", Value: "trunk-ams-2", Matched: 31, Judged: 40}, {Field: "to", Value: "+493012345678", Matched: 4, Judged: 9}}
	in.Adopted = []rules.Adopted{
		{ID: "inc_child1", Rule: "bad-call", Summary: "Calls sound bad on trunk-ams-2", OpenedAt: t0.Add(-time.Minute)},
		{ID: "inc_child2", Rule: "one-way-audio", Summary: "One-way audio on Telnyx", OpenedAt: t0.Add(-2 * time.Minute)},
	}
	return in
}

func windowResolved() rules.Incident {
	in := window()
	in.State, in.ResolvedAt = rules.Resolved, t0.Add(47*time.Minute)
	in.Values.Resolving = new(0.021)
	return in
}

// TestScriptedIncident is an incident from open to resolve with everything that
// may happen in between, acknowledged by a click.
func TestScriptedIncident(t *testing.T) {
	s := newScene(t, channel)
	s.cfg.Buttons = true
	s.restart()
	s.handle(rules.StepOpened, opened())
	for i := range 300 {
		at := time.Duration(i+1) * 200 * time.Millisecond
		s.until(t0.Add(at))
		s.handle(rules.StepUpdated, grownTo(i+2, at))
	}
	s.handle(rules.StepEscalated, escalated())
	s.until(t0.Add(65 * time.Second))

	var took []Action
	c := clicks(s.clock.now, &took)
	payload, err := s.fake.Press(s.one().Root.TS, actionAck, 0, ana())
	if err != nil {
		t.Fatal(err)
	}
	for range 2 { // a double click
		h, body := slackfake.Request(signing, s.clock.now(), payload)
		if status, _ := c.Interactions(t.Context(), h, body); status != http.StatusOK {
			t.Fatalf("status %d", status)
		}
	}
	in := escalated()
	in.Acknowledged = &rules.Mark{By: took[0].By.Name, At: took[0].At}
	s.handle(rules.StepAcknowledged, in)
	s.handle(rules.StepReminded, in) // not of one that somebody has taken
	s.until(t0.Add(75 * time.Second))
	if root := s.one().Root.Shown; !strings.Contains(root, "Critical, acknowledged") || !strings.Contains(root, "Acknowledged by ana") || !strings.Contains(root, "[Un-acknowledge]") {
		t.Errorf("root does not show who took it:\n%s", root)
	}
	r := resolved()
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
	s := newScene(t, channel)
	s.handle(rules.StepOpened, opened())
	s.drain()
	r := resolved()
	r.ResolvedBy, r.Resolving, r.ResolveAfter = &rules.Mark{By: "ana", At: r.ResolvedAt}, nil, 30*time.Minute
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
	s := newScene(t, channel)
	s.handle(rules.StepOpened, opened())
	s.drain()
	s.handle(rules.StepSilenced, silenced())
	s.drain()
	if root := s.one().Root; root.Color != "#DDDDDD" || !strings.Contains(root.Shown, "Silenced until") {
		t.Errorf("root is %s:\n%s", root.Color, root.Shown)
	}
	before := len(s.fake.Calls())
	worse := silenced()
	worse.Severity, worse.Counts.Matched = rules.Warning, 99
	s.handle(rules.StepUpdated, worse)
	s.handle(rules.StepReminded, worse)
	s.drain()
	if n := len(s.fake.Calls()) - before; n != 0 {
		t.Errorf("%d calls while silenced", n)
	}
	r := resolved()
	r.Severity, r.Silence = rules.Warning, worse.Silence
	s.handle(rules.StepResolved, r)
	s.drain()
	if got, want := names(s.one()), "root opened silenced/2.0 resolved"; got != want {
		t.Errorf("thread has %q, want %q", got, want)
	}
}

func TestSilencedFromTheStartIsToldAtItsEnd(t *testing.T) {
	s := newScene(t, channel)
	in := silenced()
	s.handle(rules.StepOpened, in)
	s.handle(rules.StepEscalated, in)
	s.drain()
	if n := len(s.fake.Calls()); n != 0 {
		t.Fatalf("%d calls while silenced", n)
	}
	s.handle(rules.StepUnsilenced, grown())
	s.drain()
	if got, want := names(s.one()), "root opened unsilenced/3.0"; got != want {
		t.Errorf("thread has %q, want %q", got, want)
	}
	gone := silenced()
	gone.ID, gone.State = "other", rules.Resolved
	s.handle(rules.StepResolved, gone)
	s.drain()
	if n := len(s.fake.Threads()); n != 1 {
		t.Error("an incident that nobody was told of is told at its resolve")
	}
}

func TestEveryStepSpeaksOnce(t *testing.T) {
	s := newScene(t, channel)
	s.handle(rules.StepOpened, opened())
	s.drain()
	s.handle(rules.StepReminded, grown())
	s.handle(rules.StepReminded, grown())
	s.handle(rules.StepAcknowledged, acknowledged())
	s.handle(rules.StepUnacknowledged, grown())
	s.handle(rules.StepSilenced, silenced())
	s.handle(rules.StepUnsilenced, grown())
	s.drain()
	s.restart()
	s.replay(0)
	s.drain()
	want := "root opened reminded/2.0 reminded/3.0 acknowledged/4.0 unacknowledged/5.0 silenced/6.0 unsilenced/7.0"
	if got := names(s.one()); got != want {
		t.Errorf("thread has %q, want %q", got, want)
	}
	for i, text := range []string{"by this call", "Still open", "Still open", "Acknowledged by ana", "No longer acknowledged", "Silenced until", "The silence has ended"} {
		if shown := s.one().Replies[i].Shown; !strings.Contains(shown, text) {
			t.Errorf("reply %d does not say %q: %s", i, text, shown)
		}
	}
}

func TestAdoptedIncidentsLiveInTheParentsThread(t *testing.T) {
	s := newScene(t, channel)
	child := grown()
	child.ID = "inc_child1"
	s.handle(rules.StepOpened, child)
	s.drain()
	parent := window()
	parent.ID = "inc_parent"
	s.handle(rules.StepOpened, parent)
	child.Parent = "inc_parent"
	s.handle(rules.StepAdopted, child)
	s.drain()
	child.State, child.ResolvedAt = rules.Resolved, t0.Add(time.Hour)
	s.handle(rules.StepResolved, child)
	parent.Adopted = append(parent.Adopted, rules.Adopted{ID: "inc_child3", Rule: "bad-call", Summary: "A third one", OpenedAt: t0})
	s.handle(rules.StepUpdated, parent)
	s.drain()
	never := grown()
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
	if got := names(ths[0]); got != "root opened" || !strings.Contains(ths[0].Root.Shown, "Belongs to incident inc_parent") {
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
			s.handle(rules.StepOpened, window())
			s.drain()
			worse := window()
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
	s := newScene(t, "#a", "#b")
	for _, c := range []string{"#a", "#b"} {
		in := opened()
		in.ID, in.Slack = "in-"+c, []string{c}
		s.handle(rules.StepOpened, in)
	}
	s.drain()
	s.fake.SetFault(nth("chat.update", 1, slackfake.Fault{Status: 429, RetryAfter: 40}))
	start := s.clock.now()
	from := len(s.fake.Calls())
	for i, c := range []string{"#a", "#b"} {
		worse := escalated()
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
