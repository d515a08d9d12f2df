package normalizer

import (
	"errors"
	"fmt"
	"math"
	"time"

	"callwatch/normalizer/lenient"
)

// UnknownBody says why a body gives no events: the provider's own words where it
// is an error answer, else that it is none of what the provider is known to send.
func UnknownBody(n lenient.Node, known string) error {
	if err := ErrorAnswer(n); err != nil {
		return err
	}
	if n.IsFalse("status") || n.IsFalse("success") {
		return errors.New("the provider answered without success")
	}
	return fmt.Errorf("none of %s", known)
}

// FirstTime is the first of the times that is known.
func FirstTime(times ...time.Time) time.Time {
	for _, t := range times {
		if !t.IsZero() {
			return t
		}
	}
	return time.Time{}
}

// SecondsAfter is t plus a duration in seconds, which may be negative; zero
// where t is unknown or the duration is not that of a call.
func SecondsAfter(t time.Time, sec float64) time.Time {
	const year = 365 * 24 * 3600
	if t.IsZero() || math.Abs(sec) > year {
		return time.Time{}
	}
	return t.Add(time.Duration(sec * float64(time.Second)))
}
