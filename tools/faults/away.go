package main

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"callwatch/tools/faults/checker"
	"callwatch/tools/faults/rig"
	"callwatch/tools/faults/variants"
)

const degradedLimit = 60 * time.Second

// away takes Slack away for ten minutes, while incidents open and others resolve:
// it shows everywhere within a minute, and afterwards everything is delivered once.
func away(t *rig.Trial) error {
	r, err := t.Rig(8, 0.6)
	if err != nil {
		return err
	}
	defer r.Close()
	r.Setenv("CALLWATCH_ADMIN_TOKEN", rig.AdminToken)
	if err := r.WriteRules(soonResolved(rig.BadCalls)); err != nil {
		return err
	}
	if err := r.Start(); err != nil {
		return err
	}
	send := func(part uint64) error {
		var err error
		if r.Load.Requests, err = r.Traffic(t.Seed+part, t.Times(15, 60), 0.6); err == nil {
			r.Load.Begin()
			r.Load.Drain()
		}
		return err
	}
	if err := send(0); err != nil {
		return err
	}
	if err := r.Settled(t.Patience()); err != nil {
		return err
	}
	if err := r.Checker.Faults(checker.SlackFaults{Down: true}); err != nil {
		return err
	}
	begun := time.Now()
	if err := send(1); err != nil {
		return err
	}
	limit := degradedLimit
	if t.Mutate != variants.None {
		limit = 15 * time.Second
	}
	shown := r.Await("trouble with Slack shows", limit, func() bool { return places(r, "degraded") == 3 })
	late := time.Since(begun)
	if shown != nil {
		return fmt.Errorf("it shows in %d of 3 places: %w", places(r, "degraded"), shown)
	}
	rig.Pause(t, time.Until(begun.Add(t.Span(25*time.Second, 10*time.Minute))))
	if err := r.Checker.Faults(checker.SlackFaults{}); err != nil {
		return err
	}
	if err := r.Settled(t.Span(2*time.Minute, 10*time.Minute)); err != nil {
		return err
	}
	if err := allResolved(r, t.Span(90*time.Second, 10*time.Minute)); err != nil {
		return err
	}
	if err := r.Await("the trouble is over everywhere", time.Minute, func() bool { return places(r, "well") == 3 }); err != nil {
		return err
	}
	t.Count("degraded in 3 places after %.1f s", late.Seconds())
	return t.Finish(r.Product, r.Checker, "away for %v", t.Span(25*time.Second, 10*time.Minute))
}

// soonResolved are rules whose incidents resolve within a run.
func soonResolved(rules string) string {
	return strings.Replace(rules, "resolve_after: 3d", "resolve_after: 10s", 1)
}

// allResolved waits until no incident is open.
func allResolved(r *rig.Rig, limit time.Duration) error {
	return r.Await("all incidents are resolved", limit, func() bool {
		return r.Metric(`callwatch_incidents_open{rule="bad-call"}`) == "0"
	})
}

// places is in how many of readiness, metrics and status Slack is said to be
// "degraded" or "well".
func places(r *rig.Rig, as string) (n int) {
	degraded := as == "degraded"
	_, ready, _ := r.Get("/readyz?verbose")
	if strings.Contains(ready, "does not accept messages") == degraded && ready != "" {
		n++
	}
	if r.Metric(`callwatch_receiver_degraded{channel="#voice"}`) == map[bool]string{true: "1", false: "0"}[degraded] {
		n++
	}
	if status := r.Status(); strings.Contains(status, `"degraded":`+strconv.FormatBool(degraded)) && !strings.Contains(status, `"degraded":`+strconv.FormatBool(!degraded)) {
		n++
	}
	return n
}
