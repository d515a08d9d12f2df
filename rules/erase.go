package rules

import (
	"iter"
	"reflect"
	"slices"
	"strings"

	"callwatch/call"
	"callwatch/phonetext"
)

// Forget removes what the incident's evidence says about a call but its id, times
// and conditions, and says whether there was anything.
func (i *Incident) Forget(k call.Key) (found bool) {
	for e := range i.Evidence() {
		if e.Call.Key() != k {
			continue
		}
		for _, party := range []string{e.Call.From, e.Call.To} {
			i.eraseParty(party)
		}
		found = e.Forget(k) || found
	}
	return found
}

// Forget removes what the transition says about a call, as of its incident, also where it
// is the reason of the step.
func (t *Transition) Forget(k call.Key) (found bool) {
	for e := range t.Incident.Evidence() {
		if e.Call.Key() != k {
			continue
		}
		for _, c := range e.Conditions {
			t.Reason = strings.ReplaceAll(t.Reason, c.Text, c.Expr)
		}
		t.Reason = withoutParty(withoutParty(t.Reason, e.Call.From), e.Call.To)
	}
	return t.Incident.Forget(k)
}

// eraseParty takes a party of a call out of the summary, the reason of the end and what
// people said, however it is written.
func (i *Incident) eraseParty(party string) {
	i.Summary, i.Ended = withoutParty(i.Summary, party), withoutParty(i.Ended, party)
	i.Notes = slices.Clone(i.Notes) // other transitions may share them
	for j := range i.Notes {
		i.Notes[j].Text = withoutParty(i.Notes[j].Text, party)
	}
}

// withoutParty is a text without a party of a call.
func withoutParty(text, party string) string {
	const erased = "[erased]"
	if party == "" {
		return text
	}
	if spelling, ok := phonetext.SpellingOf(party); ok {
		return spelling.Replace(text, erased)
	}
	return strings.ReplaceAll(text, party, erased)
}

func (e *Evidence) Forget(k call.Key) bool {
	left := call.Event{Identity: call.Identity{Provider: k.Provider, Account: k.Account, CallID: k.CallID, Kind: e.Call.Kind, OccurredAt: e.Call.OccurredAt}}
	if e.Call.Key() != k || reflect.DeepEqual(e.Call, left) {
		return false
	}
	e.Call = left
	e.Conditions = slices.Clone(e.Conditions) // other transitions may share them
	for i, c := range e.Conditions {
		e.Conditions[i] = Condition{Expr: c.Expr, Text: c.Expr, Truth: c.Truth}
	}
	return true
}

// Names says whether the call is evidence of the incident.
func (i *Incident) Names(k call.Key) bool {
	for e := range i.Evidence() {
		if e.Call.Key() == k {
			return true
		}
	}
	return false
}

// Numbers are the parties of the calls that the incident shows, and those in its key.
func (i *Incident) Numbers() []string {
	var all []string
	for e := range i.Evidence() {
		all = append(all, e.Call.From, e.Call.To)
	}
	for _, by := range i.By {
		if by.Name == "from" || by.Name == "to" {
			all = append(all, by.Value)
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// Evidence is all there is: what opened the incident, the latest, the worst, what
// resolved it, and the samples.
func (i *Incident) Evidence() iter.Seq[*Evidence] {
	return func(yield func(*Evidence) bool) {
		for _, e := range []*Evidence{&i.Opening, &i.Latest, &i.Worst, i.Resolving} {
			if e != nil && !yield(e) {
				return
			}
		}
		for j := range i.Samples {
			if !yield(&i.Samples[j]) {
				return
			}
		}
	}
}
