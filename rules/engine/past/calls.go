// Package past is what the rule engine remembers of events and calls that it no longer
// keeps, within bounds: which events were there, and what the rules made of the calls. It
// imports call and rules/engine/parts.
package past

import (
	"crypto/sha256"
	"encoding/binary"
	"maps"
	"slices"
	"time"

	"callwatch/call"
	"callwatch/rules/engine/parts"
)

const (
	maxCalls       = 1_000_000
	maxGenerations = 8
)

// DefaultFor is how long calls are remembered if nothing else is set.
const DefaultFor = 30 * 24 * time.Hour

// Calls are the outcomes of calls that are no longer kept: what comes late for
// such a call must not match a rule, or count in a window, for a second time. They
// are in generations, of which the oldest is dropped as a whole.
type Calls struct {
	generations []generation // oldest first
	shared      map[string]string
}

type generation struct {
	began, latest time.Time
	outcomes      map[uint64]string // by the call's hash; a byte for each rule by its place in the set
}

// hashOf is the same in every process. Providers choose the ids of calls, so it
// is one for which nobody finds two alike.
func hashOf(k call.Key) uint64 {
	b := append(append([]byte(parts.Source(k)), 0), k.CallID...)
	sum := sha256.Sum256(b)
	return binary.LittleEndian.Uint64(sum[:8])
}

// Keep remembers the outcomes of a call that is dropped, if any is not 0: one byte for each
// rule by its place in the set.
func (p *Calls) Keep(k call.Key, outcomes []byte, now time.Time, keptFor time.Duration) {
	if !slices.ContainsFunc(outcomes, func(o byte) bool { return o != 0 }) {
		return
	}
	p.rotate(now, keptFor)
	g := &p.generations[len(p.generations)-1]
	g.latest, g.outcomes[hashOf(k)] = now, p.share(outcomes)
}

// rotate begins a generation where the newest is full or old, and drops those whose
// time is over.
func (p *Calls) rotate(now time.Time, keptFor time.Duration) {
	if n := len(p.generations); n == 0 || len(p.generations[n-1].outcomes) >= maxCalls/maxGenerations ||
		now.Sub(p.generations[n-1].began) >= keptFor/maxGenerations {
		p.generations = append(p.generations, generation{began: now, outcomes: map[uint64]string{}})
		p.shared = nil
	}
	for len(p.generations) > 1 && (len(p.generations) > maxGenerations+1 || now.Sub(p.generations[0].latest) > keptFor) {
		p.generations = p.generations[1:]
	}
}

// share returns one string for all outcomes that are the same.
func (p *Calls) share(outcomes []byte) string {
	if s, ok := p.shared[string(outcomes)]; ok {
		return s
	}
	if p.shared == nil {
		p.shared = map[string]string{}
	}
	s := string(outcomes)
	p.shared[s] = s
	return s
}

// Of are the outcomes of a call; "" where none are remembered.
func (p *Calls) Of(k call.Key, now time.Time, keptFor time.Duration) string {
	if len(p.generations) == 0 {
		return ""
	}
	h := hashOf(k)
	for i := len(p.generations) - 1; i >= 0; i-- {
		g := &p.generations[i]
		if s, ok := g.outcomes[h]; ok && now.Sub(g.latest) <= keptFor {
			return s
		}
	}
	return ""
}

// Write writes them behind the rest of a checkpoint.
func (p *Calls) Write(out *parts.Writer) {
	out.Number(uint64(len(p.generations)))
	for _, g := range p.generations {
		out.Time(g.began)
		out.Time(g.latest)
		out.Number(uint64(len(g.outcomes)))
		for _, h := range slices.Sorted(maps.Keys(g.outcomes)) {
			out.Number(h)
			out.Text(g.outcomes[h])
		}
	}
}

// Read reads what Write wrote; moved maps the outcomes of one call to the places
// that the rules have now, nil for the same.
func (p *Calls) Read(in *parts.Reader, moved func([]byte) []byte) {
	for range in.Number() {
		if in.Err != nil {
			return
		}
		g := generation{began: in.Time(), latest: in.Time(), outcomes: map[uint64]string{}}
		for range in.Number() {
			h, text := in.Number(), in.Bytes()
			if in.Err != nil {
				return
			}
			if moved != nil {
				text = moved(text)
			}
			g.outcomes[h] = p.share(text)
		}
		p.generations = append(p.generations, g)
	}
}
