package rules

import (
	"slices"
)

// restoreCalls keeps packed calls as they are. Where rules stand elsewhere now,
// their outcomes and holds move.
func (g *Engine) restoreCalls(in *partReader, place []int) error {
	calls := g.st.Calls
	moved := ruleMoved(place, len(g.set.Rules))
	return calls.read(in, func(record []byte, loose bool) {
		r := readRecord(record)
		hash := calls.hash(r.Key)
		loose = loose || calls.packed.has(hash)
		if !loose && !moved && len(r.Outcomes) == len(g.set.Rules) {
			calls.packed.put(hash, record)
			return
		}
		if rest, err := calls.packer.open(r); !loose && err == nil && !hasHolds(rest) {
			r.Outcomes = g.outcomes(r.Outcomes, place)
			calls.packed.put(hash, r.append(nil))
			return
		}
		cs := calls.packer.unpack(record)
		cs.Outcomes, cs.packed = g.outcomes(cs.Outcomes, place), nil
		g.restoreHolds(cs, place)
		if loose {
			calls.put(cs)
		} else {
			calls.packed.put(hash, calls.packer.pack(cs))
		}
	})
}

func (g *Engine) restoreHolds(cs *callState, place []int) {
	var holds []callHold
	for _, h := range cs.Holds {
		if h.Rule >= len(place) || place[h.Rule] < 0 || g.rests(place[h.Rule]) {
			continue
		}
		h.Rule = place[h.Rule]
		holds = append(holds, h)
		if r := g.set.Rules[h.Rule]; !h.Since.IsZero() {
			g.due.push(deadline{at: h.Since.Add(r.For.Duration), rule: r.Name, call: cs.Call.Key()})
		}
	}
	cs.Holds = holds
}

// outcomes are those of a checkpoint, each at its rule's place in the set.
func (g *Engine) outcomes(old []outcome, place []int) []outcome {
	out := make([]outcome, len(g.set.Rules))
	for i := range old {
		if i < len(place) && place[i] >= 0 {
			out[place[i]] = old[i]
		}
	}
	return out
}

// restoreExpiry lets the calls wait for their end again.
func (g *Engine) restoreExpiry() {
	type touched struct {
		hash uint64
		touch
	}
	for _, ended := range []bool{true, false} {
		var line []touched
		for r := range g.st.Calls.headers() {
			if r.Over == ended {
				line = append(line, touched{g.st.Calls.hash(r.Key), touch{r.Touched, ended}})
			}
		}
		slices.SortFunc(line, func(a, b touched) int { return a.at.Compare(b.at) })
		for _, c := range line {
			g.expiry.wait(c.hash, c.touch)
		}
	}
}

// ruleMoved reports whether a rule stands elsewhere in the set than in a checkpoint.
func ruleMoved(place []int, rules int) bool {
	return !slices.IsSorted(place) || len(place) != rules || slices.Contains(place, -1)
}
