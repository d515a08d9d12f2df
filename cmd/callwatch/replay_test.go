package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"callwatch/call"
	"callwatch/cmd/callwatch/internal/config"
	"callwatch/handlers/backend"
	"callwatch/normalizer"
	"callwatch/normalizer/registry"
	"callwatch/pipeline/maintenance"
	"callwatch/rules/rulefmt"
	"callwatch/stream"
)

// birdCall is a body of a call that ended with a MOS.
func birdCall(id string, mos float64) stream.Record {
	return stream.Record{
		Provider: "bird", Source: "webhook", ContentType: "application/json", ReceivedAt: time.Now().UTC(),
		Body: fmt.Appendf(nil, `{"event":"voice.outbound","service":"channels","payload":{"id":%q,"channelId":"c1","status":"completed",`+
			`"direction":"outgoing","to":"+1555010%s","duration":40,"mediaMetrics":{"mos":%g}}}`, "leg-"+id, id, mos),
	}
}

// misread is a normalizer with a mistake: it exchanges good and bad.
func misread(c *config.Config) {
	for _, p := range registry.Providers() {
		right := p.Normalize
		p.Normalize = func(b *normalizer.Body) ([]call.Event, error) {
			events, err := right(b)
			for i := range events {
				if mos := events[i].MOS; mos != nil {
					events[i].MOS = new(6.5 - *mos)
				}
				events[i].AgentName = "nobody"
			}
			if len(events) > 0 && strings.HasSuffix(events[0].CallID, "9999") {
				return nil, err // it takes this one for nothing of interest
			}
			return events, err
		}
		c.Registry = c.Registry.With(p)
	}
}

// Stored bodies are run through a fixed normalizer: the differences are shown;
// once applied, what is read from the store is right, and nothing is announced.
func TestReplayCorrects(t *testing.T) {
	t.Parallel()
	slack, slackURL := fakeSlackServer(t)
	cfg := demoConfig(registry.Providers(), t.TempDir(), "127.0.0.1:0", testSecrets(t))
	cfg.Rules, cfg.AdminToken = writeRules(t, badCallRule), "secret-token"
	cfg.Slack = config.Slack{Token: "xoxb-test", Channel: "#voice", APIURL: slackURL, Rate: 200}
	a, stop := runApp(t, cfg, misread)
	for i := range 4 {
		put(t, a.store, birdCall(fmt.Sprintf("100%d", i), 2.5))
		put(t, a.store, birdCall(fmt.Sprintf("200%d", i), 4.1))
	}
	put(t, a.store, birdCall("9999", 2.1))
	p := &process{t: t, base: "http://" + a.server.Addr().String()}
	put(t, a.store, birdCall("3000", 2.5)) // so that the one before is passed
	p.settled()
	stop()
	if n := len(slack.Threads()); n != 4 {
		t.Fatalf("%d threads, want one for each good call that was misread: %q", n, openedThreads(slack))
	}

	env := []string{"CALLWATCH_ADMIN_TOKEN=secret-token", "CALLWATCH_DATA_DIR=" + cfg.DataDir, "CALLWATCH_RULES=" + cfg.Rules}
	dry := answerOf[maintenance.ReplayReport](t, env, nil, "replay", "--since", "1h")
	check := func(r maintenance.ReplayReport) {
		t.Helper()
		if r.Bodies != 10 || r.Changed != 9 || r.Added != 1 || r.Same+r.Emptied+r.Failed != 0 {
			t.Errorf("replay: %+v", r)
		}
		mos := slices.IndexFunc(r.Fields, func(f maintenance.FieldDiff) bool { return f.Field == "mos" })
		if mos < 0 || r.Fields[mos].Events != 9 || r.Fields[mos].Examples[0] != (maintenance.FieldExample{RawID: "1.0", CallID: "leg-1000", Old: "4", New: "2.5"}) {
			t.Errorf("fields: %+v", r.Fields)
		}
		if i := r.Incidents; i == nil || i.Before != 4 || i.After != 6 || len(i.Added) != 6 || len(i.Gone) != 4 || i.Gone[0].Key != "bird, leg-2000" {
			t.Errorf("incidents: %+v", r.Incidents)
		}
	}
	check(dry)
	if !dry.DryRun || dry.Applied != 0 {
		t.Errorf("dry run: %+v", dry)
	}
	if again := answerOf[maintenance.ReplayReport](t, env, nil, "replay", "--since", "1h", "--provider", "atoms"); again.Bodies != 0 {
		t.Errorf("of another provider: %+v", again)
	}

	// By a callwatch that runs, so that its rules could see the corrections.
	a, stop = runApp(t, cfg, nil)
	p = &process{t: t, base: "http://" + a.server.Addr().String()}
	applied := answerOf[maintenance.ReplayReport](t, env, nil, "replay", "--since", "1h", "--apply", "--url", p.base)
	check(applied)
	if applied.Applied != 10 {
		t.Errorf("applied: %+v", applied)
	}
	p.settled()
	checkCorrected(t, a, cfg.Rules)
	stop()
	after := answerOf[maintenance.ReplayReport](t, env, nil, "replay", "--since", "1h", "--apply")
	if after.Bodies != 10 || after.Same != 10 || after.Applied != 0 || after.Incidents != nil {
		t.Errorf("once more: %+v", after)
	}

	report := answerOf[rulesReport](t, env, nil, "backtest", "--since", "1h", "--rules", cfg.Rules)
	if report.Events != 10 || report.Matched != 6 {
		t.Errorf("backtest sees %d events, %d matched", report.Events, report.Matched)
	}
	page := answerOf[backend.CallHistory](t, env, nil, "calls", "show", "bird", "leg-1000")
	if page.Call.MOS == nil || *page.Call.MOS != 2.5 || page.Call.AgentName != "" || len(page.Events) != 1 {
		t.Errorf("calls show: %+v", page)
	}

	// A start without a checkpoint judges the log again, and tells nothing new.
	checkpoints := filepath.Join(cfg.DataDir, "jetstream", "$G", "streams", "CALLWATCH_CHECKPOINTS")
	if _, err := os.Stat(checkpoints); err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(checkpoints); err != nil {
		t.Fatal(err)
	}
	a, stop = runApp(t, cfg, nil)
	p = &process{t: t, base: "http://" + a.server.Addr().String()}
	p.settled()
	stop()
	if n := len(slack.Threads()); n != 4 {
		t.Errorf("%d threads at the end, 4 before the corrections", n)
	}
}

// checkCorrected: the pages of a running callwatch show what is in force.
func checkCorrected(t *testing.T, a *app, rulesFile string) {
	t.Helper()
	h := a.reads()
	ends, err := h.Ends(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "all is indexed", func() bool { return a.query.Watermark() >= ends.Events })
	for id, mos := range map[string]float64{"leg-1000": 2.5, "leg-2000": 4.1, "leg-9999": 2.1} {
		c, err := h.Call(t.Context(), call.Key{Provider: "bird", CallID: id})
		if err != nil || len(c.Events) != 1 || c.Call.MOS == nil || *c.Call.MOS != mos || c.Call.AgentName != "" {
			t.Errorf("call %s: %+v, %v", id, c, err)
		}
	}
	page, err := h.Events(t.Context(), backend.EventQuery{})
	if err != nil || len(page.Events) != 10 {
		t.Errorf("%d events in force, %v; want 10", len(page.Events), err)
	}
	for _, e := range page.Events {
		if e.Event.AgentName != "" {
			t.Errorf("corrected event %s is shown", e.Event.ID)
		}
	}
	set, problems, err := rulefmt.LoadFile(rulesFile)
	if err != nil || problems.Errors() {
		t.Fatal(err, problems)
	}
	report, err := h.Backtest(t.Context(), backend.BacktestQuery{Rules: set}, nil)
	if err != nil || report.Events != 10 || report.Matched != 6 {
		t.Errorf("backtest sees %d events, %d matched, %v", report.Events, report.Matched, err)
	}
}
