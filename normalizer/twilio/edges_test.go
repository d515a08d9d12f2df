package twilio

import (
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"

	"callwatch/call"
	"callwatch/normalizer"
	"callwatch/normalizer/providertest"
)

// A call of a trunk has samples of two edges of the same seconds: in whatever order they
// arrive, the carrier's have the word, and its loss is not mixed with that of the other.
func TestEdgesOfATrunk(t *testing.T) {
	var events [][]call.Event
	for _, name := range []string{"metrics-carrier", "metrics-sip"} {
		body, err := os.ReadFile("testdata/bodies/" + name + ".json")
		if err != nil {
			t.Fatal(err)
		}
		some, err := normalizer.Events(Provider(), &normalizer.Body{Source: normalizer.Pushed, ContentType: "application/json", Bytes: body, ReceivedAt: providertest.ReceivedAt(), RawID: "1.0"}, normalizer.Options{})
		if err != nil {
			t.Fatal(err)
		}
		events = append(events, some)
	}
	var known [2]call.Call
	for i, order := range [2][2]int{{0, 1}, {1, 0}} {
		for _, body := range order {
			for _, e := range events[body] {
				known[i].Fold(&e, call.PreferProvider)
			}
		}
	}
	if diff := cmp.Diff(known[0].Facts, known[1].Facts); diff != "" {
		t.Errorf("the order of arrival matters:\n%s", diff)
	}
	if c := &known[0]; c.PacketsLost == nil || *c.PacketsLost != 15 || *c.PacketLossPct != 3 || *c.PacketsSent != 500 || len(c.Intervals) != 1 {
		t.Errorf("%d intervals, %+v", len(c.Intervals), c.Facts)
	}
}

// A summary that was made later has the word, however the summaries arrive.
func TestOrderOfSummaries(t *testing.T) {
	text := func(state string, version, lost string) string {
		return `{"call_sid":"CA1","call_state":"completed","processing_state":"` + state + `","processing_version":` + version +
			`,"end_time":"2026-10-30T09:12:51Z","carrier_edge":{"metrics":{"inbound":{"packets_received":100,"packets_lost":` + lost + `}}}}`
	}
	all := []string{text("partial", "1", "1"), text("partial", "2", "2"), text("complete", "2", "3")}
	for _, order := range [][]int{{0, 1, 2}, {2, 1, 0}, {1, 2, 0}, {2, 0, 1}} {
		var known call.Call
		for _, i := range order {
			events, err := normalizer.Events(Provider(), &normalizer.Body{Source: normalizer.Fetched, Bytes: []byte(all[i]), ReceivedAt: providertest.ReceivedAt(), RawID: "1.0"}, normalizer.Options{})
			if err != nil {
				t.Fatal(err)
			}
			known.Fold(&events[0], call.PreferProvider)
		}
		if known.PacketsLost == nil || *known.PacketsLost != 3 {
			t.Errorf("in the order %v %v packets are lost", order, known.PacketsLost)
		}
	}
}
