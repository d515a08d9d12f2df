package engine

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"slices"
	"time"

	"callwatch/rules"
	"callwatch/rules/engine/checkpoint"
	"callwatch/rules/engine/lifecycle"
	"callwatch/rules/engine/parts"
)

// Checkpoint is the engine's whole state. An engine restored from it continues
// as if it had never stopped.
func (g *Engine) Checkpoint() ([]byte, error) {
	var b bytes.Buffer
	if err := g.WriteCheckpoint(&b); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// WriteCheckpoint writes what Checkpoint returns.
func (g *Engine) WriteCheckpoint(w io.Writer) error {
	c := checkpoint.File{
		Version: checkpoint.Version, Set: cmp.Or(g.from, g.set.Digest), Now: g.st.Now, Seq: g.st.Seq,
		Orphans: g.orphans, Silences: g.st.Silences, Reported: g.st.Reported,
	}
	for i, r := range g.set.Rules {
		c.Rules = append(c.Rules, checkpoint.Rule{Name: r.Name, By: r.By, Kind: r.Kind(), Shape: r.WindowDigest(), RuleState: *g.st.Rules[i]})
	}
	for _, k := range g.st.Keys {
		c.Keys = append(c.Keys, k)
	}
	slices.SortFunc(c.Keys, func(a, b *lifecycle.KeyState) int {
		return cmp.Or(cmp.Compare(a.Rule, b.Rule), cmp.Compare(a.Key, b.Key))
	})
	return c.Write(w, g.st.Seen, g.st.Calls, g.st.Past)
}

// Restore is an engine that continues from a checkpoint with a set that may have
// changed since. Rules are recognized by name and `by`: what is known of the
// others is dropped, and their open incidents are closed at the next event.
func Restore(set *rules.Set, o Options, data []byte) (*Engine, error) {
	in := parts.NewReader(data)
	c, seen, err := checkpoint.Read(in)
	if err != nil {
		return nil, err
	}
	g := New(set, o)
	g.st.Now, g.st.Seq, g.st.Seen = c.Now, c.Seq, seen
	place := g.places(c.Rules)
	for i, to := range place {
		if to >= 0 {
			*g.st.Rules[to] = c.Rules[i].RuleState
			g.st.Rules[to].Disabled = g.st.Rules[to].Disabled && c.Set == set.Digest
		}
	}
	if err := g.restoreCalls(in, place); err != nil {
		return nil, fmt.Errorf("read checkpoint: %w", err)
	}
	var moved func([]byte) []byte
	if ruleMoved(place, len(set.Rules)) {
		moved = func(old []byte) []byte { return outcomesNow(old, place, len(set.Rules)) }
	}
	if g.st.Past.Read(in, moved); in.Err != nil {
		return nil, fmt.Errorf("read checkpoint: %w", in.Err)
	}
	g.restoreExpiry()
	g.restoreSettling()
	for _, k := range c.Keys {
		g.restoreKey(k, c.Rules, place)
	}
	g.orphans = append(g.orphans, c.Orphans...)
	for _, s := range c.Silences {
		if s.Compile(set) {
			g.st.Silences = append(g.st.Silences, s)
		}
	}
	g.st.Reported = c.Reported
	g.awaitFields()
	g.from = c.Set
	return g, nil
}

// places says where each rule of the checkpoint is in the set: -1 for one
// that is gone, groups by other fields or is of another kind now.
func (g *Engine) places(old []checkpoint.Rule) []int {
	place := make([]int, len(old))
	for i, r := range old {
		place[i] = -1
		if j, ok := g.indexed[r.Name]; ok && slices.Equal(g.set.Rules[j].By, r.By) && g.set.Rules[j].Kind() == r.Kind {
			place[i] = j
		}
	}
	return place
}

func (g *Engine) restoreKey(k *lifecycle.KeyState, old []checkpoint.Rule, place []int) {
	i := slices.IndexFunc(old, func(r checkpoint.Rule) bool { return r.Name == k.Rule })
	kept := i >= 0 && place[i] >= 0
	off := kept && g.set.Rules[place[i]].Mode == rules.Off
	if k.Incident != nil && (!kept || off) {
		why := reasonRemoved
		if off {
			why = reasonOff
		}
		g.orphans = append(g.orphans, checkpoint.Orphan{KeyState: *k, Why: why})
	}
	if !kept {
		return
	}
	if off {
		rested, some := k.Rest()
		if !some {
			return
		}
		*k = rested
	}
	if r := g.set.Rules[place[i]]; old[i].Shape != r.WindowDigest() || k.Window != nil && !r.Fits(k.Window) {
		k.Window, k.Seen, k.LookAt = nil, time.Time{}, time.Time{}
	}
	if r := g.set.Rules[place[i]]; k.Expected && !slices.Contains(r.Expect, k.Key) {
		if k.Expected = false; k.Idle(g.st.Now) {
			return
		}
		k.LookAt = g.st.Now.Add(time.Nanosecond)
	}
	g.st.Keys[ruleKey{k.Rule, k.Key}] = k
	g.live[place[i]]++
	g.await(k)
}
