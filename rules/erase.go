package rules

import (
	"reflect"
	"regexp"
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
				i.eraseFromNotes(number)
			}
		}
		found = e.Forget(k) || found
	}
	return found
}

// eraseFromNotes takes a number out of what people said, however its digits are
// separated.
func (i *Incident) eraseFromNotes(number string) {
	if len(i.Notes) == 0 {
		return
	}
	form := writtenNumber(number)
	i.Notes = slices.Clone(i.Notes) // other transitions may share them
	for j := range i.Notes {
		i.Notes[j].Text = form.ReplaceAllLiteralString(i.Notes[j].Text, "[erased]")
	}
}

// writtenNumber matches a number as people write it, with separators between its digits.
func writtenNumber(number string) *regexp.Regexp {
	const separators = `[ ()./\x{a0}-]*`
	var form strings.Builder
	for _, r := range strings.TrimPrefix(number, "+") {
		if form.Len() > 0 {
			form.WriteString(separators)
		}
		form.WriteString(regexp.QuoteMeta(string(r)))
	}
	return regexp.MustCompile(`(\+|00)?` + form.String())
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
	for _, e := range []*Evidence{&i.Opening, &i.Latest, &i.Worst, i.Resolving} {
		if e != nil && e.Call.Key() == k {
			return true
		}
	}
	return slices.ContainsFunc(i.Samples, func(e Evidence) bool { return e.Call.Key() == k })
}
