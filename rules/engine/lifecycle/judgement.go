package lifecycle

import (
	"slices"
	"strings"
	"time"

	"callwatch/rules"
	"callwatch/rules/condition"
)

// Judgement is what a window says at one time.
type Judgement struct {
	Truth    condition.Truth
	Begun    bool           // the truth is unknown only because the window was not watched for all of its time yet
	Open     bool           // the truth is unknown only because partial calls may be either
	Clear    bool           // an incident may resolve
	Reason   string         // why, where it is not the condition's
	Severity rules.Severity // where it holds
	Since    time.Time      // when the condition began to hold, where that is not when it was judged first
	Lead     int            // place of the leading figure among the rule's leads
	Value    float64        // of the leading figure, the end that decides; NaN where it is unknown
	Measure  rules.Measure  // of the leading figure
	Evidence func() rules.Evidence
	Counts   rules.Counts // calls in the window
}

// Over reports whether the condition of a rule is not true, as far as the window
// could be judged at all.
func (j *Judgement) Over() bool { return j.Truth == condition.False || j.Open }

// told is the reason of a transition: the conditions that held, and over what.
func (j *Judgement) told(r *rules.Rule, e *rules.Evidence) string {
	if j.Reason != "" {
		return j.Reason
	}
	return held(r, e.Conditions)
}

// held are the conditions that held, and over what.
func held(r *rules.Rule, conditions []rules.Condition) string {
	text := strings.Join(rules.HeldTexts(conditions), ", ")
	if r.Window != nil {
		text += " over " + r.Window.String()
	}
	return text
}

// reached are the conditions that give evidence its severity: those of the level that
// holds, or of the rule where none does.
func reached(r *rules.Rule, e *rules.Evidence) []rules.Condition {
	for _, l := range r.Ladder {
		if l.Severity != e.Severity {
			continue
		}
		of := l.When.Explain(&condition.Facts{})
		level := slices.DeleteFunc(slices.Clone(e.Conditions), func(c rules.Condition) bool {
			return !slices.ContainsFunc(of, func(o rules.Condition) bool { return o.Expr == c.Expr })
		})
		if len(rules.HeldTexts(level)) > 0 {
			return level
		}
	}
	return e.Conditions
}
