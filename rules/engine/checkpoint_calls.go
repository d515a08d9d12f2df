package engine

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"callwatch/call"
)

// write writes the calls, those without an event for longest first, after the
// dictionaries that they are compressed with. What the rules made of a call precedes
// its facts, which are compressed as in memory: writing and reading them costs a copy.
func (c *callCache) write(out *parts) {
	all := c.sorted()
	for _, cs := range all {
		if !c.compress(cs) && out.err == nil {
			out.err = fmt.Errorf("call %s of %s has facts that cannot be stored", cs.Key.CallID, cs.Key.Provider)
		}
	}
	out.number(uint64(len(c.dictionaries)))
	for _, provider := range slices.Sorted(maps.Keys(c.dictionaries)) {
		out.text(provider)
		out.bytes(c.dictionaries[provider].text)
	}
	out.number(uint64(len(all)))
	for _, cs := range all {
		out.text(sourceText(cs.Key))
		out.text(cs.Key.CallID)
		out.time(cs.Touched)
		out.time(cs.Ended)
		out.number(cs.EndedSeq)
		out.number(bit(cs.Over, 1) + bit(cs.Settled, 2))
		out.number(uint64(len(cs.Outcomes)))
		for _, o := range cs.Outcomes {
			out.number(uint64(o))
		}
		out.number(uint64(len(cs.Holds)))
		for _, h := range cs.Holds {
			out.number(uint64(h.Rule))
			out.time(h.Since)
			out.number(uint64(len(h.Recent)))
			for _, held := range h.Recent {
				out.number(bit(held, 1))
			}
		}
		out.bytes(cs.evicted)
	}
}

// read adds the calls that write wrote, evicted, each after change.
func (c *callCache) read(in *partReader, change func(*CallState)) error {
	for range in.number() {
		provider, text := in.text(), in.bytes()
		if in.err != nil {
			return in.err
		}
		if err := c.dictionaries.set(provider, text); err != nil {
			return fmt.Errorf("dictionary of %q: %w", provider, err)
		}
	}
	names := map[string]string{} // one string for all calls of a provider or an account
	for range in.number() {
		cs := readCall(in)
		if in.err != nil {
			return in.err
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
	return in.err
}

// sourceText is the provider of a call, and behind a separator the account that few
// have: older checkpoints hold none.
func sourceText(k call.Key) string {
	if k.Account == "" {
		return k.Provider
	}
	return k.Provider + accountSign + k.Account
}

// accountSign is in no name of a provider.
const accountSign = "\x01"

func readCall(in *partReader) *CallState {
	provider, account, _ := strings.Cut(in.text(), accountSign)
	cs := &CallState{Key: call.Key{Provider: provider, Account: account, CallID: in.text()}, Touched: in.time(), Ended: in.time(), EndedSeq: in.number()}
	flags := in.number()
	cs.Over, cs.Settled = flags&1 != 0, flags&2 != 0
	cs.Outcomes = make([]outcome, in.count())
	for i := range cs.Outcomes {
		if o := in.number(); o <= uint64(OutcomeCounted) {
			cs.Outcomes[i] = outcome(o)
		}
	}
	for range in.count() {
		h := callHold{Rule: int(min(in.number(), math.MaxInt32)), Since: in.time()}
		for range in.count() {
			h.Recent = append(h.Recent, in.number() != 0)
		}
		cs.Holds = append(cs.Holds, h)
	}
	cs.evicted = bytes.Clone(in.bytes())
	return cs
}

func bit(set bool, value uint64) uint64 {
	if set {
		return value
	}
	return 0
}
