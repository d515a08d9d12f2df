package main

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"callwatch/cmd/callwatch/internal/config"
	"callwatch/normalizer"
	"callwatch/rules/engine"
)

// Whatever comes first, and however often: one call, final once, the rule about
// quality fires once, and a window counts the call once, with its quality.
func TestWebhookAndReportInAnyOrder(t *testing.T) {
	t.Parallel()
	const byWindow = `  - name: share
    over: 1h
    when: rate(mos < 3.5) > 0.5
    min_calls: 1
    by: [provider]
    settle: 30m
  - name: volume
    over: 1h
    when: count(durationSec > 0) >= 2
    by: [provider]
    settle: 30m
`
	now := time.Now().UTC()
	webhook := func(id string) normalizer.Body {
		return normalizer.Body{
			Provider: "bird", Source: normalizer.Pushed, ContentType: "application/json", ReceivedAt: now,
			Bytes: fmt.Appendf(nil, `{"event":"voice.outbound","service":"channels","payload":{"id":%q,"channelId":"c","status":"completed","direction":"outgoing","duration":40,"endedAt":%q}}`,
				id, now.Format(time.RFC3339)),
		}
	}
	report := func(id string) normalizer.Body {
		body := strings.ReplaceAll(birdInsights(id, 2.9), "2026-11-01T12:00:45Z", now.Format(time.RFC3339))
		return normalizer.Body{
			Provider: "bird", Source: normalizer.Fetched, ContentType: "application/json", CallID: id, ReceivedAt: now, Bytes: []byte(body),
		}
	}
	for _, order := range []string{"wr", "rw", "wwr", "wrr", "rrw", "wrwr", "rwrw"} {
		t.Run(order, func(t *testing.T) {
			a, base := running(t, func(c *config.Config) { c.Rules = writeRules(t, lowMOSRule+byWindow) })
			for _, what := range order {
				body := webhook("call-1")
				if what == 'r' {
					body = report("call-1")
				}
				if _, err := a.ingest.Append(t.Context(), body); err != nil {
					t.Fatal(err)
				}
			}
			eventually(t, "all is judged", func() bool {
				left := a.backlog()
				return left["normalize"] == 0 && left["judge"] == 0 && folded(t, a, "bird", "call-1").Final
			})
			c := folded(t, a, "bird", "call-1")
			if c.MOS == nil || *c.MOS != 2.9 || c.Events != 2 {
				t.Errorf("mos %v of %d events", c.MOS, c.Events)
			}
			var fired []string
			eventually(t, "both rules fire", func() bool {
				fired = nil
				for _, in := range listed(t, base) {
					fired = append(fired, in.Rule+" "+a.steps(t, &in))
				}
				return len(fired) >= 2
			})
			slices.Sort(fired)
			if want := []string{"bad-quality opened", "share opened rate(mos < 3.5) (1) > 0.5 over 1h"}; !slices.Equal(fired, want) {
				t.Errorf("fired %q, want %q", fired, want)
			}
			var calls int
			a.judge.Look(func(g *engine.Engine) {
				for _, h := range g.Healths() {
					if h.Rule == "volume" {
						calls = h.Counts.Judged
					}
				}
			})
			if calls > 1 {
				t.Errorf("the window counted the call %d times", calls)
			}
		})
	}
}

// Without a report a window waits for settle, and no longer than that.
func TestWindowWaitsForTheReport(t *testing.T) {
	t.Parallel()
	a, base := running(t, func(c *config.Config) {
		c.Rules = writeRules(t, "rules:\n  - name: long\n    over: 1h\n    when: avg(durationSec) > 10\n    min_calls: 1\n    settle: 2s\n    by: [provider]\n")
	})
	now := time.Now().UTC()
	_, err := a.ingest.Append(t.Context(), normalizer.Body{
		Provider: "bird", Source: normalizer.Pushed, ContentType: "application/json", ReceivedAt: now,
		Bytes: fmt.Appendf(nil, `{"event":"voice.outbound","service":"channels","payload":{"id":"c1","channelId":"c","status":"completed","direction":"outgoing","duration":40,"endedAt":%q}}`,
			now.Format(time.RFC3339)),
	})
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "the window has counted the call", func() bool { return len(listed(t, base)) == 1 })
	if opened := listed(t, base)[0].OpenedAt; opened.Before(now.Add(2 * time.Second)) {
		t.Errorf("counted %v after the end, before it was settled", opened.Sub(now))
	}
}
