package main

import (
	"fmt"
	"os"
	"strings"
	"syscall"
	"time"

	"callwatch/tools/faults/checker"
	"callwatch/tools/faults/rig"
)

// sigstop freezes callwatch for a while, whatever it is doing, calls to Slack
// included.
func sigstop(t *rig.Trial) error {
	r, err := t.Rig(16, 0.6)
	if err != nil {
		return err
	}
	defer r.Close()
	if err := r.Checker.Faults(checker.SlackFaults{Seed: t.Seed, Slow: 50 * time.Millisecond}); err != nil {
		return err
	}
	r.Load.Rate = 200
	if err := r.Begin(); err != nil {
		return err
	}
	times, longest := t.Times(3, 30), t.Span(6*time.Second, 30*time.Second)
	var frozen time.Duration
	for range times {
		if err := r.Taken(400 + r.Dice.Int64N(100)); err != nil {
			return err
		}
		if err := rig.Freeze(r.Cmd.Process.Pid); err != nil {
			return err
		}
		d := time.Second + time.Duration(r.Dice.Int64N(int64(longest-time.Second)))
		rig.Pause(t, d)
		frozen += d
		if err := rig.Thaw(r.Cmd.Process.Pid); err != nil {
			return err
		}
	}
	r.Load.End()
	return t.Finish(r.Product, r.Checker, "stopped %d times, %v in all", times, frozen.Round(time.Second))
}

// rolling restarts callwatch under load as an upgrade does: each request is
// answered 200, or in a way after which every provider sends it again.
func rolling(t *rig.Trial) error {
	r, err := t.Rig(64, 0.2)
	if err != nil {
		return err
	}
	defer r.Close()
	r.Load.Rate = 1000
	if err := r.Begin(); err != nil {
		return err
	}
	times := t.Times(3, 20)
	var down time.Duration
	for range times {
		if err := r.Taken(600); err != nil {
			return err
		}
		begun := time.Now()
		if err := r.Stop(); err != nil {
			return fmt.Errorf("callwatch did not stop in order: %w", err)
		}
		if err := r.Start(); err != nil {
			return err
		}
		down = max(down, time.Since(begun))
	}
	if err := r.Taken(600); err != nil {
		return err
	}
	r.Load.End()
	t.Count("%d requests repeated, %d failed for good, %v without at most", r.Load.Retried.Load(), r.Load.Wrong.Load(), down.Round(time.Millisecond))
	if err := t.Finish(r.Product, r.Checker, "%d restarts", times); err != nil {
		return err
	}
	if n := r.Load.Wrong.Load(); n > 0 {
		return fmt.Errorf("%d requests failed that a provider does not send again", n)
	}
	return nil
}

// reload makes callwatch read its rules again and again, half of the times with
// errors in them.
func reload(t *rig.Trial) error {
	share := 0.6
	if !t.Short {
		share = 0.05 // or announcing takes longer than a thousand reloads
	}
	r, err := t.Rig(16, share)
	if err != nil {
		return err
	}
	defer r.Close()
	r.Load.Rate = 300
	if err := r.Begin(); err != nil {
		return err
	}
	const more = `  - name: more
    when: packetsLost > %d
    mode: shadow
`
	rules, routes, _ := strings.Cut(rig.BadCalls, "routes:")
	times := t.Times(40, 1000)
	for i := range times {
		text := rules + fmt.Sprintf(more, 1000+i) + "routes:" + routes
		outcome := "loaded"
		if i%2 == 1 {
			text, outcome = strings.Replace(text, "when: packetsLost", "when: packetLoss <", 1), "refused"
		}
		sample := `callwatch_rules_reloads_total{outcome="` + outcome + `"}`
		before := r.Metric(sample)
		if err := os.WriteFile(r.Rules+".new", []byte(text), 0o600); err != nil {
			return err
		}
		if err := os.Rename(r.Rules+".new", r.Rules); err != nil {
			return err
		}
		if err := r.Cmd.Process.Signal(syscall.SIGHUP); err != nil {
			return err
		}
		if err := r.Await("the rules are "+outcome, t.Patience(), func() bool { return r.Metric(sample) != before }); err != nil {
			return err
		}
	}
	r.Load.End()
	return t.Finish(r.Product, r.Checker, "%d reloads, half of them refused", times)
}
