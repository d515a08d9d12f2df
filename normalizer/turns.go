package normalizer

import (
	"math"
	"slices"

	"callwatch/call"
)

// minP95Turns is the number of turns below which a 95th percentile says no more
// than the maximum.
const minP95Turns = 5

// latencies are the response times of an agent's turns in ms, in any order.
type latencies []float64

func (l latencies) mean() *float64 {
	if len(l) == 0 {
		return nil
	}
	sum := 0.0
	for _, v := range l {
		sum += v
	}
	return new(sum / float64(len(l)))
}

func (l latencies) longest() *float64 {
	if len(l) == 0 {
		return nil
	}
	return new(slices.Max(l))
}

// p95 is the 95th percentile by nearest rank, the maximum below five turns.
func (l latencies) p95() *float64 {
	if len(l) < minP95Turns {
		return l.longest()
	}
	sorted := slices.Sorted(slices.Values(l))
	return &sorted[int(math.Ceil(0.95*float64(len(sorted))))-1]
}

// hungUpBy is who ended the call, caller or callee, given whether it was the
// voice agent; "" where the direction is not known.
func hungUpBy(agent bool, direction string) string {
	switch {
	case direction != call.Inbound && direction != call.Outbound:
		return ""
	case agent == (direction == call.Outbound):
		return "caller" // the agent calls on outbound calls
	default:
		return "callee"
	}
}
