package backtest

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"callwatch/call"
	"callwatch/rules"
	"callwatch/rules/engine"
	"callwatch/rules/rulefmt"
	"callwatch/rules/ruletest"
)

var t0 = time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)

func compileSet(t testing.TB, yaml string) *rules.Set {
	t.Helper()
	set, problems := rulefmt.Load("rules.yaml", []byte(yaml))
	if problems.Errors() {
		t.Fatal(problems)
	}
	return set
}

func callOf(id string, mos float64) *call.Event {
	return &call.Event{
		Identity: call.Identity{ID: "e-" + id, Provider: "acme", Kind: call.Ended, CallID: id},
		Facts:    call.Facts{MOS: &mos, MOSSource: call.FromProvider},
	}
}

// What the notifier posts for each step, in its order.
func TestMessagesOfThread(t *testing.T) {
	silence, mark := &rules.Silence{ID: "s"}, &rules.Actor{By: "ada"}
	type step struct {
		step  rules.Step
		set   func(*rules.Incident)
		wants int
	}
	plain := func(*rules.Incident) {}
	for name, steps := range map[string][]step{
		"a whole life": {
			{rules.StepOpened, plain, 2},
			{rules.StepUpdated, plain, 0},
			{rules.StepEscalated, plain, 1},
			{rules.StepReminded, plain, 1},
			{rules.StepAcknowledged, func(i *rules.Incident) { i.Acknowledged = mark }, 1},
			{rules.StepReminded, func(i *rules.Incident) { i.Acknowledged = mark }, 0},
			{rules.StepUnacknowledged, plain, 1},
			{rules.StepResolved, plain, 1},
		},
		"shadow": {
			{rules.StepOpened, func(i *rules.Incident) { i.Mode = rules.Shadow }, 0}, {rules.StepResolved, func(i *rules.Incident) { i.Mode = rules.Shadow }, 0},
		},
		"silenced from the start": {
			{rules.StepOpened, func(i *rules.Incident) { i.Silence = silence }, 0},
			{rules.StepEscalated, func(i *rules.Incident) { i.Silence = silence }, 0},
			{rules.StepUnsilenced, plain, 3},
			{rules.StepResolved, plain, 1},
		},
		"silenced to the end": {
			{rules.StepOpened, func(i *rules.Incident) { i.Silence = silence }, 0}, {rules.StepResolved, func(i *rules.Incident) { i.Silence = silence }, 0},
		},
		"silenced later": {
			{rules.StepOpened, plain, 2},
			{rules.StepSilenced, func(i *rules.Incident) { i.Silence = silence }, 1},
			{rules.StepReminded, func(i *rules.Incident) { i.Silence = silence }, 0},
			{rules.StepResolved, func(i *rules.Incident) { i.Silence = silence }, 1},
		},
		"adopted by another": {
			{rules.StepOpened, plain, 2}, {rules.StepAdopted, func(i *rules.Incident) { i.Parent = "inc_2" }, 0}, {rules.StepResolved, func(i *rules.Incident) { i.Parent = "inc_2" }, 0},
		},
		"adopts others": {
			{rules.StepOpened, func(i *rules.Incident) { i.Adopted = make([]rules.Adopted, 2) }, 3},
			{rules.StepUpdated, func(i *rules.Incident) { i.Adopted = make([]rules.Adopted, 2) }, 0},
			{rules.StepUpdated, func(i *rules.Incident) { i.Adopted = make([]rules.Adopted, 3) }, 1},
		},
		"two channels": {
			{rules.StepOpened, func(i *rules.Incident) { i.Slack = []string{"#a", "#b", "#a"} }, 4}, {rules.StepResolved, func(i *rules.Incident) { i.Slack = []string{"#a", "#b"} }, 2},
		},
	} {
		th := &thread{}
		for _, s := range steps {
			tr := rules.Transition{Step: s.step, Incident: rules.Incident{ID: "inc_1", Mode: rules.Active}}
			s.set(&tr.Incident)
			if got := th.messages(&tr); got != s.wants {
				t.Errorf("%s: %s makes %d messages, want %d", name, s.step, got, s.wants)
			}
		}
	}
}

// Time passes between events, so that incidents resolve when they are due and
// matches within the cooldown count without a message.
func TestBacktestTime(t *testing.T) {
	set := compileSet(t, "rules:\n  - name: low\n    when: mos < 3\n    resolve_after: 10m\n    cooldown: 10m\n")
	b := New(set, Options{})
	b.Event(t0, callOf("a", 2))
	made := b.Event(t0.Add(15*time.Minute), callOf("b", 2)) // resolved at 10, quiet until 20
	if len(made) != 1 || made[0].Step != rules.StepResolved || made[0].Cause.Seq >= b.trial.seq {
		t.Errorf("no tick made the incident resolve before the second call: %+v", made)
	}
	made = b.Event(t0.Add(65*time.Minute), callOf("c", 2))
	if len(made) != 1 || made[0].Step != rules.StepOpened {
		t.Errorf("at the third call: %+v", made)
	}
	b.Event(t0.Add(66*time.Minute), callOf("c", 2)) // sent again
	b.Event(t0.Add(67*time.Minute), callOf("d", 4))
	made = b.Tick(t0.Add(80 * time.Minute))
	if n := len(made); n == 0 || made[n-1].Step != rules.StepResolved || !made[n-1].At.Equal(t0.Add(75*time.Minute)) {
		t.Errorf("at the end: %+v", made)
	}
	r := b.Report()
	got := []int{r.Events, r.Calls, r.Matched, r.Incidents, r.Messages, r.Rules[0].Judged, r.Rules[0].Open, len(r.Rules[0].Calls)}
	if diff := cmp.Diff([]int{5, 4, 3, 2, 6, 4, 0, 3}, got); diff != "" {
		t.Error(diff)
	}
	want := &Busy{Start: t0, Matched: 2, Messages: 3}
	if diff := cmp.Diff(want, r.Rules[0].BusiestHour); diff != "" {
		t.Error(diff)
	}
}

// Time in which callwatch was stopped is no absence in a backtest either, for the
// rules under test and for those they are compared with.
func TestBacktestKnowsDowntimes(t *testing.T) {
	set := compileSet(t, "rules: [{name: none, absent: 10m}]")
	for resumed, want := range map[bool]int{true: 0, false: 1} {
		b := New(set, Options{Baseline: set})
		b.Event(t0, callOf("1", 4))
		if resumed {
			b.Resume(t0.Add(time.Hour))
		}
		b.Tick(t0.Add(time.Hour + 5*time.Minute))
		if got := b.Report(); got.Incidents != want || got.Baseline.Incidents != want {
			t.Errorf("resumed %v: %d incidents and %d of the baseline, want %d", resumed, got.Incidents, got.Baseline.Incidents, want)
		}
		b.Tick(t0.Add(time.Hour + 11*time.Minute))
		if got := b.Report().Incidents; got != 1 {
			t.Errorf("resumed %v: %d incidents after a whole absence, want 1", resumed, got)
		}
	}
}

// A rule against itself catches and misses nothing; against another, exactly the
// calls on which the two disagree in the end.
func TestBacktestDifferences(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		limits := rapid.SliceOfN(rapid.IntRange(2, 5), 2, 2).Draw(t, "limits")
		now, before := setBelow(t, limits[0]), setBelow(t, limits[1])
		b := New(now, Options{Baseline: before})
		worst := map[string]int{}
		for i, n := range rapid.SliceOfN(rapid.IntRange(0, 99), 1, 60).Draw(t, "events") {
			id, mos := fmt.Sprint("c", n/10), n%10/2+1
			e := callOf(id, float64(mos))
			e.ID = fmt.Sprint(i)
			b.Event(t0.Add(time.Duration(i)*time.Second), e)
			if have, ok := worst[id]; !ok || mos < have {
				worst[id] = mos
			}
		}
		caught, missed := 0, 0
		for _, mos := range worst {
			if mos < limits[0] && mos >= limits[1] {
				caught++
			}
			if mos < limits[1] && mos >= limits[0] {
				missed++
			}
		}
		r := b.Report().Rules[0]
		if len(r.Caught) != caught || len(r.Missed) != missed || r.CaughtOmitted+r.MissedOmitted != 0 {
			t.Fatalf("caught %d, missed %d; want %d, %d", len(r.Caught), len(r.Missed), caught, missed)
		}
	})
}

func setBelow(t *rapid.T, limit int) *rules.Set {
	set, problems := rulefmt.Load("rules.yaml", fmt.Appendf(nil, "rules:\n  - name: low\n    when: mos < %d\n", limit))
	if problems.Errors() {
		t.Fatal(problems)
	}
	return set
}

// Lists are bounded, numbers are not.
func TestBacktestIsBounded(t *testing.T) {
	b := New(compileSet(t, "rules:\n  - name: low\n    when: mos < 3\n    by: [callId]\n    resolve_after: 1s\n"), Options{MaxCalls: 10, Baseline: compileSet(t, "rules:\n  - name: low\n    when: mos < 1.5\n")})
	const calls = maxTallyKeys + 100
	for i := range calls {
		b.Event(t0.Add(2*time.Duration(i)*time.Second), callOf(fmt.Sprint(i), 2))
	}
	r := b.Report()
	low := r.Rules[0]
	got := []int{low.Matched, low.Incidents, low.Messages, len(low.Calls), low.CallsOmitted, len(low.Caught), low.CaughtOmitted, len(low.TopKeys), len(b.trial.tallies["low"].keys)}
	if diff := cmp.Diff([]int{calls, calls, 3*calls - 1, 10, calls - 10, 10, calls - 10, topKeys, maxTallyKeys}, got); diff != "" {
		t.Error(diff)
	}
	m := newMatches()
	for i := range 10_000 {
		e := &rules.Evidence{Call: *callOf(fmt.Sprint(i), 2)}
		m.add(e)
		if i%100 > 0 {
			m.remove(e.Call.Key())
		}
	}
	if list, more := m.first(20); len(m.list) > 400 || len(list) != 20 || more != 80 || list[19].CallID != "1900" {
		t.Errorf("%d kept, %d and %d more", len(m.list), len(list), more)
	}
}

func TestLimit(t *testing.T) {
	set := compileSet(t, "rules:\n  - name: low-mos\n    when: mos < 3\n  - name: 404-err\n    when: mos < 3\n")
	report := &Report{Events: 100, Calls: 50, Rules: []RuleReport{
		{Name: "low-mos", Matched: 5, Judged: 40, Incidents: 2, Messages: 6, Open: 1, Missed: []CallMatch{{}}, MissedOmitted: 2},
		{Name: "404-err", Matched: 1, Incidents: 1, Messages: 2},
	}}
	for src, want := range map[string]string{
		"messages > 7":                                         "messages (8) > 7",
		"messages > 8":                                         "",
		"messages>=8":                                          "messages (8) >= 8",
		"low-mos.messages == 6 && calls < 51":                  "low-mos.messages (6) == 6, calls (50) < 51",
		"messages > 8 || low-mos.open != 0":                    "low-mos.open (1) != 0",
		"messages > 8 && events > 0 || incidents <= 3":         "incidents (3) <= 3",
		"messages > 8 && (events > 0 || incidents <= 3)":       "",
		"messages + calls > 57 and not (events < 100)":         "messages (8) + calls (50) > 57, not (events (100) < 100)",
		"404-err.incidents < 2 && 1 < messages < 9":            "404-err.incidents (1) < 2, 1 < messages (8), messages (8) < 9",
		"messages > 1e1 || low-mos.messages - 1 > 4":           "low-mos.messages (6) - 1 > 4",
		"missed > 2.5":                                         "missed (3) > 2.5",
		"((low-mos.judged > 39)) && matched == 6 && calls > 1": "low-mos.judged (40) > 39, matched (6) == 6, calls (50) > 1",
	} {
		l, err := ParseLimit(src)
		if err != nil {
			t.Errorf("%s: %v", src, err)
			continue
		}
		if err := l.Check(set, set); err != nil {
			t.Errorf("%s: %v", src, err)
		}
		why, exceeded := l.Exceeded(report)
		if got := strings.Join(why, ", "); got != want || exceeded != (want != "") {
			t.Errorf("%s: %v, %q; want %q", src, exceeded, got, want)
		}
	}
	plain := regexp.MustCompile(`\b(token|float64|bool|EOF|Operator|interface)\b`) // words of Go and its libraries
	for _, src := range []string{
		"", "messages", "messages > \u201c1\u201d", "messages \u2265 1", "-messages", "not messages", "messages > 1 &&", "messages > 1 calls > 1", "(messages > 1", "messages = 1", "messages > 1)",
		"messages > '1'", "messages in [1]", "len(messages) > 1", "messages matches 'x'", "any([1], # > 0)", "messages > 1 ? true : false",
		"messages ** 9 > 1", "let x = 1; x > 0", "true", strings.Repeat("messages > 1 && ", 100) + "calls > 1", strings.Repeat("(", 3000),
	} {
		_, err := ParseLimit(src)
		if err == nil || strings.Contains(err.Error(), "\n") || plain.MatchString(strings.ReplaceAll(err.Error(), src, "")) {
			t.Errorf("%.60q: %v", src, err)
		}
	}
	l, err := ParseLimit("mesages > 5")
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Check(set, nil); err == nil || !strings.Contains(err.Error(), "mesages") {
		t.Errorf("an unknown name: %v", err)
	}
}

func TestSuggest(t *testing.T) {
	s, err := NewSuggest("mos", []string{"provider"}, "")
	if err != nil {
		t.Fatal(err)
	}
	for i := range 1000 {
		id := fmt.Sprint(i)
		s.Event(callOf(id, 1)) // not yet final
		e := callOf(id, 2+float64(i)/500)
		e.ID, e.Kind = "report-"+id, call.Report
		s.Event(e)
	}
	s.Event(&call.Event{Identity: call.Identity{ID: "x", Provider: "mute", Kind: call.Ended, CallID: "x"}})
	r := s.Report()
	if r.Events != 2001 || r.Calls != 1001 || len(r.Groups) != 2 || r.Groups[1].Known != 0 {
		t.Fatalf("%+v", r)
	}
	g := r.Groups[0]
	got := map[float64]float64{}
	for _, p := range g.Percentiles {
		got[p.P] = p.Value
	}
	for p, want := range map[float64]float64{0: 2, 1: 2.018, 50: 2.998, 99: 3.978, 100: 3.998} {
		if got[p] != want {
			t.Errorf("p%g is %g, want %g", p, got[p], want)
		}
	}
	found := 0
	for _, h := range g.Thresholds {
		var limit float64
		var op string
		if _, err := fmt.Sscanf(h.Condition, "mos %s %g", &op, &limit); err != nil {
			t.Fatal(err)
		}
		n := 0
		for i := range 1000 {
			if v := 2 + float64(i)/500; op == "<" && v < limit || op == ">" && v > limit {
				n++
			}
		}
		if h.Calls != n || h.Share != float64(n)/1000 || n == 0 || n > 500 {
			t.Errorf("%s matches %d calls (%g), want %d", h.Condition, h.Calls, h.Share, n)
		}
		found++
	}
	if found < 8 {
		t.Errorf("only %d thresholds", found)
	}
	for _, field := range []string{"codec", "jitter", "nothing"} {
		if _, err := NewSuggest(field, nil, ""); err == nil {
			t.Errorf("%s is taken", field)
		}
	}
}

func TestSuggestIsBounded(t *testing.T) {
	s, err := NewSuggest("mos", []string{"callId"}, "")
	if err != nil {
		t.Fatal(err)
	}
	for i := range openCalls + 2*maxGroups {
		s.Event(callOf(fmt.Sprint(i), 2))
		if len(s.open) > openCalls || s.recent.Len() > openCalls {
			t.Fatalf("%d calls are open", len(s.open))
		}
	}
	if r := s.Report(); r.Calls != openCalls+2*maxGroups || len(r.Groups) != maxGroups || r.CallsOmitted != r.Calls-maxGroups {
		t.Errorf("%d calls, %d groups, %d omitted", r.Calls, len(r.Groups), r.CallsOmitted)
	}
}

func TestDigits(t *testing.T) {
	for _, c := range []struct {
		v    float64
		n    int
		want float64
	}{{3.14159, 2, 3.1}, {3.14159, 4, 3.142}, {0, 2, 0}, {123456, 2, 120000}, {0.00123456, 3, 0.00123}, {-2.55, 1, -3}, {9.99, 2, 10}, {999.96, 4, 1000}} {
		if got := digits(c.v, c.n); got != c.want {
			t.Errorf("%g to %d digits is %g, want %g", c.v, c.n, got, c.want)
		}
	}
}

// A backtest and an explanation find the same match when time alone causes it
// between two events.
func TestBacktestAgreesWithTrace(t *testing.T) {
	set := compileSet(t, "rules: [{name: held, when: jitterMs > 30, for: 4m}]")
	trace, test := ruletest.NewTrace(set, engine.Options{}), New(set, Options{})
	var opened []rules.Transition
	for i, jitter := range []float64{40, 10} {
		at := t0.Add(time.Duration(i) * 5 * time.Minute)
		e := call.Event{Identity: call.Identity{ID: fmt.Sprint(i), Provider: "p", Kind: call.Stats, CallID: "c", OccurredAt: at}, Facts: call.Facts{JitterMs: &jitter}}
		trace.Apply(at, &e)
		opened = append(opened, test.Event(at, &e)...)
	}
	x := trace.Calls()[0].Rules[0]
	if len(opened) == 0 || x.Verdict != rules.VerdictMatched || x.Incident != opened[0].Incident.ID || !x.At.Equal(t0.Add(4*time.Minute)) {
		t.Errorf("%+v, want the incident of %+v", x, opened)
	}
}
