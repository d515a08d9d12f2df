package checkpoint

import (
	"bytes"
	"encoding/json"
	"fmt"

	"callwatch/call"
	"callwatch/rules/engine/calls"
	"callwatch/rules/engine/lifecycle"
	"callwatch/rules/engine/parts"
	"callwatch/rules/engine/past"
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
	in := parts.NewReader(data)
	c, seen, err := Read(in)
	if err != nil {
		return nil, false, err
	}
	cache := calls.New(call.Folding{}) // texts of events stay as they are
	if err := cache.Read(in, func(*calls.State) {}); err != nil {
		return nil, false, fmt.Errorf("read checkpoint: %w", err)
	}
	for _, k := range f.Calls {
		found = cache.Forget(k) || found
	}
	var gone past.Calls
	if gone.Read(in, nil); in.Err != nil {
		return nil, false, fmt.Errorf("read checkpoint: %w", in.Err)
	}
	for _, s := range [][]*lifecycle.KeyState{c.Keys, pointers(c.Orphans)} {
		for _, ks := range s {
			for _, k := range f.Calls {
				if ks.LastGood != nil {
					found = ks.LastGood.Forget(k) || found
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
	err = c.Write(&out, seen, cache, gone)
	return out.Bytes(), true, err
}

// redact replaces numbers in the texts of a checkpoint.
func (c *File) redact(text func(string) string) (found bool, err error) {
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
	*c = File{}
	if err := json.Unmarshal(data, c); err != nil {
		return false, fmt.Errorf("read checkpoint: %w", err)
	}
	return true, nil
}

func pointers(list []Orphan) []*lifecycle.KeyState {
	out := make([]*lifecycle.KeyState, len(list))
	for i := range list {
		out[i] = &list[i].KeyState
	}
	return out
}
