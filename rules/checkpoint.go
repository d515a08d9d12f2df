package rules

import (
	"cmp"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	"callwatch/call"
)

// checkpointVersion changes when older checkpoints can no longer be read. One
// that cannot be read is no loss: the events are replayed instead.
const checkpointVersion = 2

// checkpoint is the engine's state as it is stored.
type checkpoint struct {
	Version int              `json:"version"`
	Set     string           `json:"set"` // digest of the rules file
	Now     time.Time        `json:"now"`
	Seq     uint64           `json:"seq"`
	Rules   []checkpointRule `json:"rules"`
	Keys    []*keyState      `json:"keys"`
	Calls   []checkpointCall `json:"calls"`
	Recent  []byte           `json:"recent"` // hashes of event ids, eight bytes each
	Older   []byte           `json:"older"`

	Orphans  []keyState `json:"orphans,omitempty"` // of rules that were gone when it was restored, not closed yet
	Silences []silencer `json:"silences,omitempty"`
	Reported []string   `json:"reported,omitempty"`
}

type checkpointRule struct {
	Name  string   `json:"name"`
	By    []string `json:"by"`
	Kind  string   `json:"kind"`
	Shape string   `json:"shape,omitempty"` // of the window
	ruleState
}

type checkpointCall struct {
	Call     call.Call  `json:"call"`
	Touched  time.Time  `json:"touched"`
	Outcomes []byte     `json:"outcomes"` // by the rule's place in Rules
	Holds    []callHold `json:"holds,omitempty"`
	Ended    time.Time  `json:"ended,omitzero"`
	EndedSeq uint64     `json:"endedSeq,omitempty"`
	Settled  bool       `json:"settled,omitempty"`
}

// Checkpoint is the engine's whole state. An engine restored from it continues
// as if it had never stopped.
func (g *Engine) Checkpoint() ([]byte, error) {
	c := checkpoint{
		Version: checkpointVersion, Set: g.set.Digest, Now: g.st.Now, Seq: g.st.Seq,
		Recent: packHashes(g.st.Seen.Recent), Older: packHashes(g.st.Seen.Older),
		Orphans: g.orphans, Silences: g.st.Silences, Reported: g.st.Reported,
	}
	for i, r := range g.set.Rules {
		c.Rules = append(c.Rules, checkpointRule{Name: r.Name, By: r.By, Kind: r.kind(), Shape: r.shape(), ruleState: *g.st.Rules[i]})
	}
	for _, k := range g.st.Keys {
		c.Keys = append(c.Keys, k)
	}
	slices.SortFunc(c.Keys, func(a, b *keyState) int {
		return cmp.Or(cmp.Compare(a.Rule, b.Rule), cmp.Compare(a.Key, b.Key))
	})
	for _, cs := range g.st.Calls {
		cc := checkpointCall{Call: cs.Call, Touched: cs.Touched, Holds: cs.Holds, Ended: cs.Ended, EndedSeq: cs.EndedSeq, Settled: cs.Settled}
		for _, o := range cs.Outcomes {
			cc.Outcomes = append(cc.Outcomes, byte(o))
		}
		c.Calls = append(c.Calls, cc)
	}
	slices.SortFunc(c.Calls, func(a, b checkpointCall) int {
		return cmp.Or(a.Touched.Compare(b.Touched), cmp.Compare(a.Call.Provider, b.Call.Provider), cmp.Compare(a.Call.CallID, b.Call.CallID))
	})
	b, err := json.Marshal(c)
	if err != nil {
		return nil, fmt.Errorf("write checkpoint: %w", err)
	}
	return b, nil
}

// Restore is an engine that continues from a checkpoint with a set that may have
// changed since. Rules are recognized by name and `by`: what is known of the
// others is dropped, and their open incidents are closed at the next event.
func Restore(set *Set, o Options, data []byte) (*Engine, error) {
	var c checkpoint
	if err := json.Unmarshal(data, &c); err != nil {
		return nil, fmt.Errorf("read checkpoint: %w", err)
	}
	if c.Version != checkpointVersion {
		return nil, fmt.Errorf("read checkpoint: version %d, not %d", c.Version, checkpointVersion)
	}
	g := NewEngine(set, o)
	g.st.Now, g.st.Seq = c.Now, c.Seq
	g.st.Seen = memory{Recent: unpackHashes(c.Recent), Older: unpackHashes(c.Older)}
	place := g.places(c.Rules)
	for i, to := range place {
		if to >= 0 {
			*g.st.Rules[to] = c.Rules[i].ruleState
			g.st.Rules[to].Disabled = g.st.Rules[to].Disabled && c.Set == set.Digest
		}
	}
	for _, cc := range c.Calls {
		g.restoreCall(cc, place)
	}
	g.restoreSettling()
	for _, k := range c.Keys {
		g.restoreKey(k, c.Rules, place)
	}
	g.orphans = append(g.orphans, c.Orphans...)
	for _, s := range c.Silences {
		if s.match, _ = compileMatch(s.Match); s.match != nil {
			g.st.Silences = append(g.st.Silences, s)
		}
	}
	g.st.Reported = c.Reported
	g.awaitFields()
	g.restored = true
	return g, nil
}

// places tells where each rule of the checkpoint stands in the set: -1 for one
// that is gone, groups by other fields or is of another kind now.
func (g *Engine) places(old []checkpointRule) []int {
	place := make([]int, len(old))
	for i, r := range old {
		place[i] = -1
		if j, ok := g.indexed[r.Name]; ok && slices.Equal(g.set.Rules[j].By, r.By) && g.set.Rules[j].kind() == r.Kind {
			place[i] = j
		}
	}
	return place
}

func (g *Engine) restoreCall(cc checkpointCall, place []int) {
	cs := g.callOf(cc.Call.Key())
	cs.Call, cs.Touched = cc.Call, cc.Touched
	cs.Ended, cs.EndedSeq, cs.Settled = cc.Ended, cc.EndedSeq, cc.Settled
	for i, o := range cc.Outcomes {
		if i < len(place) && place[i] >= 0 {
			cs.Outcomes[place[i]] = outcome(o)
		}
	}
	for _, h := range cc.Holds {
		if h.Rule >= len(place) || place[h.Rule] < 0 {
			continue
		}
		h.Rule = place[h.Rule]
		cs.Holds = append(cs.Holds, h)
		if r := g.set.Rules[h.Rule]; !h.Since.IsZero() {
			g.due.push(deadline{at: h.Since.Add(r.For.Duration), rule: r.Name, call: cc.Call.Key()})
		}
	}
	g.expiry.touch(cc.Call.Key(), cc.Touched, cs.ended())
}

func (g *Engine) restoreKey(k *keyState, old []checkpointRule, place []int) {
	i := slices.IndexFunc(old, func(r checkpointRule) bool { return r.Name == k.Rule })
	if i >= 0 && place[i] >= 0 {
		if r := g.set.Rules[place[i]]; old[i].Shape != r.shape() {
			k.Window, k.Seen, k.LookAt = nil, time.Time{}, time.Time{}
		}
		g.st.Keys[ruleKey{k.Rule, k.Key}] = k
		g.live[place[i]]++
		g.await(k)
		return
	}
	if k.Incident != nil {
		g.orphans = append(g.orphans, *k)
	}
}

// closeOrphans resolves the incidents of rules that are no more.
func (g *Engine) closeOrphans() {
	for _, k := range g.orphans {
		next, step, reason := k.step(&Rule{Name: k.Rule}, signal{close: "the rule was removed or regrouped"}, g.st.Now)
		g.emit(step, reason, *next.Incident)
	}
	g.orphans = nil
}

func packHashes(set map[uint64]struct{}) []byte {
	b := make([]byte, 0, 8*len(set))
	for _, h := range slices.Sorted(maps.Keys(set)) {
		b = binary.LittleEndian.AppendUint64(b, h)
	}
	return b
}

func unpackHashes(b []byte) map[uint64]struct{} {
	set := make(map[uint64]struct{}, len(b)/8)
	for ; len(b) >= 8; b = b[8:] {
		set[binary.LittleEndian.Uint64(b)] = struct{}{}
	}
	return set
}
