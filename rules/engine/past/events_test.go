package past

import (
	"fmt"
	"testing"
)

// The event ids that are remembered are bounded, and the latest million is always
// recognized.
func TestRememberedEventsAreBounded(t *testing.T) {
	var m Events
	id := func(i int) string { return fmt.Sprint("event-", i) }
	for i := range 2*maxRemembered + 1 {
		if m.Add(id(i)) {
			t.Fatalf("event %d is known before it came", i)
		}
		if len(m.recent) > maxRemembered || len(m.older) > maxRemembered {
			t.Fatalf("after %d events %d and %d are remembered", i+1, len(m.recent), len(m.older))
		}
	}
	for _, i := range []int{2 * maxRemembered, 2*maxRemembered - 1, maxRemembered + 1} {
		if !m.Add(id(i)) {
			t.Errorf("event %d is forgotten", i)
		}
	}
}
