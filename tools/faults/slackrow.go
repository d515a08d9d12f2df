package main

import (
	"fmt"
	"strconv"
	"time"

	"callwatch/tools/faults/checker"
	"callwatch/tools/faults/rig"
)

// slackRow lets Slack fail in every way, one after the other, at Slack's own rate
// of a post a second.
func slackRow(t *rig.Trial) error {
	r, err := t.Rig(4, 0.9)
	if err != nil {
		return err
	}
	defer r.Close()
	r.Setenv("CALLWATCH_SLACK_RATE", "1")
	if err := r.Start(); err != nil {
		return err
	}
	down := t.Span(5*time.Second, 10*time.Minute)
	phases := []struct {
		faults checker.SlackFaults
		last   time.Duration
	}{
		{checker.SlackFaults{Seed: t.Seed, Share: 0.5}, 5 * time.Second},
		{checker.SlackFaults{Down: true}, down},
		{checker.SlackFaults{Slow: time.Second}, 5 * time.Second},
	}
	if !t.Short {
		phases = append(phases, []struct {
			faults checker.SlackFaults
			last   time.Duration
		}{
			{checker.SlackFaults{Seed: t.Seed, Share: 0.3, Hang: 0.2}, time.Minute},
			{checker.SlackFaults{Revoked: "token_revoked"}, 10 * time.Second},
			{checker.SlackFaults{Archived: true}, 10 * time.Second},
		}...)
	}
	for i, phase := range phases {
		if err := r.Checker.Faults(phase.faults); err != nil {
			return err
		}
		if r.Load.Requests, err = r.Traffic(t.Seed+uint64(i), 12, 0.9); err != nil {
			return err
		}
		r.Load.Begin()
		r.Load.Drain()
		rig.Pause(t, phase.last)
		if i > 0 {
			continue
		}
		if err := r.Await("a message of which Slack did not say that it was posted", time.Minute, func() bool {
			rig.Pause(t, time.Second)
			p, err := r.Checker.Posts()
			return err == nil && p.Unclear >= 2
		}); err != nil {
			return err
		}
	}
	if err := r.Checker.Faults(checker.SlackFaults{}); err != nil {
		return err
	}
	unsettled := r.Settled(t.Span(2*time.Minute, 15*time.Minute))
	p, err := r.Checker.Posts()
	if err != nil {
		return err
	}
	t.Count("%d calls to Slack, %d threads, %d messages posted without an answer that says so, at most %d posts in 10 s", p.Calls, p.Roots, p.Unclear, p.Densest)
	if err := t.Finish(r.Product, r.Checker, "%d kinds of outage", len(phases)); err != nil {
		return err
	}
	if p.Densest > 11 {
		return fmt.Errorf("%d posts in 10 s", p.Densest)
	}
	return unsettled
}

// storm makes thousands of calls bad at once.
func storm(t *rig.Trial) error {
	r, err := t.Rig(32, 1)
	if err != nil {
		return err
	}
	defer r.Close()
	if err := r.WriteRules(rig.StormRules); err != nil {
		return err
	}
	calls := 3 * t.Times(200, 10_000)
	if err := r.Fill(r.Checker, calls, 1); err != nil { // not every bad call is bad by this rule
		return err
	}
	if err := r.Finished(t.Span(2*time.Minute, 10*time.Minute), "normalize", "judge"); err != nil {
		return err
	}
	opened, _ := strconv.Atoi(r.Metric(`callwatch_transitions_total{rule="bad-call",step="opened"}`))
	var p checker.Posts
	err = r.Await("the storm lists all", 3*time.Minute, func() bool {
		rig.Pause(t, time.Second)
		p, err = r.Checker.Posts()
		return err != nil || p.Listed+p.Roots-p.Storms >= opened
	})
	if err != nil {
		return err
	}
	if err := r.Stop(); err != nil {
		return err
	}
	v, err := r.Checker.VerifyStorm(r.Data)
	if err != nil {
		return err
	}
	listed := p.Listed + p.Roots - p.Storms
	t.Count("%d incidents, %d listed in %d storms and %d threads, %d posts", v.Opened, p.Listed, p.Storms, p.Roots-p.Storms, p.Posted)
	if err := t.Judged(v); err != nil {
		return err
	}
	if listed < v.Opened || p.Posted > 100+v.Opened/50 {
		return fmt.Errorf("%d incidents announced of %d, by %d posts", listed, v.Opened, p.Posted)
	}
	return nil
}
