package rules

import (
	"slices"
	"strings"
	"time"

	"callwatch/call"
	"callwatch/rules/condition"
)

// Verdict is what a rule's conditions make of a call.
type Verdict string

const (
	VerdictMatched      Verdict = "matched"
	VerdictNotMatched   Verdict = "not-matched"
	VerdictUnjudged     Verdict = "unjudged"      // it depends on an unknown field
	VerdictNotConcerned Verdict = "not-concerned" // where, except or on leave the call out
)

// Explanation is what one rule made of one call, and why it did or did not
// alert.
type Explanation struct {
	Rule     string    `json:"rule"`
	At       time.Time `json:"at"` // stream time it is about: when the call matched, else its latest event that woke the rule
	Verdict  Verdict   `json:"verdict"`
	Severity Severity  `json:"severity,omitempty"` // of a match
	Missing  []string  `json:"missing,omitempty"`  // unknown fields that an unjudged outcome depends on
	HeldBack []Reason  `json:"heldBack,omitempty"` // why there was no alert
	Parts    []Part    `json:"parts"`              // in the order in which they are judged
	By       []Label   `json:"by,omitempty"`       // the incident's key
	Incident string    `json:"incident,omitempty"` // id of the incident that the match opened or joined
	Slack    []string  `json:"slack,omitempty"`    // its channels; none: the configured default
	Error    string    `json:"error,omitempty"`    // run-time error of the rule
}

// Reason is one thing that kept a rule from alerting.
type Reason struct {
	By   string `json:"by"` // on, where, except, settle, min_calls, ratio, partial, window, absent, for, active, cooldown, silence, adopts or mode
	Text string `json:"text"`
}

// Part is one expression of a rule with the value of every sub-expression.
type Part struct {
	Name  string `json:"name"`            // where, "except NAME", "of the call", when, resolve or "severity LEVEL"
	Truth Truth  `json:"truth,omitempty"` // absent for a value
	Tree  Tree   `json:"tree"`
}

// Tree is a sub-expression with the value it met and its operands. An unknown
// value is absent.
type Tree = condition.Node

// Explain is what the rule makes of the facts of one call. What windows and keys
// make of it is for the trace to add.
func (r *Rule) Explain(facts *condition.Facts, kind call.Kind) Explanation {
	x := Explanation{Rule: r.Name, Verdict: VerdictNotConcerned, Parts: []Part{}}
	where, excepted := True, ""
	if r.Where != nil {
		where = x.AddPart("where", r.Where, facts)
	}
	for _, e := range r.Except {
		if x.AddPart("except "+e.Name, e.When, facts) == True && excepted == "" {
			excepted = e.Name
		}
	}
	when := Unknown
	if r.PerCall() {
		when = x.AddPart("when", r.When, facts)
		x.AddLevels(r, facts, when)
	} else {
		x.arguments(r, facts)
	}
	switch {
	case !r.Wakes(kind) && r.Window == nil:
		x.HoldBack("on", "events of kind "+string(kind)+" do not wake the rule")
	case where == False:
		x.HoldBack("where", "the rule is not about this call")
	case where == Unknown:
		x.Verdict, x.Missing = VerdictUnjudged, r.Where.Missing(facts)
	case excepted != "":
		x.HoldBack("except", "the exception "+excepted+" holds")
	case when == True:
		x.Verdict = VerdictMatched
	case when == False:
		x.Verdict = VerdictNotMatched
	default:
		x.Verdict = VerdictUnjudged
		if r.PerCall() {
			x.Missing = r.When.Missing(facts)
		}
	}
	if x.Verdict != VerdictMatched {
		x.Severity = ""
	}
	return x
}

// arguments adds what a window asks of each call, with what this one says.
func (x *Explanation) arguments(r *Rule, facts *condition.Facts) {
	if r.Window == nil {
		return
	}
	for _, a := range r.Window.Figures.Args {
		if p := a.Program(); p != nil {
			x.AddPart(PartOfCall, p, facts)
			continue
		}
		tree := Tree{Expr: a.Text}
		if v, known, err := a.Number(facts); err != nil {
			tree.Error = err.Error()
		} else if known {
			tree.Value = v
		} else if text, known, _ := a.Value(facts); known {
			tree.Value = text
		}
		x.Parts = append(x.Parts, Part{Name: PartOfCall, Tree: tree})
	}
}

// PartOfCall is the name of what a window asks of each of its calls.
const PartOfCall = "of the call"

func (x *Explanation) AddPart(name string, p *condition.Program, facts *condition.Facts) Truth {
	res := p.Eval(facts)
	if res.Err != nil && x.Error == "" {
		x.Error = name + ": " + res.Err.Error()
	}
	x.Parts = append(x.Parts, Part{Name: name, Truth: res.Truth, Tree: p.Tree(facts)})
	return res.Truth
}

// AddLevels adds the severity ladder, as far as it was gone down.
func (x *Explanation) AddLevels(r *Rule, facts *condition.Facts, when Truth) {
	x.Severity = r.Severity
	if when != True {
		return
	}
	for _, l := range r.Ladder {
		if x.AddPart("severity "+string(l.Severity), l.When, facts) == True {
			x.Severity = l.Severity
			return
		}
	}
}

func (x *Explanation) HoldBack(by, text string) {
	x.HeldBack = append(x.HeldBack, Reason{By: by, Text: text})
}

// CallExplanation is what every rule made of one call.
type CallExplanation struct {
	Call  call.Event    `json:"call"` // as known at the end
	Rules []Explanation `json:"rules"`
}

// WithoutOthers leaves out of an explanation what windows make of the call, and
// says why: the trace saw no other calls.
func (x *CallExplanation) WithoutOthers(set *Set, reason string) {
	for i := range x.Rules {
		e := &x.Rules[i]
		r := set.Rule(e.Rule)
		if r == nil || r.Window == nil || e.Verdict == VerdictNotConcerned || len(e.Missing) > 0 {
			continue
		}
		ofCall := slices.DeleteFunc(e.Parts, func(p Part) bool {
			return p.Name != "where" && p.Name != PartOfCall && !strings.HasPrefix(p.Name, "except ")
		})
		*e = Explanation{Rule: e.Rule, At: e.At, By: e.By, Error: e.Error, Parts: ofCall, Verdict: VerdictUnjudged}
		e.HoldBack("window", reason)
	}
}
