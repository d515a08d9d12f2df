package call

import (
	"strings"
	"testing"
)

func TestBound(t *testing.T) {
	e := Event{Facts: Facts{
		SIPCode: new(int64(16)), JitterMs: new(-1.0), RTTMs: new(40.0), MOSProvider: new(45.0),
		ErrorMessage: strings.Repeat("é", 600) + "x", HangupCause: "a\xff",
	}}
	e.Bound()
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
