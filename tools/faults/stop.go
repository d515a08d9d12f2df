package main

import (
	"fmt"
	"os"
	"strings"
	"syscall"
	"time"

	"callwatch/tools/faults/checker"
)

// sigstop freezes callwatch for a while, whatever it is doing, calls to Slack
// included.
func sigstop(t *trial) error {
	r, err := t.rig(16, 0.6)
	if err != nil {
		return err
	}
	defer r.close()
	if err := r.w.Faults(checker.SlackFaults{Seed: t.seed, Slow: 50 * time.Millisecond}); err != nil {
		return err
	}
	r.l.rate = 200
	if err := r.begin(); err != nil {
		return err
	}
	times, longest := t.times(3, 30), t.span(6*time.Second, 30*time.Second)
	var frozen time.Duration
	for range times {
		if err := r.taken(400 + r.dice.Int64N(100)); err != nil {
			return err
		}
		if err := freeze(r.cmd.Process.Pid); err != nil {
			return err
		}
		d := time.Second + time.Duration(r.dice.Int64N(int64(longest-time.Second)))
		pause(t, d)
		frozen += d
		if err := thaw(r.cmd.Process.Pid); err != nil {
			return err
		}
	}
	r.l.end()
	return t.finish(r.product, r.w, "stopped %d times, %v in all", times, frozen.Round(time.Second))
}

// rolling restarts callwatch under load as an upgrade does: each request is
// answered 200, or in a way after which every provider sends it again.
func rolling(t *trial) error {
	r, err := t.rig(64, 0.2)
	if err != nil {
		return err
	}
	defer r.close()
	r.l.rate = 1000
	if err := r.begin(); err != nil {
		return err
	}
	times := t.times(3, 20)
	var down time.Duration
	for range times {
		if err := r.taken(600); err != nil {
			return err
		}
		begun := time.Now()
		if err := r.stop(); err != nil {
			return fmt.Errorf("callwatch did not stop in order: %w", err)
		}
		if err := r.start(); err != nil {
			return err
		}
		down = max(down, time.Since(begun))
	}
	if err := r.taken(600); err != nil {
		return err
	}
	r.l.end()
	t.count("%d requests repeated, %d failed for good, %v without at most", r.l.retried.Load(), r.l.wrong.Load(), down.Round(time.Millisecond))
	if err := t.finish(r.product, r.w, "%d restarts", times); err != nil {
		return err
	}
	if n := r.l.wrong.Load(); n > 0 {
		return fmt.Errorf("%d requests failed that a provider does not send again", n)
	}
	return nil
}

// reload makes callwatch read its rules again and again, half of the times with
// errors in them.
func reload(t *trial) error {
	share := 0.6
	if !t.short {
		share = 0.05 // or announcing takes longer than a thousand reloads
	}
	r, err := t.rig(16, share)
	if err != nil {
		return err
	}
	defer r.close()
	r.l.rate = 300
	if err := r.begin(); err != nil {
		return err
	}
	const more = `  - name: more
    when: packetsLost > %d
    mode: shadow
`
	rules, routes, _ := strings.Cut(badCalls, "routes:")
	times := t.times(40, 1000)
	for i := range times {
		text := rules + fmt.Sprintf(more, 1000+i) + "routes:" + routes
		outcome := "loaded"
		if i%2 == 1 {
			text, outcome = strings.Replace(text, "when: packetsLost", "when: packetLoss <", 1), "refused"
		}
		sample := `callwatch_rules_reloads_total{outcome="` + outcome + `"}`
		before := r.metric(sample)
		if err := os.WriteFile(r.rules+".new", []byte(text), 0o600); err != nil {
			return err
		}
		if err := os.Rename(r.rules+".new", r.rules); err != nil {
			return err
		}
		if err := r.cmd.Process.Signal(syscall.SIGHUP); err != nil {
			return err
		}
		if err := r.await("the rules are "+outcome, t.patience(), func() bool { return r.metric(sample) != before }); err != nil {
			return err
		}
	}
	r.l.end()
	return t.finish(r.product, r.w, "%d reloads, half of them refused", times)
}
