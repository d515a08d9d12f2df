package rules

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"time"

	"callwatch/call"
)

// checkpointVersion changes when older checkpoints can no longer be read. One
// that cannot be read is no loss: the events are replayed instead.
const checkpointVersion = 3

// checkpoint is the engine's state as it is stored, as JSON behind its length; the
// packed calls follow.
type checkpoint struct {
	Version int              `json:"version"`
	Set     string           `json:"set"` // digest of the rules file
	Now     time.Time        `json:"now"`
	Seq     uint64           `json:"seq"`
	Rules   []checkpointRule `json:"rules"`
	Keys    []*keyState      `json:"keys"`
	Calls   []checkpointCall `json:"calls"`  // those that are not packed
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
	var b bytes.Buffer
	if err := g.WriteCheckpoint(&b); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// WriteCheckpoint writes what Checkpoint returns.
func (g *Engine) WriteCheckpoint(w io.Writer) error {
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
	for _, cs := range g.st.Calls.loose {
		c.Calls = append(c.Calls, cs.checkpointed())
	}
	slices.SortFunc(c.Calls, func(a, b checkpointCall) int {
		return cmp.Or(a.Touched.Compare(b.Touched), cmp.Compare(a.Call.Provider, b.Call.Provider), cmp.Compare(a.Call.CallID, b.Call.CallID))
	})
	return c.write(w, g.st.Calls)
}

func (c *callState) checkpointed() checkpointCall {
	cc := checkpointCall{Call: c.Call, Touched: c.Touched, Holds: c.Holds, Ended: c.Ended, EndedSeq: c.EndedSeq, Settled: c.Settled}
	for _, o := range c.Outcomes {
		cc.Outcomes = append(cc.Outcomes, byte(o))
	}
	return cc
}

// write writes the checkpoint with the packed of the calls behind it.
func (c *checkpoint) write(w io.Writer, calls *kept) error {
	b, err := json.Marshal(c)
	if err != nil {
		return fmt.Errorf("write checkpoint: %w", err)
	}
	out := bufio.NewWriterSize(w, 1<<16)
	head := parts{w: out}
	head.text(string(b))
	if err := cmp.Or(head.err, calls.writePacked(out), out.Flush()); err != nil {
		return fmt.Errorf("write checkpoint: %w", err)
	}
	return nil
}

// Restore is an engine that continues from a checkpoint with a set that may have
// changed since. Rules are recognized by name and `by`: what is known of the
// others is dropped, and their open incidents are closed at the next event.
func Restore(set *Set, o Options, data []byte) (*Engine, error) {
	in := &partReader{r: bytes.NewReader(data)}
	var c checkpoint
	if err := in.json(&c); err != nil {
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
	if err := g.st.Calls.readPacked(in, func(key call.Key, p *packedCall) { g.restorePacked(key, p, place) }); err != nil {
		return nil, fmt.Errorf("read checkpoint: %w", err)
	}
	for _, cc := range c.Calls {
		g.restoreCall(cc, place)
	}
	g.restoreExpiry()
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
	cs := &callState{
		Call: cc.Call, Touched: cc.Touched, Ended: cc.Ended, EndedSeq: cc.EndedSeq, Settled: cc.Settled,
		Outcomes: unpackOutcomes(g.outcomes(string(cc.Outcomes), place)),
	}
	g.st.Calls.put(cc.Call.Key(), cs)
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
}

// restorePacked keeps a packed call, but unpacks one whose holds speak of rules
// that stand elsewhere now.
func (g *Engine) restorePacked(key call.Key, p *packedCall, place []int) {
	p.Outcomes = g.outcomes(p.Outcomes, place)
	g.st.Calls.packed[key] = p
	if slices.IsSorted(place) && len(place) == len(g.set.Rules) && !slices.Contains(place, -1) {
		return // the rules stand where they did
	}
	cs := g.st.Calls.packer.unpack(key, p)
	if len(cs.Holds) == 0 {
		return
	}
	var holds []callHold
	for _, h := range cs.Holds {
		if h.Rule < len(place) && place[h.Rule] >= 0 {
			h.Rule = place[h.Rule]
			holds = append(holds, h)
		}
	}
	cs.Holds = holds
	g.st.Calls.packed[key] = g.st.Calls.packer.pack(key.Provider, cs)
}

// outcomes are those of a checkpoint, each at its rule's place in the set.
func (g *Engine) outcomes(old string, place []int) string {
	b := make([]byte, len(g.set.Rules))
	for i := range old {
		if i < len(place) && place[i] >= 0 {
			b[place[i]] = old[i]
		}
	}
	return string(b)
}

// restoreExpiry lets the calls wait for their end again.
func (g *Engine) restoreExpiry() {
	for _, ended := range []bool{true, false} {
		var line []touchedCall
		for key := range g.st.Calls.keys() {
			if at, over, _ := g.st.Calls.touched(key); over == ended {
				line = append(line, touchedCall{key, at})
			}
		}
		slices.SortFunc(line, func(a, b touchedCall) int {
			return cmp.Or(a.touched.Compare(b.touched), compareKeys(a.key, b.key))
		})
		for _, c := range line {
			g.expiry.wait(c.key, c.touched, ended)
		}
	}
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
