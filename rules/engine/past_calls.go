package engine

import (
	"crypto/sha256"
	"encoding/binary"
	"maps"
	"slices"
	"time"

	"callwatch/call"
)

const (
	maxPastCalls    = 1_000_000
	pastGenerations = 8
	defaultPastFor  = 30 * 24 * time.Hour
)

// pastCalls are the outcomes of calls that are no longer kept: what comes late for
// such a call must not match a rule, or count in a window, for a second time. They
// are in generations, of which the oldest is dropped as a whole.
type pastCalls struct {
	generations []pastGeneration // oldest first
	shared      map[string]string
}

type pastGeneration struct {
	began, latest time.Time
	outcomes      map[uint64]string // by the call's hash; a byte for each rule by its place in the set
}

// pastHash is the same in every process. Providers choose the ids of calls, so it
// is one for which nobody finds two alike.
func pastHash(k call.Key) uint64 {
	b := append(append([]byte(sourceText(k)), 0), k.CallID...)
	sum := sha256.Sum256(b)
	return binary.LittleEndian.Uint64(sum[:8])
}

// keep remembers the outcomes of a call that is dropped.
func (p *pastCalls) keep(k call.Key, outcomes []outcome, now time.Time, keptFor time.Duration) {
	some := false
	text := make([]byte, len(outcomes))
	for i, o := range outcomes {
		text[i], some = byte(o), some || o != OutcomeUnseen
	}
	if !some {
		return
	}
	p.rotate(now, keptFor)
	g := &p.generations[len(p.generations)-1]
	g.latest, g.outcomes[pastHash(k)] = now, p.share(text)
}

// rotate begins a generation where the newest is full or old, and drops those whose
// time is over.
func (p *pastCalls) rotate(now time.Time, keptFor time.Duration) {
	if n := len(p.generations); n == 0 || len(p.generations[n-1].outcomes) >= maxPastCalls/pastGenerations ||
		now.Sub(p.generations[n-1].began) >= keptFor/pastGenerations {
		p.generations = append(p.generations, pastGeneration{began: now, outcomes: map[uint64]string{}})
		p.shared = nil
	}
	for len(p.generations) > 1 && (len(p.generations) > pastGenerations+1 || now.Sub(p.generations[0].latest) > keptFor) {
		p.generations = p.generations[1:]
	}
}

// share returns one string for all outcomes that are the same.
func (p *pastCalls) share(outcomes []byte) string {
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

// of are the outcomes of a call; "" where none are remembered.
func (p *pastCalls) of(k call.Key, now time.Time, keptFor time.Duration) string {
	if len(p.generations) == 0 {
		return ""
	}
	h := pastHash(k)
	for i := len(p.generations) - 1; i >= 0; i-- {
		g := &p.generations[i]
		if s, ok := g.outcomes[h]; ok && now.Sub(g.latest) <= keptFor {
			return s
		}
	}
	return ""
}

// write writes them behind the rest of a checkpoint.
func (p *pastCalls) write(out *parts) {
	out.number(uint64(len(p.generations)))
	for _, g := range p.generations {
		out.time(g.began)
		out.time(g.latest)
		out.number(uint64(len(g.outcomes)))
		for _, h := range slices.Sorted(maps.Keys(g.outcomes)) {
			out.number(h)
			out.text(g.outcomes[h])
		}
	}
}

// read reads what write wrote; moved maps the outcomes of one call to the places
// that the rules have now, nil for the same.
func (p *pastCalls) read(in *partReader, moved func([]outcome) []outcome) {
	for range in.number() {
		if in.err != nil {
			return
		}
		g := pastGeneration{began: in.time(), latest: in.time(), outcomes: map[uint64]string{}}
		for range in.number() {
			h, text := in.number(), in.bytes()
			if in.err != nil {
				return
			}
			if moved != nil {
				old := make([]outcome, len(text))
				for i, b := range text {
					old[i] = outcome(b)
				}
				text = text[:0:0]
				for _, o := range moved(old) {
					text = append(text, byte(o))
				}
			}
			g.outcomes[h] = p.share(text)
		}
		p.generations = append(p.generations, g)
	}
}
