package slack

import (
	"strings"
	"testing"
	"time"

	"callwatch/notifier/notifiertest"
	"callwatch/rules"
)

// ending is what the root and the resolved line of an incident say, with markup.
func ending(t *testing.T, in *rules.Incident) (root, line string) {
	t.Helper()
	w := &writer{title: notifiertest.Title}
	texts := func(m message) string {
		b, err := encoded(m)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	return texts(w.root(in)), texts(w.resolved(in))
}

// An incident that nobody watches any more is not said to be over.
func TestClosedSaysWhyAndNotThatItIsOver(t *testing.T) {
	for name, in := range map[string]rules.Incident{"calls": notifiertest.Grown(), "window": notifiertest.Window(), "absence": notifiertest.Absent()} {
		in.State, in.ResolvedAt, in.ResolveAfter = rules.Resolved, notifiertest.T0.Add(time.Hour), 20*time.Second
		in.Ended, in.Closed = "the rule was removed or regrouped", true
		root, line := ending(t, &in)
		for where, got := range map[string]string{"root": root, "line": line} {
			if !strings.Contains(got, "The rule was removed or regrouped") {
				t.Errorf("%s: the %s does not say why:\n%s", name, where, got)
			}
			for _, not := range []string{"Resolved", "resolved <", "No further match", "white_check_mark", "#2EB67D", "held for", "again", "back to"} {
				if strings.Contains(got, not) {
					t.Errorf("%s: the %s says %q:\n%s", name, where, not, got)
				}
			}
		}
		if !strings.Contains(root, "No longer watched: ") {
			t.Errorf("%s: headline of the root:\n%s", name, root)
		}
	}
}

// How it ended depends on what the rule waits for.
func TestResolvedSaysHowItEnded(t *testing.T) {
	calls, window, absent := notifiertest.Grown(), notifiertest.WindowResolved(), notifiertest.Absent()
	empty := notifiertest.WindowResolved()
	calls.Ended, window.Ended, absent.Ended, empty.Ended = "no further match for 20s", "clear for 20s", "calls again for 20s", "no call in 15m"
	byHand := calls
	byHand.Ended, byHand.ResolvedBy = "", &rules.Actor{By: "ana", At: notifiertest.T0.Add(time.Hour)}
	for want, in := range map[string]rules.Incident{
		"No further match for 20 s":           calls,
		"The condition has not held for 20 s": window,
		"Calls come again, for 20 s":          absent,
		"No call in 15m":                      empty,
		"Resolved by ana <!date^":             byHand,
	} {
		in.State, in.ResolvedAt, in.ResolveAfter = rules.Resolved, notifiertest.T0.Add(time.Hour), 20*time.Second
		root, line := ending(t, &in)
		if !strings.Contains(root, want) || !strings.Contains(line, want) {
			t.Errorf("want %q in the root and in the line:\n%s\n%s", want, root, line)
		}
		if only := "No further match"; want != "No further match for 20 s" && strings.Contains(root+line, only) {
			t.Errorf("%q beside %q", only, want)
		}
	}
}

// A call whose value is known by now is no good call of a rule about new values.
func TestNoGoodCallOfANewValue(t *testing.T) {
	in := notifiertest.Opened()
	in.State, in.ResolvedAt, in.ResolveAfter = rules.Resolved, notifiertest.T0.Add(time.Hour), 20*time.Second
	known := notifiertest.Opened().Opening
	known.Conditions = []rules.Condition{{Expr: "new hangupCause", Text: `hangupCause ("normal_clearing") is new`, Truth: rules.False}}
	in.Resolving = &known
	root, line := ending(t, &in)
	for _, said := range []string{root, line} {
		if strings.Contains(said, "good call") || !strings.Contains(said, "No further match for 20 s") {
			t.Error(said)
		}
	}
}

// The first letter of a sentence may be of any script, or none.
func TestSentenceCase(t *testing.T) {
	for m, want := range map[markup][2]markup{
		"": {"", ""}, "the end": {"The end", "the end"}, "Über": {"Über", "über"}, "über": {"Über", "über"}, "„x": {"„x", "„x"}, "\xc3": {"\xc3", "\xc3"}, "ASR": {"ASR", "ASR"},
	} {
		if got := [2]markup{sentenceCase(m), inSentence(m)}; got != want {
			t.Errorf("%q: %q, want %q", m, got, want)
		}
	}
}
