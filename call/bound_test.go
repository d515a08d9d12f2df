package call

import (
	"math"
	"strings"
	"testing"
)

func TestBound(t *testing.T) {
	e := Event{Facts: Facts{
		SIPCode: new(int64(16)), JitterMs: new(-1.0), RTTMs: new(40.0), MOSProvider: new(45.0),
		ErrorMessage: strings.Repeat("é", 600) + "x", HangupCause: "a\xff",
	}}
	inf := math.Inf(1)
	e.Intervals = []Interval{{JitterMs: &inf, RTTMs: new(40.0)}}
	e.Turns = []Turn{{LLMMs: new(500.0), LatencyMs: &inf}, {TTSMs: new(-1.0)}, {STTMs: new(math.NaN())}, {STTMs: new(0.0)}}
	e.Bound()
	if iv := e.Intervals[0]; iv.JitterMs != nil || iv.RTTMs == nil {
		t.Errorf("interval %+v", iv)
	}
	if len(e.Turns) != 2 || e.Turns[0].LatencyMs != nil || *e.Turns[0].LLMMs != 500 || *e.Turns[1].STTMs != 0 {
		t.Errorf("turns %+v", e.Turns)
	}
	if _, err := e.JSON(); err != nil {
		t.Error(err)
	}
	if e.SIPCode != nil || e.JitterMs != nil || e.MOSProvider != nil {
		t.Errorf("kept what cannot be: %v %v %v", e.SIPCode, e.JitterMs, e.MOSProvider)
	}
	if e.RTTMs == nil || *e.RTTMs != 40 {
		t.Errorf("rttMs %v, want 40", e.RTTMs)
	}
	if want := strings.Repeat("é", 512); e.ErrorMessage != want {
		t.Errorf("text of %d bytes, want %d", len(e.ErrorMessage), len(want))
	}
	if e.HangupCause != "a\uFFFD" {
		t.Errorf("hangupCause %q", e.HangupCause)
	}
}
