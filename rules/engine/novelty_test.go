package engine

import (
	"fmt"
	"testing"
	"time"

	"callwatch/call"
	"callwatch/rules"
	"callwatch/rules/engine/lifecycle"
)

// A key that has had as many values as are remembered says of a further one that it
// cannot tell, once for each call; what it remembers it goes on to know.
func TestNewSaysWhenItCannotTell(t *testing.T) {
	f := newFeed(t, "rules: [{name: fresh, new: hangupCause, learn: 1h, resolve_after: 1m}]")
	hangup := func(id, cause string) {
		f.event(ended(id, func(e *call.Event) { e.HangupCause = cause }))
	}
	for i := range lifecycle.MaxKnown - 1 {
		hangup(fmt.Sprint(i), fmt.Sprint("cause", i))
	}
	f.wait(2 * time.Hour)
	hangup("last", "the last that fits")
	if got := f.engine.Healths()[0]; got.Counts.Matched != 1 || got.Unremembered != 0 {
		t.Fatalf("the last value that fits: %+v", got)
	}
	hangup("beyond", "one too many")
	hangup("beyond", "one too many")
	f.event(ended("beyond", func(e *call.Event) { e.HangupCause, e.ID, e.Kind = "two too many", "p:other", call.Report }))
	hangup("known", "cause7")
	f.restart(t, nil)
	got := f.engine.Healths()[0]
	if want := (rules.Counts{Matched: 1, Judged: lifecycle.MaxKnown + 1, Unjudged: 1}); got.Counts != want || got.Unremembered != 1 {
		t.Errorf("%+v, %d could not be told; want %+v and 1", got.Counts, got.Unremembered, want)
	}
}
