package normalizer

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestBoundRaw(t *testing.T) {
	small := map[string]any{
		"n": json.Number("2.50"), "long": json.Number("2774993960299398855"), "text": "4.50",
		"deep": []any{map[string]any{"sdp": "v=0", "kept": json.Number("1")}},
	}
	want := map[string]any{
		"n": 2.5, "long": "2774993960299398855", "text": "4.50",
		"deep": []any{map[string]any{"kept": 1.0}},
	}
	boundRaw(small)
	if diff := cmp.Diff(want, small); diff != "" {
		t.Error(diff)
	}
	boundRaw(small)
	if diff := cmp.Diff(want, small); diff != "" {
		t.Errorf("bounded twice: %s", diff)
	}
	got := map[string]any{"a": strings.Repeat("x", maxRaw/2), "b": strings.Repeat("<", maxRaw/2), "c": "kept"}
	boundRaw(got)
	b, err := json.Marshal(got)
	if err != nil || len(b) > maxRaw {
		t.Errorf("%d bytes, %v", len(b), err)
	}
	if got["c"] != "kept" || got["a"] == nil || got["b"] != nil {
		t.Errorf("kept %d members, want a and c: b is six bytes a character in JSON", len(got))
	}
	boundRaw(nil)
}
