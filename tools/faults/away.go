package main

import (
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"callwatch/tools/faults/checker"
	"callwatch/tools/faults/variants"
)

const (
	degradedLimit = 60 * time.Second
	adminToken    = "faults-admin-token-0123456789abcdef"
)

// away takes Slack away for ten minutes, while incidents open and others resolve:
// it shows everywhere within a minute, and afterwards everything is delivered once.
func away(t *trial) error {
	r, err := t.rig(8, 0.6)
	if err != nil {
		return err
	}
	defer r.close()
	r.setenv("CALLWATCH_ADMIN_TOKEN", adminToken)
	if err := r.writeRules(soonResolved(badCalls)); err != nil {
		return err
	}
	if err := r.start(); err != nil {
		return err
	}
	send := func(part uint64) error {
		var err error
		if r.l.requests, err = r.traffic(t.seed+part, t.times(15, 60), 0.6); err == nil {
			r.l.begin()
			r.l.drain()
		}
		return err
	}
	if err := send(0); err != nil {
		return err
	}
	if err := r.settled(t.patience()); err != nil {
		return err
	}
	if err := r.w.Faults(checker.SlackFaults{Down: true}); err != nil {
		return err
	}
	begun := time.Now()
	if err := send(1); err != nil {
		return err
	}
	limit := degradedLimit
	if t.mutate != variants.None {
		limit = 15 * time.Second
	}
	shown := r.await("trouble with Slack shows", limit, func() bool { return r.shown("degraded") == 3 })
	late := time.Since(begun)
	if shown != nil {
		return fmt.Errorf("it shows in %d of 3 places: %w", r.shown("degraded"), shown)
	}
	pause(t, time.Until(begun.Add(t.span(25*time.Second, 10*time.Minute))))
	if err := r.w.Faults(checker.SlackFaults{}); err != nil {
		return err
	}
	if err := r.settled(t.span(2*time.Minute, 10*time.Minute)); err != nil {
		return err
	}
	if err := r.allResolved(t.span(90*time.Second, 10*time.Minute)); err != nil {
		return err
	}
	if err := r.await("the trouble is over everywhere", time.Minute, func() bool { return r.shown("well") == 3 }); err != nil {
		return err
	}
	t.count("degraded in 3 places after %.1f s", late.Seconds())
	return t.finish(r.product, r.w, "away for %v", t.span(25*time.Second, 10*time.Minute))
}

// soonResolved are rules whose incidents resolve within a run.
func soonResolved(rules string) string {
	return strings.Replace(rules, "resolve_after: 3d", "resolve_after: 10s", 1)
}

// allResolved waits until no incident is open.
func (r *rig) allResolved(limit time.Duration) error {
	return r.await("all incidents are resolved", limit, func() bool {
		return r.metric(`callwatch_incidents_open{rule="bad-call"}`) == "0"
	})
}

// shown is in how many of readiness, metrics and status Slack is said to be
// "degraded" or "well".
func (r *rig) shown(as string) (places int) {
	degraded := as == "degraded"
	_, ready, _ := r.get("/readyz?verbose")
	if strings.Contains(ready, "takes nothing") == degraded && ready != "" {
		places++
	}
	if r.metric(`callwatch_receiver_degraded{channel="#voice"}`) == map[bool]string{true: "1", false: "0"}[degraded] {
		places++
	}
	if status := r.status(); strings.Contains(status, `"degraded":`+strconv.FormatBool(degraded)) && !strings.Contains(status, `"degraded":`+strconv.FormatBool(!degraded)) {
		places++
	}
	return places
}

// status is what the API answers about callwatch; "" without an answer.
func (r *rig) status() string {
	req, err := http.NewRequestWithContext(r.t, http.MethodGet, r.url()+"/api/v1/status", nil)
	if err != nil {
		return ""
	}
	req.Header.Set("Authorization", "Bearer "+adminToken)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return ""
	}
	defer func() { _ = res.Body.Close() }()
	b, _ := io.ReadAll(io.LimitReader(res.Body, 1<<20))
	return strings.ReplaceAll(string(b), " ", "")
}
