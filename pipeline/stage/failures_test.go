package stage

import (
	"errors"
	"strings"
	"testing"
	"time"
)

func TestFailingStages(t *testing.T) {
	var f Failures
	at := func(seconds int) time.Time { return time.Unix(1_800_000_000+int64(seconds), 0) }
	if f.Has("judge", at(0)) || f.Cause(at(0)) != "" {
		t.Error("nothing failed")
	}
	for s := 0; s <= 33; s += 3 {
		f.note("judge", at(s-1), at(s), errors.New("out of order"))
		if red := f.Cause(at(s)) != ""; red != (s >= 30) {
			t.Errorf("after %d s: %q", s, f.Cause(at(s)))
		}
	}
	if c := f.Cause(at(34)); !strings.Contains(c, "judge fails since 2027-01-15T08:00:00Z: out of order") {
		t.Errorf("cause %q", c)
	}
	if !f.Has("judge", at(40)) || f.Has("announce", at(40)) || f.Has("judge", at(95)) || f.Cause(at(95)) != "" {
		t.Error("a stage that runs again still fails")
	}
	f.note("judge", at(40), at(200), errors.New("once more"))
	if f.Cause(at(200)) != "" {
		t.Error("after a long run one error makes a failing stage")
	}
}
