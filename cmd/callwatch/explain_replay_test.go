package main

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"callwatch/call"
	"callwatch/cmd/callwatch/internal/cli"
	"callwatch/cmd/callwatch/internal/config"
	"callwatch/handlers/backend"
	"callwatch/pipeline/query"
	"callwatch/rules"
)

const countRule = "rules: [{name: failures, over: 1h, min_calls: 1, settle: 0s, when: 'count(status == \"failed\") >= 3'}]"

// whenOf is what the rule's condition shows of a call.
func whenOf(x *rules.CallExplanation) string {
	r := &x.Rules[0]
	i := slices.IndexFunc(r.Parts, func(p rules.Part) bool { return p.Name == "when" })
	if i < 0 {
		return fmt.Sprintf("%s %v", r.Verdict, r.HeldBack)
	}
	return fmt.Sprintf("%s %v", r.Verdict, r.Parts[i].Tree.Children[0].Value)
}

// failedNow sends calls that failed just now: windows count them.
func failedNow(t *testing.T, base string, ids ...string) {
	t.Helper()
	for _, id := range ids {
		postBody(t, base, fmt.Sprintf(`{"call_sid":%q,"status":"failed","duration":0,"timestamp":%q,"error_code":503}`, id, time.Now().UTC().Format(time.RFC3339)))
	}
}

// A running callwatch explains a call of the past with the figures that its window
// had then, and so do the command that asks it and the one that reads its store.
func TestExplainWithTheWindowOfThen(t *testing.T) {
	t.Parallel()
	path := writeRules(t, countRule)
	a, base := running(t, func(c *config.Config) { c.Rules = path })
	failedNow(t, base, numbered(6)...)
	last := call.Key{Provider: "butter", CallID: "call_5"}
	eventually(t, "the last call has settled", func() bool {
		x, err := a.query.Backend().Explain(t.Context(), last)
		return len(a.api().Open()) == 1 && err == nil && whenOf(&x) == "matched 6"
	})
	if err := a.model.Current(t.Context()); err != nil { // it knows whose call an id is
		t.Fatal(err)
	}
	open := a.api().Open()
	want := map[string]string{"call_0": "not-matched 1", "call_1": "not-matched 2", "call_2": "matched 3", "call_5": "matched 6"}
	for id, text := range want {
		x, err := a.query.Backend().Explain(t.Context(), call.Key{Provider: "butter", CallID: id})
		if err != nil || whenOf(&x) != text {
			t.Errorf("%s: %s, %v; want %s", id, whenOf(&x), err, text)
		}
		if matched := strings.HasPrefix(text, "matched"); matched != (x.Rules[0].Incident == open[0].ID) {
			t.Errorf("%s: incident %q", id, x.Rules[0].Incident)
		}
		n := strings.Fields(text)[1]
		code, out, errs := typed(t, base, "rules", "explain", "butter/"+id)
		if code != cli.ExitFine || !strings.Contains(out, "= "+n) {
			t.Errorf("rules explain butter/%s: exit %d\n%s%s", id, code, out, errs)
		}
	}
	for _, c := range []struct {
		args []string
		code int
		says string
	}{
		{[]string{"call_2"}, cli.ExitFine, "MATCHED"}, // the server knows whose it is
		{[]string{"call_2", "--provider", "butter", "--rule", "failures"}, cli.ExitFine, "MATCHED"},
		{[]string{"call_2", "--provider", "butter", "--rule", "nothing"}, cli.ExitUsage, "no rule"},
		{[]string{"butter/nobody"}, cli.ExitProblems, "no such call"},
	} {
		code, out, errs := typed(t, base, append([]string{"rules", "explain"}, c.args...)...)
		if code != c.code || !strings.Contains(out+errs, c.says) {
			t.Errorf("rules explain %v: exit %d\n%s%s", c.args, code, out, errs)
		}
	}
}

// A call with more events before it than are read for one has no figures of other
// calls, and says so.
func TestExplainIsBounded(t *testing.T) {
	t.Parallel()
	path := writeRules(t, countRule)
	a, base := running(t, func(c *config.Config) { c.Rules = path })
	failedNow(t, base, numbered(5)...)
	k := call.Key{Provider: "butter", CallID: "call_4"}
	var c backend.CallHistory
	eventually(t, "the call is indexed", func() (found bool) {
		var err error
		c, err = a.query.Backend().Call(t.Context(), k)
		return err == nil
	})
	own := []query.Arrival{{At: c.Events[0].At, Event: c.Events[0].Event}}
	replay := query.Replay{Store: a.store, Set: a.judge.Rules(), Events: 3}
	x, err := replay.Explain(t.Context(), k, own)
	if err != nil || x.Rules[0].Verdict != rules.VerdictUnjudged || len(x.Rules[0].HeldBack) != 1 || x.Rules[0].HeldBack[0].By != "window" {
		t.Errorf("%+v, %v", x, err)
	}
}
