package rules

import (
	"bytes"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"callwatch/call"
)

// ForgetCall removes a call from a checkpoint: what is known of it, and from the
// evidence of open incidents everything but its id, times and conditions. found
// is false where the checkpoint does not know the call.
func ForgetCall(data []byte, k call.Key) (without []byte, found bool, err error) {
	in := &partReader{b: data}
	c, seen, err := readCheckpoint(in)
	if err != nil {
		return nil, false, err
	}
	calls := newKept(looseCalls, nil)
	if found, err = calls.readWithout(in, k); err != nil {
		return nil, false, fmt.Errorf("read checkpoint: %w", err)
	}
	var past pastCalls
	if past.read(in, nil); in.err != nil {
		return nil, false, fmt.Errorf("read checkpoint: %w", in.err)
	}
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
	err = c.write(&out, seen, calls, past)
	return out.Bytes(), true, err
}

// readWithout reads calls but for one, and says whether that was known. Where the
// dictionary of its provider was made of it, the provider's calls are packed anew
// with another one.
func (k *kept) readWithout(in *partReader, gone call.Key) (found bool, err error) {
	other := newPacker()
	err = k.read(in, func(record []byte, loose bool) {
		key := keyOfRecord(record)
		hash := k.hash(key)
		switch {
		case key == gone:
			found = true
		case loose || k.packed.has(hash):
			k.put(k.packer.unpack(record))
		case k.packer.codecs[key.Provider].madeOf(gone):
			cs := k.packer.unpack(record)
			cs.packed = nil
			if other.codecs[key.Provider] == nil {
				other.learn(key.Provider, sample(nil, cs))
			}
			k.packed.put(hash, other.pack(cs))
		default:
			k.packed.put(hash, record)
		}
	})
	if k.packer.codecs[gone.Provider].madeOf(gone) {
		found = true
		delete(k.packer.codecs, gone.Provider)
		maps.Copy(k.packer.codecs, other.codecs)
	}
	return found, err
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
