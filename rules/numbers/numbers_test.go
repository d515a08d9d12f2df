package numbers

import "testing"

// Percent multiplies shares, and numbers up to 1 that have no unit.
func TestPercent(t *testing.T) {
	if Percent(Share(1.0)) != "100 %" || Percent(0.3) != "30 %" || Percent(InPercent(1)) != "1 %" {
		t.Error(Percent(Share(1.0)), Percent(0.3), Percent(InPercent(1)))
	}
}
