package calls

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"

	"callwatch/rules/engine/parts"
)

// Write writes the calls, those without an event for longest first, after the
// dictionaries that they are compressed with. What the rules made of a call precedes
// its facts, which are compressed as in memory: writing and reading them costs a copy.
func (c *Cache) Write(out *parts.Writer) {
	all := c.Sorted()
	for _, cs := range all {
		if !c.compress(cs) && out.Err == nil {
			out.Err = fmt.Errorf("call %s of %s has facts that cannot be stored", cs.Key.CallID, cs.Key.Provider)
		}
	}
	out.Number(uint64(len(c.dictionaries)))
	for _, provider := range slices.Sorted(maps.Keys(c.dictionaries)) {
		out.Text(provider)
		out.Bytes(c.dictionaries[provider].text)
	}
	out.Number(uint64(len(all)))
	for _, cs := range all {
		out.Key(cs.Key)
		out.Time(cs.Touched)
		out.Time(cs.Ended)
		out.Number(cs.EndedSeq)
		out.Number(bit(cs.Over, 1) + bit(cs.Settled, 2))
		out.Number(uint64(len(cs.Outcomes)))
		for _, o := range cs.Outcomes {
			out.Number(uint64(o))
		}
		out.Number(uint64(len(cs.Holds)))
		for _, h := range cs.Holds {
			out.Number(uint64(h.Rule))
			out.Time(h.Since)
			out.Number(uint64(len(h.Recent)))
			for _, held := range h.Recent {
				out.Number(bit(held, 1))
			}
		}
		out.Bytes(cs.evicted)
	}
}

// Read adds the calls that Write wrote, evicted, each after change.
func (c *Cache) Read(in *parts.Reader, change func(*State)) error {
	for range in.Number() {
		provider, text := in.Text(), in.Bytes()
		if in.Err != nil {
			return in.Err
		}
		if err := c.dictionaries.set(provider, text); err != nil {
			return fmt.Errorf("dictionary of %q: %w", provider, err)
		}
	}
	names := map[string]string{} // one string for all calls of a provider or an account
	for range in.Number() {
		cs := readCall(in)
		if in.Err != nil {
			return in.Err
		}
		if c.dictionaries[cs.Key.Provider] == nil {
			return fmt.Errorf("call of %q without a dictionary", cs.Key.Provider)
		}
		for _, name := range []*string{&cs.Key.Provider, &cs.Key.Account} {
			if _, known := names[*name]; !known {
				names[*name] = *name
			}
			*name = names[*name]
		}
		if c.calls[cs.Key] != nil {
			return errors.New("a call is there twice")
		}
		change(cs)
		c.calls[cs.Key] = cs
	}
	return in.Err
}

func readCall(in *parts.Reader) *State {
	cs := &State{Key: in.Key(), Touched: in.Time(), Ended: in.Time(), EndedSeq: in.Number()}
	flags := in.Number()
	cs.Over, cs.Settled = flags&1 != 0, flags&2 != 0
	cs.Outcomes = make([]Outcome, in.Count())
	for i := range cs.Outcomes {
		if o := in.Number(); o <= uint64(Counted) {
			cs.Outcomes[i] = Outcome(o)
		}
	}
	for range in.Count() {
		h := Hold{Rule: int(min(in.Number(), math.MaxInt32)), Since: in.Time()}
		for range in.Count() {
			h.Recent = append(h.Recent, in.Number() != 0)
		}
		cs.Holds = append(cs.Holds, h)
	}
	cs.evicted = bytes.Clone(in.Bytes())
	return cs
}

func bit(set bool, value uint64) uint64 {
	if set {
		return value
	}
	return 0
}
