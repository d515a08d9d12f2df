package rulescmd

import (
	"strings"
	"testing"

	"callwatch/call"
	"callwatch/rules"
	"callwatch/rules/condition"
)

// TestValuesOfATree: the values of a condition are shown as people write them, elements of
// lists and what functions make of them included.
func TestValuesOfATree(t *testing.T) {
	t.Parallel()
	e := call.Event{Facts: call.Facts{Codec: "opus"}, Intervals: []call.Interval{{JitterMs: new(30.0)}, {JitterMs: new(10.0)}}}
	e.Raw = map[string]any{"list": []any{"a", 1.0, true, nil, map[string]any{"b": 1.0}, "f"}, "deep": map[string]any{"a": 1.0}}
	var facts condition.Facts
	facts.Load(&e)
	for src, want := range map[string]string{
		"first(intervals).jitterMs > 1":                "intervals[0].jitterMs = 30, intervals[0] = interval",
		"find(intervals, .jitterMs < 20).jitterMs > 1": "= 10, = interval, intervals = 2 intervals",
		"len(filter(intervals, .jitterMs < 20)) == 1":  "= 1, = 1 interval, intervals = 2 intervals",
		"len(map(intervals, .jitterMs)) == 2":          "= 2, = [30, 10], intervals = 2 intervals",
		`len(split(codec, "p")) == 2`:                  `len(split(codec, "p")) = 2, split(codec, "p") = ["o", "us"], codec = "opus"`,
		`"a" in raw.list`:                              `raw.list = ["a", 1, true, unknown, object, ...]`,
		`"a" in raw.deep`:                              "raw.deep = object",
	} {
		p, problems := condition.Compile(src, condition.Env{})
		if p == nil {
			t.Errorf("%s: %v", src, problems)
			continue
		}
		tree := p.Tree(&facts)
		if got := strings.Join(operands(&tree), ", "); got != want {
			t.Errorf("%s:\n%s, want\n%s", src, got, want)
		}
	}
}

// TestIncidentThatIsNotAnnounced: an incident about which nothing is sent is not said to be
// announced.
func TestIncidentThatIsNotAnnounced(t *testing.T) {
	t.Parallel()
	for by, want := range map[string]string{
		"":        "incident inc_1 provider=telnyx, announced in the configured channel",
		"mode":    "incident inc_1 provider=telnyx, not announced",
		"silence": "incident inc_1 provider=telnyx, not announced",
		"adopts":  "incident inc_1 provider=telnyx, not announced",
	} {
		x := rules.Explanation{Rule: "low-mos", Verdict: rules.VerdictMatched, Incident: "inc_1", By: []rules.Label{{Name: "provider", Value: "telnyx"}}}
		if by != "" {
			x.HoldBack(by, "why")
		}
		var out strings.Builder
		printExplanation(&out, "", &x)
		if !strings.Contains(out.String(), "  "+want+"\n") {
			t.Errorf("held back by %q:\n%s, want %s", by, &out, want)
		}
	}
}
