package rules

import (
	"fmt"
	"time"

	"callwatch/call"
	"callwatch/rules/condition"
	"callwatch/rules/numbers"
	"callwatch/rules/window"
)

// Window is what a rule with `over` judges: the settled calls of one key within
// the latest stretch of time, or the latest so many of them.
type Window struct {
	window.Spec // what When, Resolve and the ladder ask

	Settle  time.Duration
	Grace   time.Duration // calls whose end was stored later than that after it are counted as late
	NoData  NoData
	Resolve *condition.Program // resolves where it is not false; nil: where When is not true
}

// SessionField is what calls of one session have in common: a window may count sessions.
const SessionField = "sessionId"

// NoData is what becomes of a key whose window has no call.
type NoData string

const (
	NoDataKeep    NoData = "keep"    // an open incident stays open
	NoDataResolve NoData = "resolve" // it resolves
	NoDataAlert   NoData = "alert"   // one is opened
)

// Novelty finds values that were never seen before for a key.
type Novelty struct {
	Field call.Field
	Learn time.Duration // from the first call of a key: nothing is new as long
}

// PerCall says whether the rule judges single calls with When.
func (r *Rule) PerCall() bool { return r.Window == nil && r.Absent == 0 && r.New == nil }

// String says in a few words what the window is.
func (w *Window) String() string {
	if w.Calls > 0 {
		return fmt.Sprintf("%d calls", w.Calls)
	}
	if w.Sessions {
		return numbers.FormatDuration(w.Over) + " of sessions"
	}
	return numbers.FormatDuration(w.Over)
}

// OfCalls reports whether the rule's incidents gather single calls: they resolve
// when no further one matches.
func (r *Rule) OfCalls() bool { return r.Window == nil && r.Absent == 0 }

// WindowDigest names how the rule's windows are kept; "" for a rule without.
func (r *Rule) WindowDigest() string {
	if r.Window == nil {
		return ""
	}
	return r.Window.Digest()
}

// Fits reports whether a window that was read from a checkpoint is one of the rule.
func (r *Rule) Fits(s *window.State) bool {
	return r.Window != nil && s.Fits(&r.Window.Spec)
}

// Kind tells rules apart whose states have nothing in common.
func (r *Rule) Kind() string {
	switch {
	case r.Window != nil:
		return "window"
	case r.Absent > 0:
		return "absent"
	case r.New != nil:
		return "new " + r.New.Field.Name
	default:
		return "call"
	}
}
