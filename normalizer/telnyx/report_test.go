package telnyx

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"callwatch/call"
	"callwatch/normalizer"
	"callwatch/normalizer/lenient"
	"callwatch/normalizer/providertest"
)

func reportEvent(t *testing.T, name string) call.Event {
	t.Helper()
	body, err := os.ReadFile("testdata/bodies/" + name + ".json")
	if err != nil {
		t.Fatal(err)
	}
	events, err := normalizer.Events(Provider(), &normalizer.Body{Source: normalizer.Pushed, Bytes: body, ReceivedAt: providertest.ReceivedAt(), RawID: "1.0"}, normalizer.Options{})
	if err != nil || len(events) != 1 {
		t.Fatalf("%s: %d events, %v", name, len(events), err)
	}
	return events[0]
}

// Counters of segments go on from each other: adding the segments up would
// count the first one twice.
func TestTelnyxSegmentsFoldToTheWholeReport(t *testing.T) {
	whole := reportEvent(t, "report-js-final")
	for _, segments := range [][]string{
		{"report-js-segment-0", "report-js-segment-1-final"},
		{"report-js-segment-0", "report-js-segment-0", "report-js-segment-1-final", "report-js-segment-1-final"},
		{"report-js-segment-0", "report-js-segment-1-final", "report-js-final"},
	} {
		t.Run(strings.Join(segments, ","), func(t *testing.T) {
			var c call.Call
			for _, name := range segments {
				e := reportEvent(t, name)
				c.Fold(&e, call.PreferProvider)
			}
			if *c.PacketsReceived != *whole.PacketsReceived || *c.PacketsLost != *whole.PacketsLost || *c.PacketsSent != *whole.PacketsSent {
				t.Errorf("received %d, lost %d, sent %d; want %d, %d, %d", *c.PacketsReceived, *c.PacketsLost, *c.PacketsSent,
					*whole.PacketsReceived, *whole.PacketsLost, *whole.PacketsSent)
			}
			if c.Status != call.Completed || !c.Final {
				t.Errorf("status %s, final %t", c.Status, c.Final)
			}
		})
	}
}

// A flush of Flutter names no start, its last report does: both are one stream.
func TestTelnyxFlutterReportsAreOneStream(t *testing.T) {
	var c call.Call
	for _, name := range []string{"report-flutter-safety-interval", "report-flutter-final"} {
		e := reportEvent(t, name)
		c.Fold(&e, call.PreferProvider)
	}
	if *c.PacketsReceived != 1000 || *c.PacketsLost != 9 {
		t.Errorf("received %d, lost %d; want 1000, 9", *c.PacketsReceived, *c.PacketsLost)
	}
}

func TestTelnyxReportIsFinal(t *testing.T) {
	for in, want := range map[string]bool{
		`{"summary":{"state":"destroy"}}`:                                        true,
		`{"summary":{"state":"done"}}`:                                           true,
		`{"summary":{"state":"hangup"}}`:                                         true,
		`{"summary":{}}`:                                                         true,
		`{"summary":{"state":"active"}}`:                                         false,
		`{"summary":{"state":"ACTIVE"}}`:                                         false,
		`{"summary":{"state":"reconnecting"}}`:                                   false,
		`{"summary":{"state":"active"},"flushReason":{"type":"call-end"}}`:       true,
		`{"summary":{"state":"destroy"},"flushReason":{"type":"page-unload"}}`:   false,
		`{"summary":{"state":"destroy"},"flushReason":{"type":"buffer-limit"}}`:  false,
		`{"summary":{"state":"destroy"},"flushReason":{}}`:                       false,
		`{"summary":{"state":"destroy"},"flushReason":null}`:                     true,
		`{"summary":{"state":"something-new"},"segment":4,"flushReason":null}`:   true,
		`{"summary":{"callId":"x"},"flushReason":{"type":"safety-interval"}}`:    false,
		`{"summary":{"callId":"x","state":"held"},"segment":0,"logs":[{"a":1}]}`: false,
	} {
		n, err := lenient.ParseJSON([]byte(in))
		if err != nil {
			t.Fatal(err)
		}
		if got := final(n); got != want {
			t.Errorf("%s: %t", in, got)
		}
	}
}

// A hostile report may have any number of intervals: the totals are right, the
// list is bounded.
func TestTelnyxIntervalsAreBounded(t *testing.T) {
	var b strings.Builder
	b.WriteString(`{"summary":{"callId":"x"},"stats":[`)
	const n = 3 * maxIntervals
	for i := range n {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `{"audio":{"inbound":{"packetsReceived":%d,"packetsLost":0}}}`, 50*(i+1))
	}
	b.WriteString(`]}`)
	events, err := normalizer.Events(Provider(), &normalizer.Body{Source: normalizer.Pushed, Bytes: []byte(b.String()), ReceivedAt: providertest.ReceivedAt(), RawID: "1.0"}, normalizer.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if got := len(events[0].Intervals); got != maxIntervals {
		t.Errorf("%d intervals", got)
	}
	if *events[0].PacketsReceived != 50*n {
		t.Errorf("received %d, want %d", *events[0].PacketsReceived, 50*n)
	}
}

func TestTelnyxEntriesAreBounded(t *testing.T) {
	body := `{"summary":{"callId":"x"},"stats":[` + strings.Repeat("{},", maxEntries) + `{}]}`
	_, err := normalizer.Events(Provider(), &normalizer.Body{Source: normalizer.Pushed, Bytes: []byte(body), ReceivedAt: providertest.ReceivedAt()}, normalizer.Options{})
	if err == nil || !strings.Contains(err.Error(), "entries of stats") {
		t.Error(err)
	}
}

// One delivery may come as a webhook and again from a list of deliveries: it is
// one event, by its identity and in its meaning.
func TestTelnyxRecoveredWebhookIsTheSameEvent(t *testing.T) {
	pushed := reportEvent(t, "hangup-in-a-delivery-wrapper")
	body := `{"data":[{"status":"failed","attempts":[],"webhook":{"event_type":"call.hangup","id":"e1f0a6de-0001-4c1d-8f11-000000000009",
		"occurred_at":"2026-10-30T08:02:05.620Z","payload":{"call_leg_id":"` + pushed.CallID + `","hangup_cause":"normal_clearing"}}}]}`
	events, err := normalizer.Events(Provider(), &normalizer.Body{Source: normalizer.Imported, Bytes: []byte(body), ReceivedAt: providertest.ReceivedAt()}, normalizer.Options{})
	if err != nil || len(events) != 1 {
		t.Fatalf("%d events, %v", len(events), err)
	}
	if e := events[0]; e.ID != pushed.ID || e.Kind != pushed.Kind || e.CallID != pushed.CallID {
		t.Errorf("%s %s %s, want %s %s %s", e.ID, e.Kind, e.CallID, pushed.ID, pushed.Kind, pushed.CallID)
	}
}

// The last known kinds of candidates are the report's, whichever of the two changes.
func TestTelnyxCandidatesOfTheLastEntry(t *testing.T) {
	entry := func(local, remote string) string {
		return `{"ice":{"local":{"candidateType":"` + local + `"},"remote":{"candidateType":"` + remote + `"}}}`
	}
	for _, c := range []struct {
		entries []string
		local   string
		relayed bool
	}{
		{[]string{entry("host", "host"), entry("srflx", "host")}, "srflx", false},
		{[]string{entry("host", "host"), entry("relay", "host")}, "relay", true},
		{[]string{entry("host", "relay"), entry("host", "host")}, "host", false},
		{[]string{entry("host", "host"), entry("host", "relay"), `{}`}, "host", true},
		{[]string{entry("host", "host"), entry("", "relay")}, "host", true},
		{[]string{entry("host", "relay"), entry("host", "relay")}, "host", true},
	} {
		body := `{"summary":{"callId":"x"},"stats":[` + strings.Join(c.entries, ",") + `]}`
		events, err := normalizer.Events(Provider(), &normalizer.Body{Source: normalizer.Pushed, Bytes: []byte(body), ReceivedAt: providertest.ReceivedAt()}, normalizer.Options{})
		if err != nil {
			t.Fatal(err)
		}
		if e := events[0]; e.CandidateType != c.local || e.Relayed == nil || *e.Relayed != c.relayed {
			t.Errorf("%s: %s, relayed %v", body, e.CandidateType, e.Relayed)
		}
	}
}

func TestRecordsAreBounded(t *testing.T) {
	page := `{"data":[` + strings.Repeat(`{"id":"a","created_at":"2026-10-30T08:00:00Z"},`, normalizer.MaxRecords) + `{}]}`
	for _, p := range []normalizer.Provider{Provider()} {
		_, err := normalizer.Events(p, &normalizer.Body{Source: normalizer.Imported, Bytes: []byte(page), ReceivedAt: providertest.ReceivedAt()}, normalizer.Options{})
		if err == nil || !strings.Contains(err.Error(), "records in one body") {
			t.Errorf("%s: %v", p.Name, err)
		}
	}
}
