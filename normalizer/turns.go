package normalizer

import (
	"math"
	"slices"

	"callwatch/call"
)

// MinP95Turns is the number of turns below which a 95th percentile says no more
// than the maximum.
const MinP95Turns = 5

// Latencies are the response times of an agent's turns in ms, in any order.
type Latencies []float64

func (l Latencies) Mean() *float64 {
	if len(l) == 0 {
		return nil
	}
	sum := 0.0
	for _, v := range l {
		sum += v
	}
	return new(sum / float64(len(l)))
}

func (l Latencies) Longest() *float64 {
	if len(l) == 0 {
		return nil
	}
	return new(slices.Max(l))
}

// P95 is the 95th percentile by nearest rank, the maximum below five turns.
func (l Latencies) P95() *float64 {
	if len(l) < MinP95Turns {
		return l.Longest()
	}
	sorted := slices.Sorted(slices.Values(l))
	return &sorted[int(math.Ceil(0.95*float64(len(sorted))))-1]
}

// HungUpBy is who ended the call, caller or callee, given whether it was the
// voice agent; "" where the direction is not known.
func HungUpBy(agent bool, direction string) string {
	switch {
	case direction != call.Inbound && direction != call.Outbound:
		return ""
	case agent == (direction == call.Outbound):
		return "caller" // the agent calls on outbound calls
	default:
		return "callee"
	}
}
