package call

import (
	"testing"
	"time"
)

func TestFieldFormat(t *testing.T) {
	e := &Event{
		Identity: Identity{Provider: "acme", OccurredAt: time.Date(2026, 11, 1, 13, 0, 0, 0, time.FixedZone("", 3600))},
		Facts:    Facts{MOS: new(4.0), JitterMs: new(1e-7), SIPCode: new(int64(404)), Answered: new(false)},
	}
	for name, want := range map[string]string{
		"provider": "acme", "mos": "4", "jitterMs": "0.0000001", "sipCode": "404", "answered": "false",
		"occurredAt": "2026-11-01T12:00:00Z", "region": "", "rttMs": "", "intervals": "", "raw": "",
	} {
		f, ok := Lookup(name)
		if !ok {
			t.Errorf("no field %s", name)
			continue
		}
		if got := f.Format(e); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
}
