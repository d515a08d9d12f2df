package engine

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"time"

	"callwatch/rules"
	"callwatch/rules/engine/calls"
	"callwatch/rules/engine/lifecycle"
	"callwatch/rules/engine/parts"
	"callwatch/rules/engine/past"
)

// checkpointVersion changes when older builds can no longer read a checkpoint; oldestCheckpoint
// is the first one that this build reads. One that cannot be read is no loss: the events are
// replayed instead. Since 9 calls may be there as their events.
const (
	checkpointVersion = 9
	oldestCheckpoint  = 8
)

// checkpoint is the engine's state as it is stored, as JSON behind its length; the
// event ids that are remembered and the calls follow.
type checkpoint struct {
	Version int                   `json:"version"`
	Set     string                `json:"set"` // digest of the rules file
	Now     time.Time             `json:"now"`
	Seq     uint64                `json:"seq"`
	Rules   []checkpointRule      `json:"rules"`
	Keys    []*lifecycle.KeyState `json:"keys"`

	Orphans  []orphan                `json:"orphans,omitempty"` // of rules that were gone when it was restored, not closed yet
	Silences []rules.CompiledSilence `json:"silences,omitempty"`
	Reported []string                `json:"reported,omitempty"`
}

type checkpointRule struct {
	Name  string   `json:"name"`
	By    []string `json:"by"`
	Kind  string   `json:"kind"`
	Shape string   `json:"shape,omitempty"` // of the window
	ruleState
}

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
	c := checkpoint{
		Version: checkpointVersion, Set: cmp.Or(g.from, g.set.Digest), Now: g.st.Now, Seq: g.st.Seq,
		Orphans: g.orphans, Silences: g.st.Silences, Reported: g.st.Reported,
	}
	for i, r := range g.set.Rules {
		c.Rules = append(c.Rules, checkpointRule{Name: r.Name, By: r.By, Kind: r.Kind(), Shape: r.WindowDigest(), ruleState: *g.st.Rules[i]})
	}
	for _, k := range g.st.Keys {
		c.Keys = append(c.Keys, k)
	}
	slices.SortFunc(c.Keys, func(a, b *lifecycle.KeyState) int {
		return cmp.Or(cmp.Compare(a.Rule, b.Rule), cmp.Compare(a.Key, b.Key))
	})
	return c.write(w, g.st.Seen, g.st.Calls, g.st.Past)
}

// write writes the checkpoint with the hashes of event ids and the calls behind it.
func (c *checkpoint) write(w io.Writer, seen past.Events, cache *calls.Cache, gone past.Calls) error {
	b, err := json.Marshal(c)
	if err != nil {
		return fmt.Errorf("write checkpoint: %w", err)
	}
	buffer := bufio.NewWriterSize(w, 1<<16)
	out := parts.NewWriter(buffer)
	out.Bytes(b)
	seen.Write(out)
	cache.Write(out)
	gone.Write(out)
	if err := cmp.Or(out.Err, buffer.Flush()); err != nil {
		return fmt.Errorf("write checkpoint: %w", err)
	}
	return nil
}

// readCheckpoint reads what write wrote, up to the calls.
func readCheckpoint(in *parts.Reader) (c checkpoint, seen past.Events, err error) {
	if err := in.JSON(&c); err != nil {
		return c, seen, fmt.Errorf("read checkpoint: %w", err)
	}
	if c.Version < oldestCheckpoint || c.Version > checkpointVersion {
		return c, seen, fmt.Errorf("read checkpoint: version %d, not %d to %d", c.Version, oldestCheckpoint, checkpointVersion)
	}
	seen.Read(in)
	return c, seen, nil
}

// Restore is an engine that continues from a checkpoint with a set that may have
// changed since. Rules are recognized by name and `by`: what is known of the
// others is dropped, and their open incidents are closed at the next event.
func Restore(set *rules.Set, o Options, data []byte) (*Engine, error) {
	in := parts.NewReader(data)
	c, seen, err := readCheckpoint(in)
	if err != nil {
		return nil, err
	}
	g := New(set, o)
	g.st.Now, g.st.Seq, g.st.Seen = c.Now, c.Seq, seen
	place := g.places(c.Rules)
	for i, to := range place {
		if to >= 0 {
			*g.st.Rules[to] = c.Rules[i].ruleState
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
func (g *Engine) places(old []checkpointRule) []int {
	place := make([]int, len(old))
	for i, r := range old {
		place[i] = -1
		if j, ok := g.indexed[r.Name]; ok && slices.Equal(g.set.Rules[j].By, r.By) && g.set.Rules[j].Kind() == r.Kind {
			place[i] = j
		}
	}
	return place
}

func (g *Engine) restoreKey(k *lifecycle.KeyState, old []checkpointRule, place []int) {
	i := slices.IndexFunc(old, func(r checkpointRule) bool { return r.Name == k.Rule })
	kept := i >= 0 && place[i] >= 0
	off := kept && g.set.Rules[place[i]].Mode == rules.Off
	if k.Incident != nil && (!kept || off) {
		why := reasonRemoved
		if off {
			why = reasonOff
		}
		g.orphans = append(g.orphans, orphan{*k, why})
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
