package rules

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"callwatch/call"
)

// Forgetting is what is to be removed from the state of the rules.
type Forgetting struct {
	Calls []call.Key
	// Redact returns a text without the numbers that no stored call has any more; nil
	// where there are none.
	Redact func(string) string
}

// Forget removes calls from a checkpoint: what is known of them, and from the
// evidence of open incidents everything but their ids, times and conditions; and
// numbers from keys, labels and whatever else is text. found is false where the
// checkpoint has none of that.
func Forget(data []byte, f Forgetting) (without []byte, found bool, err error) {
	in := &partReader{b: data}
	c, seen, err := readCheckpoint(in)
	if err != nil {
		return nil, false, err
	}
	calls := newCallCache()
	if err := calls.read(in, func(*callState) {}); err != nil {
		return nil, false, fmt.Errorf("read checkpoint: %w", err)
	}
	for _, k := range f.Calls {
		found = calls.forget(k) || found
	}
	var past pastCalls
	if past.read(in, nil); in.err != nil {
		return nil, false, fmt.Errorf("read checkpoint: %w", in.err)
	}
	for _, s := range [][]*keyState{c.Keys, pointers(c.Orphans)} {
		for _, ks := range s {
			for _, k := range f.Calls {
				if ks.LastGood != nil {
					found = ks.LastGood.forget(k) || found
				}
				if ks.Incident != nil {
					found = ks.Incident.Forget(k) || found
				}
			}
		}
	}
	redacted, err := c.redact(f.Redact)
	if err != nil {
		return nil, false, err
	}
	found = found || redacted
	if !found {
		return data, false, nil
	}
	var out bytes.Buffer
	err = c.write(&out, seen, calls, past)
	return out.Bytes(), true, err
}

// redact replaces numbers in the texts of a checkpoint.
func (c *checkpoint) redact(text func(string) string) (found bool, err error) {
	if text == nil {
		return false, nil
	}
	data, err := json.Marshal(c)
	if err != nil {
		return false, fmt.Errorf("read checkpoint: %w", err)
	}
	data, found, err = call.RedactJSON(data, text)
	if err != nil || !found {
		return false, err
	}
	*c = checkpoint{}
	if err := json.Unmarshal(data, c); err != nil {
		return false, fmt.Errorf("read checkpoint: %w", err)
	}
	return true, nil
}

func pointers(list []orphan) []*keyState {
	out := make([]*keyState, len(list))
	for i := range list {
		out[i] = &list[i].keyState
	}
	return out
}

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
		found = e.forget(k) || found
	}
	return found
}

func (e *Evidence) forget(k call.Key) bool {
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
