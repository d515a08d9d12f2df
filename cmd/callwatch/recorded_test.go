package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"callwatch/normalizer/casefile"
	"callwatch/rules"
)

// recordedTruth is what a call must be like.
type recordedTruth struct {
	Match  map[string]any        `json:"match"`
	Approx map[string][2]float64 `json:"approx"`
	Absent []string              `json:"absent"`
}

func (r recordedTruth) expect(t *testing.T) (e casefile.Expect) {
	t.Helper()
	text, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	if err := d.Decode(&e); err != nil {
		t.Fatal(err)
	}
	return e
}

// TestRecordedReports posts call reports that were recorded from a real SDK, and
// compares the call with what getStats of the same connection said. They lie
// outside of the repository: CALLWATCH_CORPUS names the folder.
func TestRecordedReports(t *testing.T) {
	t.Parallel()
	dir := os.Getenv("CALLWATCH_CORPUS")
	if dir == "" {
		t.Skip("CALLWATCH_CORPUS is not set: no folder of recorded bodies")
	}
	dir = filepath.Join(dir, "telnyx_recorded")
	if _, err := os.Stat(dir); err != nil {
		t.Skip(err)
	}
	answered := map[string]any{"status": "completed", "answered": true, "final": true}
	with := func(more map[string]any) map[string]any {
		for name, v := range answered {
			more[name] = v
		}
		return more
	}
	for _, c := range []struct {
		name, id  string
		files     []string
		incidents *int
		expect    recordedTruth
	}{
		{
			"base", "768fef16-e798-4da4-8bae-b704e2c9de98",
			[]string{"base_0"},
			nil,
			recordedTruth{
				Match:  with(map[string]any{"packetsReceived": 689.0, "packetsLost": 40.0, "packetsSent": 392.0, "noInboundAudio": false}),
				Approx: map[string][2]float64{"durationSec": {8, 0.2}, "packetLossPct": {5.49, 0.01}},
			},
		},
		{
			"cancel", "14dc47e8-39bd-4c9b-b658-aaa00ebc2ef7",
			[]string{"cancel_0"},
			new(0),
			recordedTruth{Absent: []string{"status", "answered", "answeredAt", "durationSec", "shortCall", "mos", "packetsReceived", "noInboundAudio"}},
		},
		{
			"close", "ec13ceac-544f-473a-8a9a-44230a825ddb",
			[]string{"close_0", "close_1", "close_2"},
			nil,
			recordedTruth{Match: with(map[string]any{"packetsReceived": 193.0, "packetsLost": 2.0, "packetsSent": 194.0})},
		},
		{
			"close, out of order", "ec13ceac-544f-473a-8a9a-44230a825ddb",
			[]string{"close_2", "close_0", "close_1", "close_0"},
			nil,
			recordedTruth{Match: with(map[string]any{"packetsReceived": 193.0, "packetsLost": 2.0, "packetsSent": 194.0, "endedAt": "2026-11-29T07:48:04.634Z"})},
		},
		{
			"hold", "11dbfa12-572c-442a-8c1a-f4cd2bc0607e",
			[]string{"hold_0"},
			nil,
			recordedTruth{Match: with(map[string]any{"packetsReceived": 374.0, "packetsLost": 2.0, "packetsSent": 375.0, "noInboundAudio": false})},
		},
		{
			"one-way audio", "41fa6e82-5157-4223-a6e9-00837a950452",
			[]string{"oneway_0"},
			nil, // a call without media has MOS 1, so bad-call and low-mos open beside one-way-audio
			recordedTruth{Match: with(map[string]any{
				"packetsReceived": 0.0, "packetsSent": 584.0, "noInboundAudio": true, "noOutboundAudio": false, "oneWayAudio": true, "mosSource": "no-media",
			})},
		},
		{
			"rang 12 s", "f77696ad-3afc-4cfc-9e68-ba60bc64b70c",
			[]string{"ring_0"},
			nil,
			recordedTruth{
				Match:  with(map[string]any{"packetsReceived": 120.0, "packetsLost": 3.0, "packetsSent": 123.0, "intervals.0.packetsReceived": 22.0}),
				Approx: map[string][2]float64{"durationSec": {3.1, 0.1}, "packetLossPct": {2.439, 0.001}},
			},
		},
		{
			"segments", "50392d8b-6abd-495d-a2e3-61b99a67a9ff",
			[]string{"seg_0", "seg_1", "seg_2", "seg_3"},
			nil,
			recordedTruth{
				// The streams were closed by the last sample, 0.2 s after the last reading.
				Match:  with(map[string]any{"packetsLost": 3.0}),
				Approx: map[string][2]float64{"durationSec": {9.27, 0.1}, "packetsReceived": {451, 10}, "packetsSent": {454, 10}},
			},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := &casefile.Sequence{Name: c.name, Provider: "telnyx", Incidents: c.incidents}
			for _, name := range c.files {
				b, err := os.ReadFile(filepath.Join(dir, "js_2.27.10_chrome_"+name+".json"))
				if err != nil {
					t.Fatal(err)
				}
				s.Bodies = append(s.Bodies, casefile.Body{ContentType: "application/json", Bytes: b})
			}
			s.Calls = []casefile.Call{{ID: c.id, Expect: c.expect.expect(t)}}
			base := checkSequence(t, s)
			opened := slices.ContainsFunc(listed(t, base), func(in rules.Incident) bool { return in.Rule == "one-way-audio" })
			if want := c.name == "one-way audio"; opened != want {
				t.Errorf("rule one-way-audio opened %t, want %t", opened, want)
			}
		})
	}
}
