package providertest

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"callwatch/call"
	"callwatch/normalizer"
)

// GivenUp checks that a report that was given up makes the call final and says nothing else, at the
// time of the call; stored twice it is one event.
func GivenUp(t *testing.T, p normalizer.Provider) {
	ended := ReceivedAt().Add(-10 * time.Minute)
	{
		var ids []string
		for i := range 2 {
			b, err := normalizer.GiveUp(call.Key{Provider: p.Name, CallID: "c 1"}, ended, ReceivedAt().Add(time.Duration(i)*time.Second))
			if err != nil {
				t.Fatal(err)
			}
			b.RawID = "7.0"
			events, err := normalizer.Events(p, &b, normalizer.Options{Fetches: true})
			if err != nil || len(events) != 1 {
				t.Fatalf("%s: %d events, %v", p.Name, len(events), err)
			}
			e := events[0]
			ids = append(ids, e.ID)
			want := call.Event{Identity: call.Identity{
				ID: e.ID, Provider: p.Name, Kind: call.Report, CallID: "c 1", Final: true, OccurredAt: ended, ReceivedAt: b.ReceivedAt,
			}, RawID: "7.0"}
			if diff := cmp.Diff(want, e); diff != "" {
				t.Errorf("%s: %s", p.Name, diff)
			}
		}
		if ids[0] != ids[1] {
			t.Errorf("%s: one call given up is two events: %q", p.Name, ids)
		}
	}
	b, err := normalizer.GiveUp(call.Key{Provider: p.Name, CallID: "c1"}, time.Time{}, ReceivedAt())
	if err != nil {
		t.Fatal(err)
	}
	b.Source = normalizer.Pushed
	events, _ := normalizer.Events(p, &b, normalizer.Options{})
	for i := range events {
		if events[i].Final {
			t.Errorf("a pushed body makes the call final: %+v", events[i])
		}
	}
}
