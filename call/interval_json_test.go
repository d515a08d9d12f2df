package call

import (
	"encoding/json"
	"reflect"
	"testing"
	"time"
)

// FuzzInterval holds the reading of an interval to that of package json.
func FuzzInterval(f *testing.F) {
	for _, s := range []string{
		`{}`, `{"start":"2026-11-01T12:00:00Z","end":"2026-11-01T12:00:05.25Z","packetsReceived":248,"packetsLost":-2,"packetLossPct":0.8,"mos":4.1}`,
		`{"jitterMs":4.5,"rttMs":41,"concealedPct":0.8064516129032258,"jitterBufferMs":1,"packetsDiscarded":0,"rFactor":91.90551236789}`,
		`{"mos":1,"mos":2}`, `{"mos":null}`, `{"mos":01}`, `{"mos":-0}`, `{"mos":-0.0}`, `{"mos":1.}`, `{"mos":.5}`, `{"mos":-}`, `{"mos":1e3}`, `{"mos":1e999}`, `{"mos":"1"}`, `{"mos":}`,
		`{"packetsLost":9223372036854775807}`, `{"packetsLost":00}`, `{"packetsLost":-0}`, `{"packetsLost":1.0}`, `{"packetsLost":}`, `{"MOS":3}`, `{"x":{"mos":1}}`,
		`{"start":null}`, `{"start":"2026-11-01"}`, `{"start":"2026-11-01T12:00:00+01:00"}`, `{"start":"2026-11-01T12:00:00,5Z"}`, `{"start":"}"}`, `{"start":5}`, `{"start":"}`,
		` {}`, `{"mos":1}}`, `{"mos":1`, `{"mos":1,}`, `{`, ``, `null`, `[]`, `{"mos":1 }`, `{"mos" :1}`, `{"":1}`, `{"m\u006fs":1}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		got, ok := readInterval(b)
		if !ok {
			return
		}
		type plain Interval
		var want plain
		if err := json.Unmarshal(b, &want); err != nil {
			t.Fatalf("package json refuses %q: %v", b, err)
		}
		if !reflect.DeepEqual(Interval(want), got) {
			t.Fatalf("%q: %+v, want %+v", b, got, want)
		}
	})
}

// What is published takes the short way, and comes back as it was.
func TestIntervalComesBack(t *testing.T) {
	at := time.Date(2026, 11, 1, 12, 0, 0, 250e6, time.UTC)
	whole := Interval{
		at, at.Add(5 * time.Second), new(int64(248)), new(int64(-2)), new(0.8064516129032258), new(4.5), new(41.0), new(0.0), new(1.25),
		new(int64(0)), new(0.25), true, new(91.90551236789), new(4.1),
	}
	for name, iv := range map[string]Interval{"all": whole, "none": {}, "some": {Start: at, MOS: new(1.0)}} {
		t.Run(name, func(t *testing.T) {
			b, err := json.Marshal(iv)
			if err != nil {
				t.Fatal(err)
			}
			if got, ok := readInterval(b); !ok || !reflect.DeepEqual(got, iv) {
				t.Errorf("%s: %t %+v", b, ok, got)
			}
			var e Event
			if err := json.Unmarshal([]byte(`{"intervals":[`+string(b)+`]}`), &e); err != nil || !reflect.DeepEqual(e.Intervals, []Interval{iv}) {
				t.Errorf("%s: %v %+v", b, err, e.Intervals)
			}
		})
	}
}

// Another form is left to package json.
func TestIntervalInAnotherForm(t *testing.T) {
	var e Event
	err := json.Unmarshal([]byte(`{"intervals":[null, {"mos": 4, "rttMs":null, "of":"others","rFactor":1e1}]}`), &e)
	want := []Interval{{}, {MOS: new(4.0), RFactor: new(10.0)}}
	if err != nil || !reflect.DeepEqual(e.Intervals, want) {
		t.Errorf("%v %+v", err, e.Intervals)
	}
	if err := json.Unmarshal([]byte(`{"intervals":[{"mos":"good"}]}`), &e); err == nil {
		t.Error("a text is no score")
	}
}
