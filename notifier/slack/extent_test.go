package slack

import (
	"strings"
	"testing"
	"time"

	"callwatch/notifier"
	"callwatch/notifier/notifiertest"
	"callwatch/rules"
)

// everySaid is all that is said of an open incident and of its end.
func everySaid(t *testing.T, w *writer, in rules.Incident) string {
	t.Helper()
	var all strings.Builder
	add := func(m message) {
		b, err := encoded(m)
		if err != nil {
			t.Fatal(err)
		}
		all.Write(b)
	}
	at := notifiertest.T0.Add(time.Hour)
	add(w.root(&in))
	add(w.opening(&in))
	add(w.escalated(&in, rules.Critical, at, ""))
	for _, step := range []rules.Step{rules.StepReminded, rules.StepUnsilenced} {
		add(w.said(&notifier.Line{Step: step, At: at, Incident: in}))
	}
	all.WriteString(Plain{w}.Description(&in))
	in.State, in.ResolvedAt = rules.Resolved, at
	add(w.root(&in))
	add(w.resolved(&in))
	return all.String()
}

// Of an absence and of too few calls no call matched.
func TestNoCallMatchedIsNotSaidToHave(t *testing.T) {
	w := &writer{title: notifiertest.Title, console: "https://callwatch.example.com"}
	noData := notifiertest.Absent() // opened by no_data: alert; then calls came that the rule counts
	noData.Counts = rules.Counts{Matched: 3, Judged: 5}
	few := notifiertest.TooFew()
	for name, in := range map[string]rules.Incident{"absence": notifiertest.Absent(), "no data": noData, "too few": few} {
		said := everySaid(t, w, in)
		for _, not := range []string{"matched", "last match", "Matched", "*Call:*", "Worst call", "call so far", "calls so far", "View call", "further"} {
			if strings.Contains(said, not) {
				t.Errorf("%s: %q is said:\n%s", name, not, said)
			}
		}
	}
}

// What is said of when an incident resolves is what decides it.
func TestNextSaysWhatItWaitsFor(t *testing.T) {
	w := &writer{title: notifiertest.Title}
	calls, absent, window, resolve := notifiertest.Opened(), notifiertest.Absent(), notifiertest.Window(), notifiertest.Window()
	resolve.ResolveWhen = "rate(mos < 3.5) < 0.05"
	now := resolve
	now.ResolveAfter = 0
	for want, in := range map[string]rules.Incident{
		"Resolves 30 min after the last match":                             calls,
		"Resolves once calls come again for 20 s":                          absent,
		"Resolves 30 min after the condition ends":                         window,
		"Resolves when `rate(mos &lt; 3.5) &lt; 0.05` has held for 30 min": resolve,
		"Resolves as soon as `rate(mos &lt; 3.5) &lt; 0.05`":               now,
	} {
		if got := string(w.next(&in)); !strings.HasSuffix(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

// Of a window, the calls are those in it at the opening and all since, so that the time
// of the opening is not theirs, and neither is that of a judgement.
func TestWindowsSayWhenTheyOpened(t *testing.T) {
	w := &writer{title: notifiertest.Title}
	in := notifiertest.Window()
	in.Latest.At = notifiertest.T0.Add(7 * time.Minute)
	opened := when(in.OpenedAt)
	if got, want := w.extent(&in), "Open since "+opened+", 17 of 212 calls matched"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	few := notifiertest.TooFew()
	if got, want := w.extent(&few), "Open since "+opened; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// Evidence of a share that is too small are the calls for which its condition is false:
// they are counted as such.
func TestTooSmallShareCountsTheOthers(t *testing.T) {
	w := &writer{title: notifiertest.Title}
	in := notifiertest.Window()
	in.Values.Name, in.Values.Direction = "rate(answered)", rules.DirectionDown
	said := everySaid(t, w, in)
	if !strings.Contains(said, "not `answered`: 17 of 212 calls") || strings.Contains(said, "calls matched") || strings.Contains(said, `"Matched"`) {
		t.Errorf("it is not said which calls are counted:\n%s", said)
	}
}

// An incident that stays open longer than its rule says tells why, for as long as it is.
func TestFlappingIsSaid(t *testing.T) {
	w := &writer{title: notifiertest.Title}
	in := notifiertest.Opened()
	in.ResolveAfter, in.Flapping = 15*time.Minute, &rules.Flapping{Openings: 4, Usual: 2 * time.Second}
	const want = "Flapping: opened 4 times within an hour, so it resolves after 15 min instead of 2 s"
	m := w.root(&in)
	b, err := encoded(m.Attachments)
	if err != nil {
		t.Fatal(err)
	}
	for where, got := range map[string]string{"text": m.Text, "message": string(b), "alert": (Plain{w}).Description(&in)} {
		if !strings.Contains(got, want) {
			t.Errorf("the %s lacks %q:\n%s", where, want, got)
		}
	}
	in.State, in.ResolvedAt = rules.Resolved, notifiertest.T0.Add(time.Hour)
	if root, line := ending(t, &in); strings.Contains(root+line, "Flapping") {
		t.Errorf("said at the end too:\n%s%s", root, line)
	}
}
