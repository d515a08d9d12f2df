package jet

import "testing"

func TestForeignCounts(t *testing.T) {
	var l foreigners
	for range 2 {
		for seq := range uint64(foreignKnown + 5) {
			l.note(Foreign{Stream: "events", Seq: seq + 1})
		}
	}
	if n := l.counts["events"]; n != foreignKnown+5 || len(l.seen) != foreignKnown || len(l.latest) != ForeignShown {
		t.Errorf("%d counted, %d known, %d shown", n, len(l.seen), len(l.latest))
	}
}
