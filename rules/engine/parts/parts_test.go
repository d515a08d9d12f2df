package parts

import (
	"bytes"
	"testing"
	"time"

	"callwatch/call"
)

// What is written is read again, in the same order, and nothing is read beyond the end.
func TestPartsAreReadAsWritten(t *testing.T) {
	keys := []call.Key{{Provider: "telnyx", CallID: "1"}, {Provider: "telnyx", Account: "emea", CallID: "1"}}
	at := time.Date(2026, 3, 14, 9, 26, 53, 589793238, time.UTC)
	var b bytes.Buffer
	out := NewWriter(&b)
	for _, k := range keys {
		out.Key(k)
	}
	out.Time(at)
	out.Time(time.Time{})
	out.Hashes(map[uint64]struct{}{1: {}, 1 << 63: {}})
	out.Number(300)
	if out.Err != nil {
		t.Fatal(out.Err)
	}
	in := NewReader(b.Bytes())
	for _, want := range keys {
		if got := in.Key(); got != want {
			t.Errorf("key %+v, want %+v", got, want)
		}
	}
	if got := in.Time(); got != at {
		t.Errorf("time %s, want %s", got, at)
	}
	if got := in.Time(); !got.IsZero() {
		t.Errorf("the zero time is %s", got)
	}
	if got := in.Hashes(); len(got) != 2 {
		t.Errorf("hashes %v", got)
	}
	if got := in.Number(); got != 300 || in.Err != nil {
		t.Errorf("number %d, %v", got, in.Err)
	}
	if in.Number(); in.Err == nil {
		t.Error("read beyond the end")
	}
}
