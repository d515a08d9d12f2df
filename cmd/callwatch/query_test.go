package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"callwatch/call"
	"callwatch/cmd/callwatch/internal/config"
	"callwatch/handlers/backend"
	"callwatch/rules"
	"callwatch/rules/rulefmt"
)

// judgedCalls sends webhooks of calls that failed and waits until all are judged.
func judgedCalls(t *testing.T, a *app, base string, ids ...string) {
	t.Helper()
	ends, err := a.store.Ends(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for i, id := range ids {
		if slices.Contains(ids[:i], id) { // an identical request is not stored again
			failedCallAt(t, base, butterToken, id, "2026-11-01T12:00:46Z")
			continue
		}
		failedCall(t, base, butterToken, id)
	}
	eventually(t, "the calls are judged", func() bool { return a.judge.Watermark() >= ends.Last+uint64(len(ids)) })
	eventually(t, "the calls are indexed", func() bool { return a.query.Watermark() >= a.judge.Watermark() })
}

// postBody sends a webhook as it is.
func postBody(t *testing.T, base, body string) {
	t.Helper()
	res, err := http.Post(base+"/webhooks/butter/"+butterToken, "application/json", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode != http.StatusOK {
		b, _ := io.ReadAll(res.Body)
		t.Fatalf("webhook answered %d %s", res.StatusCode, b)
	}
}

func numbered(n int) (ids []string) {
	for i := range n {
		ids = append(ids, fmt.Sprintf("call_%d", i))
	}
	return ids
}

func callsOf(events []backend.StoredEvent) (ids []string) {
	for _, e := range events {
		ids = append(ids, e.Event.CallID)
	}
	return ids
}

func TestHistoryEvents(t *testing.T) {
	t.Parallel()
	path := writeRules(t, failedRule)
	a, base := running(t, func(c *config.Config) { c.Rules = path })
	h := a.reads()
	empty, err := h.Events(t.Context(), backend.EventQuery{})
	if err != nil || empty.Events == nil || len(empty.Events) != 0 || empty.Next != 0 {
		t.Errorf("of an empty store: %+v, %v", empty, err)
	}
	judgedCalls(t, a, base, numbered(7)...)

	var all []backend.StoredEvent
	pages := 0
	for q := (backend.EventQuery{Limit: 3}); ; pages++ {
		p, err := h.Events(t.Context(), q)
		if err != nil || len(p.Events) > 3 || pages > 5 {
			t.Fatalf("page %d: %+v, %v", pages, p, err)
		}
		all = append(all, p.Events...)
		if q.Before = p.Next; p.Next == 0 {
			break
		}
	}
	want := numbered(7)
	slices.Reverse(want)
	if got := callsOf(all); !slices.Equal(got, want) {
		t.Errorf("pages show %v, want %v", got, want)
	}
	for name, c := range map[string]struct {
		q    backend.EventQuery
		want int
	}{
		"filter":             {backend.EventQuery{Filter: `callId in ["call_1", "call_5"] && status == "failed"`}, 2},
		"unknown is left":    {backend.EventQuery{Filter: `mos < 3.5`}, 0},
		"provider":           {backend.EventQuery{Provider: "butter"}, 7},
		"other provider":     {backend.EventQuery{Provider: "bird"}, 0},
		"kind":               {backend.EventQuery{Kind: call.Stats}, 0},
		"since":              {backend.EventQuery{Since: all[2].At}, 3},
		"later than all":     {backend.EventQuery{Since: time.Now().Add(time.Hour)}, 0},
		"after":              {backend.EventQuery{After: all[3].Seq}, 3},
		"before beyond ends": {backend.EventQuery{Before: 1 << 60}, 7},
		"huge limit":         {backend.EventQuery{Limit: 1 << 40}, 7},
		"negative limit":     {backend.EventQuery{Limit: -4}, 7},
	} {
		p, err := h.Events(t.Context(), c.q)
		if err != nil || len(p.Events) != c.want || p.Next != 0 {
			t.Errorf("%s: %d events, next %d, %v; want %d", name, len(p.Events), p.Next, err, c.want)
		}
	}
	var problems rules.Problems
	if _, err := h.Events(t.Context(), backend.EventQuery{Filter: "mos <"}); !errors.As(err, &problems) || problems[0].Line != 1 {
		t.Errorf("a wrong filter: %v", err)
	}

	// Following goes on behind any event, with those that come later.
	enough := errors.New("enough")
	var followed []backend.StoredEvent
	ctx, stop := context.WithTimeout(t.Context(), 30*time.Second)
	defer stop()
	sent := false
	err = h.Follow(ctx, backend.EventQuery{After: all[3].Seq, Filter: `callId != "call_5"`}, func(e backend.StoredEvent) error {
		followed = append(followed, e)
		if e.Event.CallID == "call_6" && !sent {
			sent = true
			failedCall(t, base, butterToken, "call_later")
		}
		if e.Event.CallID == "call_later" {
			return enough
		}
		return nil
	})
	if got, want := callsOf(followed), []string{"call_4", "call_6", "call_later"}; !errors.Is(err, enough) || !slices.Equal(got, want) {
		t.Errorf("followed %v, want %v: %v", got, want, err)
	}
}

func TestHistoryOfACall(t *testing.T) {
	t.Parallel()
	path := writeRules(t, failedRule+"  - {name: low-mos, when: mos < 3.5}\n  - {name: by-provider, when: status == \"failed\", by: [provider]}\n")
	a, base := running(t, func(c *config.Config) { c.Rules = path })
	h := a.reads()
	judgedCalls(t, a, base, "call_2", "call_1", "call_1")
	key := call.Key{Provider: "butter", CallID: "call_1"}
	eventually(t, "the incident is indexed", func() bool {
		c, err := h.Call(t.Context(), key)
		return err == nil && len(c.Incidents) == 1
	})
	c, err := h.Call(t.Context(), key)
	if err != nil || len(c.Events) != 2 || c.Events[0].Seq >= c.Events[1].Seq || c.Call.Status != call.Failed || c.Partial || c.Omitted != 0 {
		t.Fatalf("call %+v, %v", c, err)
	}
	x, err := h.Explain(t.Context(), key)
	if err != nil || len(x.Rules) != 3 || x.Rules[0].Verdict != rules.VerdictMatched || x.Rules[1].Verdict != rules.VerdictUnjudged {
		t.Fatalf("explanation %+v, %v", x, err)
	}
	// The second incident was opened by another call, of which the explanation knows nothing.
	for i, rule := range map[int]string{0: "call-failures", 2: "by-provider"} {
		open := a.api().Open()
		at := slices.IndexFunc(open, func(in rules.Incident) bool {
			return in.Rule == rule && (rule == "by-provider" || in.ID == c.Incidents[0].ID)
		})
		if x.Rules[i].Incident != open[at].ID {
			t.Errorf("%s is explained by incident %q, want %s", rule, x.Rules[i].Incident, open[at].ID)
		}
	}
	tried, err := h.Try(t.Context(), `status == "failed" && sipCode > 500`, key)
	if err != nil || tried.Verdict != rules.VerdictMatched || tried.At.IsZero() {
		t.Errorf("tried %+v, %v", tried, err)
	}
	var problems rules.Problems
	if _, err := h.Try(t.Context(), "statu == 1", key); !errors.As(err, &problems) {
		t.Errorf("a wrong expression: %v", err)
	}
	body, err := h.Body(t.Context(), c.Events[0].Event.RawID)
	if err != nil || !strings.Contains(string(body.Bytes), `"call_sid":"call_1"`) || body.Provider != "butter" || body.Source != "webhook" || body.ReceivedAt.IsZero() {
		t.Errorf("body %+v, %v", body, err)
	}
	in, err := h.Incident(t.Context(), c.Incidents[0].ID)
	if err != nil || in.Incident.ID != c.Incidents[0].ID || len(in.Transitions) == 0 || in.Transitions[0].Step != rules.StepOpened || in.Thread != "" {
		t.Errorf("incident %q with %d transitions, %v", in.Incident.ID, len(in.Transitions), err)
	}
	var seen []backend.StoredTransition
	enough := errors.New("enough")
	err = h.FollowIncidents(t.Context(), 1, func(t backend.StoredTransition) error { seen = append(seen, t); return enough })
	if !errors.Is(err, enough) || seen[0].Seq != 2 {
		t.Errorf("followed %+v, %v", seen, err)
	}
	nobody := call.Key{Provider: "butter", CallID: "call_3"}
	_, noCall := h.Call(t.Context(), nobody)
	_, noExplain := h.Explain(t.Context(), nobody)
	_, noTry := h.Try(t.Context(), "final", nobody)
	_, noBody := h.Body(t.Context(), "99.0")
	_, badBody := h.Body(t.Context(), "../../etc/passwd")
	_, noIncident := h.Incident(t.Context(), "inc_none")
	for i, err := range []error{noCall, noExplain, noTry, noBody, badBody, noIncident} {
		if !errors.Is(err, backend.ErrNotFound) {
			t.Errorf("case %d: %v", i, err)
		}
	}
}

func TestHistoryBacktest(t *testing.T) {
	t.Parallel()
	path := writeRules(t, failedRule)
	a, base := running(t, func(c *config.Config) { c.Rules = path })
	h := a.reads()
	judgedCalls(t, a, base, numbered(20)...)
	var last, total uint64
	ends, _ := h.Ends(t.Context())
	other, problems := rulefmt.Load("rules.yaml", []byte("rules: [{name: other, when: durationSec == 0}]"))
	if problems.Errors() {
		t.Fatal(problems)
	}
	report, err := h.Backtest(t.Context(), backend.BacktestQuery{Rules: other, Baseline: true},
		func(d, n uint64) {
			last, total = d, n
			for range cap(a.turns) { // a client that does not read keeps nobody waiting
				release, err := a.turns.Take(t.Context())
				if err != nil {
					t.Errorf("no turn while progress is told: %v", err)
					return
				}
				defer release()
			}
		})
	if err != nil || report.Events != 20 || report.Matched != 20 || len(report.Rules) != 2 || report.Baseline == nil || report.Baseline.Matched != 20 {
		t.Errorf("report %+v, %v", report, err)
	}
	if last != ends.Events || total != ends.Events {
		t.Errorf("progress ended with %d of %d, want %d", last, total, ends.Events)
	}
	if report, err = h.Backtest(t.Context(), backend.BacktestQuery{Since: time.Now()}, nil); err != nil || report.Events != 0 {
		t.Errorf("since now: %+v, %v", report, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := h.Backtest(ctx, backend.BacktestQuery{}, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("canceled: %v", err)
	}
}

func TestHistoryStatus(t *testing.T) {
	t.Parallel()
	path := writeRules(t, failedRule)
	a, base := running(t, func(c *config.Config) { c.Rules = path })
	h := a.reads()
	judgedCalls(t, a, base, "call_1")
	postBody(t, base, `{"no": "call"}`)
	res, err := http.Post(base+"/webhooks/butter/wrong", "application/json", strings.NewReader("{}"))
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	eventually(t, "the dead letter is there", func() bool { return h.Status(t.Context()).Dead == 1 })
	s := h.Status(t.Context())
	i := slices.IndexFunc(s.Providers, func(p backend.ProviderStatus) bool { return p.Name == "butter" })
	p := s.Providers[i]
	if !p.Verifies || p.Fetches || p.Accepted != 2 || p.Refused != 1 || p.LastSeen.IsZero() || p.Title == "" {
		t.Errorf("provider %+v", p)
	}
	if s.Durability != "fsync" || !s.Ready || s.Started.IsZero() || len(s.Checks) == 0 || len(s.Streams) == 0 || !strings.Contains(string(s.Version), "version") {
		t.Errorf("status %+v", s)
	}
	dead, err := h.DeadLetters(t.Context(), 10)
	if err != nil || len(dead) != 1 || dead[0].Provider != "butter" || dead[0].Error == "" || dead[0].RawID == "" {
		t.Errorf("dead letters %+v, %v", dead, err)
	}
	if b, err := h.Body(t.Context(), dead[0].RawID); err != nil || string(b.Bytes) != `{"no": "call"}` {
		t.Errorf("its body %+v, %v", b, err)
	}
}

// After a restart the index is built again from what is stored.
func TestHistoryAfterARestart(t *testing.T) {
	t.Parallel()
	dir, path := t.TempDir(), writeRules(t, failedRule)
	configure := func(c *config.Config) { c.DataDir, c.Rules = dir, path }
	key := call.Key{Provider: "butter", CallID: "call_1"}
	var id string
	t.Run("before", func(t *testing.T) {
		a, base := running(t, configure)
		judgedCalls(t, a, base, "call_1", "call_2")
		id = listed(t, base)[0].ID
	})
	a, base := running(t, configure)
	h := a.reads()
	c, err := h.Call(t.Context(), key)
	if err != nil || len(c.Events) != 1 || c.Partial {
		t.Fatalf("call %+v, %v", c, err)
	}
	if in, err := h.Incident(t.Context(), id); err != nil || len(in.Transitions) == 0 {
		t.Errorf("incident %q with %d transitions, %v", in.Incident.ID, len(in.Transitions), err)
	}
	judgedCalls(t, a, base, "call_1")
	if c, err = h.Call(t.Context(), key); err != nil || len(c.Events) != 2 {
		t.Errorf("call %+v, %v", c, err)
	}
}
