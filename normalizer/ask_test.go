package normalizer

import "testing"

func TestAskID(t *testing.T) {
	seen := map[string]int{}
	for i, a := range []Ask{
		{Path: "/a"},
		{Path: "/b"},
		{Path: "/a", CallID: "1"},
		{Path: "/a", Again: true},
		{Path: "/a", Method: "POST"},
		{Path: "/a", Query: map[string][]string{"b": {"c"}}},
		{Path: "/a", Body: []byte("b")},
		{Path: "/a", Method: "", Body: []byte("\x00")},
	} {
		if before, known := seen[a.ID()]; known {
			t.Errorf("asks %d and %d have one id", before, i)
		}
		seen[a.ID()] = i
		if !identifies(a.ID()) {
			t.Errorf("id %q", a.ID())
		}
	}
}
