package calls

import (
	"container/list"
	"slices"
	"time"

	"callwatch/call"
)

// State is a call and what the rules have made of it so far.
type State struct {
	Key      call.Key
	Call     *call.Call // nil while it is evicted
	Touched  time.Time  // stream time of the latest event
	Outcomes []Outcome  // by the rule's place in the set
	Holds    []Hold     // of the rules with `for`, where it has begun

	Ended    time.Time // stream time at which the end was stored; zero before
	EndedSeq uint64
	Settled  bool // nothing more is expected: every window has counted it
	Over     bool // the call has ended

	texts   [][]byte      // events of which the call is the fold, as JSON; nil: not all are known
	evicted []byte        // facts of the call, compressed; nil once they changed
	hot     *list.Element // of the cache; nil while it is evicted
}

// Hold is how far the `for` of one rule has come on one call.
type Hold struct {
	Rule   int // place in the set
	Since  time.Time
	Recent []bool
}

// Outcome is the state of one rule for one call.
type Outcome uint8

const (
	Unseen   Outcome = iota // not judged, or not concerned
	Unjudged                // the outcome depends on an unknown field
	Good                    // judged: did not match
	Matched                 // matched, once and for all
	Counted                 // taken into the window of the rule, if that concerns it
)

// HoldOf is the state of the rule's `for` on the call, made when it is missing; it
// may be changed.
func (cs *State) HoldOf(rule int) *Hold {
	for i := range cs.Holds {
		if cs.Holds[i].Rule == rule {
			return &cs.Holds[i]
		}
	}
	cs.Holds = append(cs.Holds, Hold{Rule: rule})
	return &cs.Holds[len(cs.Holds)-1]
}

// Hold returns how far the `for` of the rule at index i has come on the call: since
// when the condition has held, and whether it held for the latest events.
func (cs *State) Hold(i int) (since time.Time, recent []bool) {
	for _, h := range cs.Holds {
		if h.Rule == i {
			return h.Since, h.Recent
		}
	}
	return time.Time{}, nil
}

// Holding reports whether a `for` of the rule has begun on the call that ends
// when the call does.
func (cs *State) Holding(rule int) bool {
	return slices.ContainsFunc(cs.Holds, func(h Hold) bool { return h.Rule == rule && !h.Since.IsZero() })
}

// EndHolds ends every `for` with a duration: the call is over, and so is what
// held during it. It returns the rules, by their place in the set.
func (cs *State) EndHolds() (ended []int) {
	for i := range cs.Holds {
		if !cs.Holds[i].Since.IsZero() {
			cs.Holds[i] = Hold{Rule: cs.Holds[i].Rule}
			ended = append(ended, cs.Holds[i].Rule)
		}
	}
	return ended
}
