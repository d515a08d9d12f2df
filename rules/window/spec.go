// Package window computes the figures of windows: shares, counts, averages,
// percentiles and distinct values over the calls of one key, within the latest
// stretch of time or over the latest so many calls, and over the window before. What
// is unknown of a call makes a figure a range, not a number: see Measure.
//
// A Spec is what one rule asks; a State is what one key remembers, the same in memory
// and in a checkpoint; an Evaluation works the figures out. When windows are judged,
// and what follows from it, is not decided here.
package window

import (
	"time"

	"callwatch/rules/condition"
)

// Spec is what a rule asks of its windows. Compile completes it.
type Spec struct {
	Over     time.Duration // 0 where Calls is set
	Calls    int           // the latest so many calls; 0 where Over is set
	MinCalls int           // a figure of fewer measured calls is unknown
	Sessions bool          // sessions are counted, not calls; only of windows over time

	Figures condition.Figures // in the order in which an Evaluation has them
	Leads   []Lead            // at least one, unless the rule asks nothing of the window

	shape shape
	worst []condition.Direction // of each argument: the side on which the value of a session's leg counts
}

// Compile chooses the leads of a condition over the figures and how they are kept.
func (w *Spec) Compile(when *condition.Program) {
	w.Leads = leadsOf(w, when)
	w.worst = worstOf(w)
	w.shape = shapeOf(w)
}

// Lead is one of the leads, the last where there are not as many; nil where there is
// none.
func (w *Spec) Lead(i int) *Lead {
	if len(w.Leads) == 0 {
		return nil
	}
	return &w.Leads[min(i, len(w.Leads)-1)]
}

// Digest names how the windows are kept: states of two specs with one digest are
// interchangeable.
func (w *Spec) Digest() string { return w.shape.digest }

// Span is how much time the figures cover, earlier windows included; 0 of a window
// over calls.
func (w *Spec) Span() time.Duration {
	span := time.Duration(w.shape.ring) * w.shape.width
	if ago := w.Ago(); ago > 0 {
		span = max(span, ago+w.Over+2*time.Duration(w.shape.past.step)*w.shape.width)
	}
	return span
}
