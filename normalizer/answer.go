package normalizer

import (
	"errors"
	"fmt"
	"math"
	"time"
)

// unknownBody says why a body gives no events: the provider's own words where it
// is an error answer, else that it is none of what the provider is known to send.
func unknownBody(n node, known string) error {
	if err := refusal(n); err != nil {
		return err
	}
	if n.isFalse("status") || n.isFalse("success") {
		return errors.New("the provider answered without success")
	}
	return fmt.Errorf("none of %s", known)
}

// isFalse says whether a member is the JSON value false: an answer's way of
// telling that it holds nothing.
func (n node) isFalse(member string) bool {
	ok, isBool := n.at(member).value().(bool)
	return isBool && !ok
}

// amount is a number of 0 or more.
func (n node) amount() *float64 {
	if f := n.number(); f != nil && *f >= 0 {
		return f
	}
	return nil
}

// sipCode is a SIP response code, also given as text; anything else is absent.
func (n node) sipCode() *int64 {
	if i := n.integer(); i != nil && *i >= 100 && *i <= 699 {
		return i
	}
	return nil
}

// firstTime is the first of the times that is known.
func firstTime(times ...time.Time) time.Time {
	for _, t := range times {
		if !t.IsZero() {
			return t
		}
	}
	return time.Time{}
}

// secondsAfter is t plus a duration in seconds, which may be negative; zero
// where t is unknown or the duration is not that of a call.
func secondsAfter(t time.Time, sec float64) time.Time {
	const year = 365 * 24 * 3600
	if t.IsZero() || math.Abs(sec) > year {
		return time.Time{}
	}
	return t.Add(time.Duration(sec * float64(time.Second)))
}
