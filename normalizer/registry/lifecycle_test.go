package registry_test

import (
	"slices"
	"testing"

	"callwatch/call"
	"callwatch/normalizer"
	"callwatch/normalizer/providertest"
	"callwatch/normalizer/registry"
)

// TestLifecycle folds what one call sends and what is fetched of it, in each
// order of arrival: the same is known at the end.
func TestLifecycle(t *testing.T) {
	lifecycles := []struct {
		provider string
		bodies   []string
		want     map[string]any
	}{
		{"bird", []string{"voice-inbound-ringing", "voice-outbound-completed", "insights-mos-3-1"}, map[string]any{
			"status": call.Completed, "mos": 3.1, "packetsLost": 1080, "pddMs": 850, "ringSec": 5.5,
			"raw.service": "channels", "raw.mediaMetrics.flawTotal": 2400, "tags": []string{"retention", "uk"}, "final": true,
		}},
		{"bird", []string{"platform-initiated", "platform-answered", "platform-ended", "platform-call-poor"}, map[string]any{
			"status": call.Completed, "mos": 3.2, "rttMs": 310, "durationSec": 151, "setupMs": 8000, "cost": 0.0342, "final": true,
		}},
		{"atoms", []string{"pre-conversation", "post-conversation", "get-call-not-processed", "get-call"}, map[string]any{
			"status": call.Completed, "durationSec": 92.25, "turnLatencyMs": 912.5, "turnCount": 6, "cost": 3.4,
			"endReason": "user_hangup", "mos": nil, "raw.analytics": nil, "raw.variables.order_value": "129.90", "final": true,
		}},
		{"butter", []string{"status-initiated", "status-ringing", "status-in-progress", "status-completed", "call"}, map[string]any{
			"status": call.Completed, "ringSec": 6, "turnLatencyMs": 1100, "cost": 8.75, "errorCount": 0, "mos": nil, "final": true,
		}},
	}
	for _, c := range lifecycles {
		t.Run(c.provider+" "+c.bodies[0], func(t *testing.T) {
			p, _ := registry.Find(c.provider)
			var events []call.Event
			for _, known := range providertest.Cases(t, c.provider, folder(c.provider)) {
				if slices.Contains(c.bodies, known.Name) {
					some, err := normalizer.Events(p, &known.Body, normalizer.Options{})
					if err != nil {
						t.Fatal(err)
					}
					events = append(events, some...)
				}
			}
			if len(events) != len(c.bodies) {
				t.Fatalf("%d events of %d bodies", len(events), len(c.bodies))
			}
			for order := range permutations(len(events)) {
				var known call.Call
				for _, i := range order {
					e := events[i].Clone()
					known.Fold(&e, call.PreferProvider)
				}
				for name, want := range c.want {
					if got := providertest.EventValue(t, &known.Event, name); !providertest.SameValue(got, want) {
						t.Errorf("order %v: %s is %v, want %v", order, name, got, want)
					}
				}
			}
		})
	}
}

// permutations yields each order of n things.
func permutations(n int) func(yield func([]int) bool) {
	order := make([]int, n)
	for i := range order {
		order[i] = i
	}
	return func(yield func([]int) bool) {
		var from func(k int) bool
		from = func(k int) bool {
			if k == n {
				return yield(order)
			}
			for i := k; i < n; i++ {
				order[k], order[i] = order[i], order[k]
				more := from(k + 1)
				order[k], order[i] = order[i], order[k]
				if !more {
					return false
				}
			}
			return true
		}
		from(0)
	}
}
