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

// ForgetCall removes a call from a checkpoint: what is known of it, and from the
// evidence of open incidents everything but its id, times and conditions. found
// is false where the checkpoint does not know the call.
func ForgetCall(data []byte, k call.Key) (without []byte, found bool, err error) {
	in := &partReader{r: bytes.NewReader(data)}
	var c checkpoint
	if err := in.json(&c); err != nil {
		return nil, false, fmt.Errorf("read checkpoint: %w", err)
	}
	if c.Version != checkpointVersion {
		return nil, false, fmt.Errorf("read checkpoint: version %d, not %d", c.Version, checkpointVersion)
	}
	calls := kept{packer: packer{}, packed: map[call.Key]*packedCall{}}
	if err := calls.readPacked(in, func(key call.Key, p *packedCall) { calls.packed[key] = p }); err != nil {
		return nil, false, fmt.Errorf("read checkpoint: %w", err)
	}
	found = c.forgetPacked(&calls, k)
	before := len(c.Calls)
	c.Calls = slices.DeleteFunc(c.Calls, func(cc checkpointCall) bool { return cc.Call.Key() == k })
	found = found || len(c.Calls) < before
	for _, s := range [][]*keyState{c.Keys, pointers(c.Orphans)} {
		for _, ks := range s {
			if ks.LastGood != nil {
				found = ks.LastGood.forget(k) || found
			}
			if ks.Incident != nil {
				found = ks.Incident.Forget(k) || found
			}
		}
	}
	if !found {
		return data, false, nil
	}
	var out bytes.Buffer
	err = c.write(&out, &calls)
	return out.Bytes(), true, err
}

// forgetPacked removes a packed call. Where the dictionary of the provider was
// made of that call, the others are unpacked: they get another one.
func (c *checkpoint) forgetPacked(calls *kept, k call.Key) (found bool) {
	_, found = calls.packed[k]
	delete(calls.packed, k)
	id, err := json.Marshal(k.CallID)
	if made := calls.packer[k.Provider]; err != nil || made == nil || !bytes.Contains(made.dictionary, id) {
		return found
	}
	for key, p := range calls.packed {
		if key.Provider == k.Provider {
			c.Calls = append(c.Calls, calls.packer.unpack(key, p).checkpointed())
			delete(calls.packed, key)
		}
	}
	delete(calls.packer, k.Provider)
	return true
}

func pointers(list []keyState) []*keyState {
	out := make([]*keyState, len(list))
	for i := range list {
		out[i] = &list[i]
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
