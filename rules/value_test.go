package rules

import (
	"testing"

	"callwatch/rules/numbers"
)

// What pct makes of the value depends on what the condition compares.
func TestUnitOfACondition(t *testing.T) {
	for name, want := range map[string]string{
		"packetLossPct": "%", "avg(packetLossPct)": "%", "prev(p95(packetLossPct))": "%", "p(rttMs, 99.5)": "ms", "max(intervals, .packetLossPct)": "%", "avg(mean(intervals, .rttMs))": "ms", "prev(p(rttMs, 1))": "ms", "rttMs": "ms", "mos": "MOS",
		"rate(mos < 3.5)": numbers.ShareUnit, "prev(rate(packetLossPct > 5))": numbers.ShareUnit, "count(mos < 3)": "", "packetsLost / packetsReceived": "",
	} {
		if got := unitOf(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}

// A number of which only one end is known is not told as if it were exact.
func TestMetValueWithoutAnEnd(t *testing.T) {
	low, high := 50.0, 60.0
	for _, c := range []struct {
		of   Condition
		want any
	}{
		{Condition{Value: &low}, 50.0},
		{Condition{Value: &low, Low: &low}, numbers.AtLeast(50)},
		{Condition{Value: &high, High: &high}, numbers.AtMost(60)},
		{Condition{Value: &low, Low: &low, High: &high}, numbers.AtLeast(50)},
		{Condition{Value: &high, Low: &low, High: &high}, numbers.AtMost(60)},
	} {
		if got := metValue(&c.of); got != c.want {
			t.Errorf("%+v: %v, want %v", c.of, got, c.want)
		}
	}
}
