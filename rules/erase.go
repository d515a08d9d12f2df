package rules

import (
	"reflect"
	"slices"
	"strings"

	"callwatch/call"
)

// Forget removes what the incident's evidence says about a call but its id, times
// and conditions, and says whether there was anything.
func (i *Incident) Forget(k call.Key) (found bool) {
	all := []*Evidence{&i.Opening, &i.Latest, &i.Worst, i.Resolving}
	for j := range i.Samples {
		all = append(all, &i.Samples[j])
	}
	for _, e := range all {
		if e == nil || e.Call.Key() != k {
			continue
		}
		for _, number := range []string{e.Call.From, e.Call.To} {
			if number != "" {
				i.Summary = strings.ReplaceAll(i.Summary, number, "[erased]")
			}
		}
		found = e.Forget(k) || found
	}
	return found
}

func (e *Evidence) Forget(k call.Key) bool {
	left := call.Event{Identity: call.Identity{Provider: k.Provider, CallID: k.CallID, Kind: e.Call.Kind, OccurredAt: e.Call.OccurredAt}}
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
	for _, e := range []*Evidence{&i.Opening, &i.Latest, &i.Worst, i.Resolving} {
		if e != nil && e.Call.Key() == k {
			return true
		}
	}
	return slices.ContainsFunc(i.Samples, func(e Evidence) bool { return e.Call.Key() == k })
}
