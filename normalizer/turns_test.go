package normalizer

import (
	"testing"

	"callwatch/call"
)

func TestLatencies(t *testing.T) {
	var twenty Latencies
	for i := range 20 {
		twenty = append(twenty, float64(100*(20-i)))
	}
	cases := []struct {
		name               string
		l                  Latencies
		mean, p95, longest float64
	}{
		{"four turns: the maximum", Latencies{400, 900, 100, 200}, 400, 900, 900},
		{"five turns: nearest rank", Latencies{500, 100, 400, 200, 300}, 300, 500, 500},
		{"twenty turns: the second longest", twenty, 1050, 1900, 2000},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			if m, p, l := *c.l.Mean(), *c.l.P95(), *c.l.Longest(); m != c.mean || p != c.p95 || l != c.longest {
				t.Errorf("mean %v, p95 %v, longest %v", m, p, l)
			}
		})
	}
	if none := (Latencies{}); none.Mean() != nil || none.P95() != nil || none.Longest() != nil {
		t.Error("no turns have a latency")
	}
	if twenty[0] != 2000 {
		t.Error("p95 reordered the turns")
	}
}

func TestHungUpBy(t *testing.T) {
	cases := []struct {
		agent     bool
		direction string
		want      string
	}{
		{false, call.Inbound, "caller"},
		{false, call.Outbound, "callee"},
		{true, call.Inbound, "callee"},
		{true, call.Outbound, "caller"},
		{true, "", ""},
	}
	for _, c := range cases {
		if got := HungUpBy(c.agent, c.direction); got != c.want {
			t.Errorf("agent %v, %s: %q, want %q", c.agent, c.direction, got, c.want)
		}
	}
}
