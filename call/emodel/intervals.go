package emodel

// minPackets is how many expected packets make a loss ratio worth a rating: 2 s
// of 20 ms packets.
const minPackets = 100

// Intervals rates the consecutive intervals of one call; nil for an interval
// without an estimate. An interval whose loss rests on packet counters needs 100
// expected packets: shorter ones are joined with the following ones until they
// have them, and each member gets the rating of the group. A remainder at the end
// gets none. Intervals without a loss figure neither join nor end a group.
func (t Table) Intervals(ins []Input) []*Estimate {
	out := make([]*Estimate, len(ins))
	made := make([]Estimate, 0, len(ins)) // one allocation for all
	var (
		members  []int
		expected float64
		m        *model // of the codec, which seldom changes
		codec    string
	)
	rate := func(in *Input, members ...int) {
		if m == nil || in.Codec != codec {
			m, codec = t.model(in.Codec), in.Codec
		}
		if e, ok := m.rate(in); ok {
			made = append(made, e)
			for _, i := range members {
				out[i] = &made[len(made)-1]
			}
		}
	}
	for i := range ins {
		in := &ins[i]
		_, basis, ok := in.loss()
		if !ok {
			continue
		}
		if basis != Network {
			rate(in, i)
			continue
		}
		members = append(members, i)
		if expected += in.expected(); expected >= minPackets {
			rate(join(ins, members), members...)
			members, expected = members[:0], 0
		}
	}
	return out
}

// join makes one interval of several: counters are added up, times averaged over
// the members that know them.
func join(ins []Input, members []int) *Input {
	if len(members) == 1 {
		return &ins[members[0]]
	}
	joined := ins[members[0]]
	sum := func(of func(Input) *int64) *int64 {
		var total int64
		for _, m := range members {
			total += max(0, orZero(of(ins[m])))
		}
		return &total
	}
	mean := func(of func(Input) *float64) *float64 {
		var total, n float64
		for _, m := range members {
			if v := known(of(ins[m])); v != nil {
				total += *v
				n++
			}
		}
		if n == 0 {
			return nil
		}
		return new(total / n)
	}
	joined.PacketsReceived = sum(func(in Input) *int64 { return in.PacketsReceived })
	joined.PacketsLost = sum(func(in Input) *int64 { return in.PacketsLost })
	joined.PacketsDiscarded = sum(func(in Input) *int64 { return in.PacketsDiscarded })
	joined.JitterMs = mean(func(in Input) *float64 { return in.JitterMs })
	joined.RTTMs = mean(func(in Input) *float64 { return in.RTTMs })
	joined.JitterBufferMs = mean(func(in Input) *float64 { return in.JitterBufferMs })
	joined.BurstRatio = mean(func(in Input) *float64 { return in.BurstRatio })
	return &joined
}
