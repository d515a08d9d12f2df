package main

import (
	"errors"
	"fmt"

	"callwatch/tools/faults/checker"
)

// judged puts a verdict into the row's last line; it is an error where a promise
// was broken.
func (t *trial) judged(v checker.Verdict) error {
	t.verdict = v
	t.count("%d acknowledged, %d stored, %d incidents", v.Acked, v.Stored, v.Opened)
	t.count("lost %d, twice %d, unexplained %d", v.Lost+v.Missing, v.Twice+v.Extra, v.Unknown+v.Wrong)
	if v.Unreadable+v.Dead > 0 {
		t.count("%d of %d dead letters", v.Unreadable-v.DeadLost, v.Unreadable)
	}
	for _, s := range v.Sample {
		t.say("%s", s)
	}
	switch {
	case v.Acked == 0:
		return errors.New("nothing was acknowledged: the run shows nothing")
	case !v.Fine():
		return fmt.Errorf("%d webhooks lost, %d incidents missing, %d not due, %d twice, %d messages or transitions unexplained, %d threads in a wrong state, %d dead letters missing, %d not due",
			v.Lost, v.Missing, v.Extra, v.Twice, v.Unknown, v.Wrong, v.DeadLost, v.DeadExtra)
	default:
		return nil
	}
}
