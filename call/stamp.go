package call

import "time"

// stamp says how late in a call an event spoke: by its kind, then by its time.
type stamp struct {
	Kind Kind      `json:"k"`
	At   time.Time `json:"t"`
}

// order of kinds: by how late in a call they speak.
var rank = map[Kind]int{Progress: 1, Stats: 2, Ended: 3, Report: 4}

// endedRank is the order for facts that a later report does not correct.
var endedRank = map[Kind]int{Progress: 1, Stats: 2, Report: 3, Ended: 4}

// older says whether s spoke before o.
func (s stamp) older(o stamp, order map[Kind]int) bool {
	if a, b := order[s.Kind], order[o.Kind]; a != b {
		return a < b
	}
	return s.At.Before(o.At)
}

// sources remembers for each field which event its value came from, so that the
// fold gives the same call in whatever order its events arrive.
type sources struct {
	Stamps []stamp
	Of     []byte // by the field's place in the table: place in Stamps, plus one
}

// maxStamps is how many events fields can come from before unused ones are
// dropped. The table has fewer fields than that.
const maxStamps = 250

func (s *sources) of(field int) (stamp, bool) {
	if field >= len(s.Of) || s.Of[field] == 0 || int(s.Of[field]) > len(s.Stamps) { // what was read back may be anything
		return stamp{}, false
	}
	return s.Stamps[s.Of[field]-1], true
}

// add takes the stamp of one event and returns the place that set expects.
func (s *sources) add(st stamp, fields int) byte {
	if len(s.Of) < fields {
		s.Of = append(s.Of, make([]byte, fields-len(s.Of))...)
	}
	if len(s.Stamps) >= maxStamps {
		s.dropUnused()
	}
	s.Stamps = append(s.Stamps, st)
	return byte(len(s.Stamps))
}

func (s *sources) dropUnused() {
	var kept []stamp
	moved := map[byte]byte{}
	for i, place := range s.Of {
		if place == 0 {
			continue
		}
		if _, ok := moved[place]; !ok {
			kept = append(kept, s.Stamps[place-1])
			moved[place] = byte(len(kept))
		}
		s.Of[i] = moved[place]
	}
	s.Stamps = kept
}
